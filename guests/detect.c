/* Finds parts in pictures: a reactor function for detectors with the two outputs
 *
 *     scores  f32 [1, labels, cells]   0..1, already thinned out to peaks
 *     boxes   f32 [1, 4, cells]        corners x1, y1, x2, y2 in 0..1 of the picture
 *
 * For each picture it emits one JSON document, best part first:
 *
 *     {"boxes": [{"label": "nut", "score": 0.9312, "box": [0.1020, 0.2210, 0.1840, 0.3720]}]}
 *
 * The model is the one granted as "net"; it takes f32 [1, 3, 216, 384] in 0..1. Config:
 *     labels     names separated by commas, one per map of scores (required)
 *     threshold  the least score that counts, 0..1 (default 0.5)
 *     overlap    of two boxes that share more of their area than this, the better one stays (default 0.5).
 *                Labels do not matter here: a part cannot be good and defective at once.
 */
#include "weft.h"

enum {
    WIDTH = 384, HEIGHT = 216, CELLS = (WIDTH / 8) * (HEIGHT / 8),
    MAX_LABELS = 32, MAX_BOXES = 100, LABEL_BYTES = 2048, TEXT_BYTES = 32768
};

typedef struct {
    float score, x1, y1, x2, y2;
    uint32_t label;
} box_t;

typedef struct {
    uint32_t length;
    char *bytes;
    uint32_t capacity;
    int32_t full; /* something did not fit */
} text_t;

static float image[3 * HEIGHT * WIDTH];
static float scores[MAX_LABELS * CELLS];
static float corners[4 * CELLS];
static char label_bytes[LABEL_BYTES];
static struct { const char *start; uint32_t length; } labels[MAX_LABELS];
static uint32_t label_count, context;
static float threshold = 0.5f, overlap = 0.5f;
static box_t boxes[MAX_BOXES];
static char document_bytes[TEXT_BYTES];

/* --- text ------------------------------------------------------------------------------- */

static void put_char(text_t *text, char c) {
    if (text->length < text->capacity) text->bytes[text->length++] = c;
    else text->full = 1;
}

static void put(text_t *text, const char *words) {
    while (*words) put_char(text, *words++);
}

static void put_number(text_t *text, uint32_t value) {
    char digits[10];
    int count = 0;
    do digits[count++] = (char)('0' + value % 10); while (value /= 10);
    while (count) put_char(text, digits[--count]);
}

/* A value in 0..1 with four decimals. */
static void put_fraction(text_t *text, float value) {
    uint32_t parts = value <= 0 ? 0 : value >= 1 ? 10000 : (uint32_t)(value * 10000 + 0.5f);
    put_number(text, parts / 10000);
    put_char(text, '.');
    for (uint32_t unit = 1000; unit; unit /= 10) put_char(text, (char)('0' + parts / unit % 10));
}

static void put_string(text_t *text, const char *bytes, uint32_t length) {
    put_char(text, '"');
    for (uint32_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)bytes[i];
        if (c == '"' || c == '\\') put_char(text, '\\');
        put_char(text, c < 0x20 ? ' ' : (char)c);
    }
    put_char(text, '"');
}

static uint32_t length_of(const char *words) {
    uint32_t length = 0;
    while (words[length]) length++;
    return length;
}

/* Log "what (number)" and say that it failed. */
static int32_t fail(const char *what, int32_t number) {
    char bytes[160];
    text_t text = {0, bytes, sizeof bytes, 0};
    put(&text, "detect: ");
    put(&text, what);
    put(&text, number < 0 ? " (-" : " (");
    put_number(&text, (uint32_t)(number < 0 ? -number : number));
    put_char(&text, ')');
    weft_log(WEFT_ERROR, text.bytes, text.length);
    return 1;
}

/* --- config ----------------------------------------------------------------------------- */

/* A decimal number in 0..1 such as "0.5", ".25" or "1"; -1 for anything else. */
static float parse_fraction(const char *bytes, uint32_t length) {
    float value = 0, unit = 1;
    uint32_t digits = 0, points = 0;
    for (uint32_t i = 0; i < length; i++) {
        if (bytes[i] == '.' && !points++) continue;
        if (bytes[i] < '0' || bytes[i] > '9') return -1;
        digits++;
        value = value * 10 + (float)(bytes[i] - '0');
        if (points) unit *= 10;
    }
    return digits && digits < 9 && value <= unit ? value / unit : -1;
}

/* Read a fraction from the config into *value; one that is not there leaves the default. */
static int32_t read_fraction(const char *key, float *value) {
    char bytes[16];
    int32_t length = weft_config_get(key, length_of(key), bytes, sizeof bytes);
    if (length == WEFT_ENOTFOUND) return 0;
    float parsed = length > 0 && length <= (int32_t)sizeof bytes ? parse_fraction(bytes, (uint32_t)length) : -1;
    if (parsed < 0) return fail(key[0] == 't' ? "config 'threshold' must be a number from 0 to 1"
                                              : "config 'overlap' must be a number from 0 to 1", length);
    *value = parsed;
    return 0;
}

static int32_t read_labels(void) {
    int32_t length = weft_config_get("labels", 6, label_bytes, sizeof label_bytes);
    if (length <= 0) return fail("config 'labels' is missing; write the names, separated by commas", length);
    if (length > LABEL_BYTES) return fail("config 'labels' is too long; its bytes are", length);
    uint32_t start = 0;
    for (uint32_t i = 0; i <= (uint32_t)length; i++) {
        if (i < (uint32_t)length && label_bytes[i] != ',') continue;
        if (label_count == MAX_LABELS) return fail("config 'labels' has too many names; the most are", MAX_LABELS);
        while (start < i && label_bytes[start] == ' ') start++;
        labels[label_count].start = label_bytes + start;
        labels[label_count++].length = i - start;
        start = i + 1;
    }
    return 0;
}

WEFT_EXPORT(weft_init) int32_t weft_init(void) {
    if (read_labels() || read_fraction("threshold", &threshold) || read_fraction("overlap", &overlap)) return 1;
    uint32_t graph, status = nn_load_by_name("net", 3, &graph);
    if (status) return fail("model 'net' does not load; grant it as models: {net: detector.onnx}", (int32_t)status);
    status = nn_init_execution_context(graph, &context);
    return status ? fail("no execution context for 'net'", (int32_t)status) : 0;
}

/* --- one frame -------------------------------------------------------------------------- */

/* Fetch an output that must have exactly `bytes` bytes. */
static int32_t fetch(uint32_t index, void *target, uint32_t bytes, const char *what) {
    uint32_t written = 0, status = nn_get_output(context, index, target, bytes, &written);
    if (status == NN_TOO_LARGE || (!status && written != bytes)) return fail(what, (int32_t)written);
    return status ? fail("get_output failed", (int32_t)status) : 0;
}

static int32_t infer(void) {
    static const uint32_t dims[4] = {1, 3, HEIGHT, WIDTH};
    nn_tensor tensor = {dims, 4, NN_F32, image, sizeof image};
    int32_t read = weft_image_tensor(WIDTH, HEIGHT, WEFT_NCHW, NN_F32, 0, 0, image, sizeof image);
    if (read < 0) return fail("the frame is no picture", read);
    uint32_t status = nn_set_input(context, 0, &tensor);
    if (status) return fail("the model does not take f32 [1, 3, 216, 384]", (int32_t)status);
    status = nn_compute(context);
    if (status) return fail("compute failed", (int32_t)status);
    return fetch(0, scores, label_count * CELLS * 4, "the model's scores do not match config 'labels'; their bytes are")
        || fetch(1, corners, 4 * CELLS * 4, "the model's boxes are not f32 [1, 4, 1296]; their bytes are");
}

/* Keep the MAX_BOXES best in order, best first; returns how many there are. */
static uint32_t insert(uint32_t count, box_t box) {
    if (count == MAX_BOXES && box.score <= boxes[count - 1].score) return count;
    uint32_t at = count < MAX_BOXES ? count : count - 1;
    for (; at && boxes[at - 1].score < box.score; at--) boxes[at] = boxes[at - 1];
    boxes[at] = box;
    return count < MAX_BOXES ? count + 1 : count;
}

static uint32_t collect(void) {
    uint32_t count = 0;
    for (uint32_t label = 0; label < label_count; label++)
        for (uint32_t cell = 0; cell < CELLS; cell++) {
            float score = scores[label * CELLS + cell];
            if (!(score > 0 && score >= threshold)) continue;
            const float *at = corners + cell;
            count = insert(count, (box_t){score, at[0], at[CELLS], at[2 * CELLS], at[3 * CELLS], label});
        }
    return count;
}

static float area(const box_t *box) {
    float width = box->x2 - box->x1, height = box->y2 - box->y1;
    return width > 0 && height > 0 ? width * height : 0;
}

/* The shared area of two boxes over their joint area, 0..1. */
static float shared(const box_t *a, const box_t *b) {
    box_t common = {0, a->x1 > b->x1 ? a->x1 : b->x1, a->y1 > b->y1 ? a->y1 : b->y1,
                    a->x2 < b->x2 ? a->x2 : b->x2, a->y2 < b->y2 ? a->y2 : b->y2, 0};
    float both = area(&common), joint = area(a) + area(b) - both;
    return joint > 0 ? both / joint : 0;
}

/* Drop each box that a better one covers; returns how many stay. */
static uint32_t suppress(uint32_t count) {
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t j = 0;
        while (j < kept && shared(&boxes[i], &boxes[j]) <= overlap) j++;
        if (j == kept) boxes[kept++] = boxes[i];
    }
    return kept;
}

static void put_box(text_t *text, const box_t *box) {
    const float sides[4] = {box->x1, box->y1, box->x2, box->y2};
    put(text, "{\"label\": ");
    put_string(text, labels[box->label].start, labels[box->label].length);
    put(text, ", \"score\": ");
    put_fraction(text, box->score);
    put(text, ", \"box\": [");
    for (int i = 0; i < 4; i++) {
        if (i) put(text, ", ");
        put_fraction(text, sides[i]);
    }
    put(text, "]}");
}

WEFT_EXPORT(weft_handle) int32_t weft_handle(void) {
    if (infer()) return 1;
    uint32_t count = suppress(collect());
    text_t text = {0, document_bytes, sizeof document_bytes, 0};
    put(&text, "{\"boxes\": [");
    for (uint32_t i = 0; i < count; i++) {
        if (i) put(&text, ", ");
        put_box(&text, &boxes[i]);
    }
    put(&text, "]}");
    if (text.full) return fail("the result is too long; the most bytes are", TEXT_BYTES);
    int32_t sent = weft_emit("", 0, "application/json", 16, text.bytes, text.length);
    return sent < 0 ? fail("emit failed", sent) : 0;
}
