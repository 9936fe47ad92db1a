/* Names what is in a picture: the model "net" gets the frame's picture and gives one score per class.
 *
 * What the model takes (size, layout, dtype) is read from the model. Config, all of it optional:
 *   labels   class names, one per line
 *   top      how many labels to emit (5)
 *   size     side of the model's square input in pixels, for a model that leaves it open (224)
 *   layout   nchw or nhwc, for a model that leaves it open
 *   dtype    f32 or u8; f32 is normalised with ImageNet's mean and deviation
 */
#include <math.h>
#include <string.h>

#include "weft.h"
#include "weft_json.h"

#define MAX_SIDE 320
#define MAX_CLASSES 4096
#define MAX_TOP 50
#define LITERAL(text) (text), (sizeof(text) - 1)

static union {
    float f32[3 * MAX_SIDE * MAX_SIDE];
    uint8_t u8[3 * MAX_SIDE * MAX_SIDE];
} input;
static union {
    float f32[MAX_CLASSES];
    uint8_t u8[MAX_CLASSES];
} raw;
static float scores[MAX_CLASSES];
static char labels[128 * 1024];
static uint32_t label_start[MAX_CLASSES + 1], label_count;
static char answer[16 * 1024];

static uint32_t context, width = 224, height = 224, top = 5, layout = WEFT_NCHW, dtype = NN_F32;

static int32_t fail(const char *text) {
    weft_log(WEFT_ERROR, text, (uint32_t)strlen(text));
    return 1;
}

/* A short config value as text ending in zero; 0 when it is not set. */
static int config_text(const char *key, char *text, uint32_t capacity) {
    int32_t length = weft_config_get(key, (uint32_t)strlen(key), text, capacity - 1);
    if (length <= 0) return 0;
    text[(uint32_t)length < capacity ? (uint32_t)length : 0] = 0;
    return 1;
}

static int config_number(const char *key, uint32_t *value) {
    char text[10], *end = text;
    uint32_t read = 0;
    if (!config_text(key, text, sizeof text)) return 1;
    for (; *end >= '0' && *end <= '9'; end++) read = read * 10 + (uint32_t)(*end - '0');
    if (end == text || *end) return 0;
    *value = read;
    return 1;
}

/* One of two words: 0 when the config says neither. */
static int config_choice(const char *key, const char *first, uint32_t one, const char *second, uint32_t two,
                         uint32_t *value) {
    char text[16];
    if (!config_text(key, text, sizeof text)) return 1;
    if (strcmp(text, first) && strcmp(text, second)) return 0;
    *value = strcmp(text, first) ? two : one;
    return 1;
}

/* What the host tells of the model's first input, such as "u8[1,224,224,3]"; a dimension left open is "?". */
static int read_model(void) {
    char text[64];
    uint32_t dims[4] = {0}, rank = 0;
    if (!config_text("model.net.input.0", text, sizeof text)) return 1;
    if (!strncmp(text, "u8[", 3)) dtype = NN_U8;
    else if (strncmp(text, "f32[", 4)) return 0;
    for (const char *at = strchr(text, '[') + 1; *at && *at != ']' && rank < 4; rank++) {
        for (; *at >= '0' && *at <= '9'; at++) dims[rank] = dims[rank] * 10 + (uint32_t)(*at - '0');
        while (*at && *at != ',' && *at != ']') at++;
        if (*at == ',') at++;
    }
    if (rank != 4) return 0;
    layout = dims[1] == 3 || dims[3] != 3 ? WEFT_NCHW : WEFT_NHWC;
    uint32_t first = layout == WEFT_NCHW ? 2 : 1;
    if (dims[first]) height = dims[first];
    if (dims[first + 1]) width = dims[first + 1];
    return 1;
}

static void read_labels(void) {
    int32_t length = weft_config_get(LITERAL("labels"), labels, sizeof labels - 1);
    if (length <= 0) return;
    if (length >= (int32_t)sizeof labels) {
        weft_log(WEFT_WARN, LITERAL("the labels are over 128 KiB: classes go by number"));
        return;
    }
    if (labels[length - 1] != '\n') labels[length++] = '\n';
    for (int32_t i = 0; i < length && label_count < MAX_CLASSES; i++)
        if (labels[i] == '\n') label_start[++label_count] = (uint32_t)i + 1;
}

WEFT_EXPORT(weft_init) int32_t weft_init(void) {
    uint32_t graph, size = 0;
    if (!read_model()) return fail("the model 'net' takes no picture as f32 or u8");
    if (!config_number("size", &size) || size > MAX_SIDE) return fail("config size is a number up to 320");
    if (!config_number("top", &top) || top == 0 || top > MAX_TOP) return fail("config top is a number from 1 to 50");
    if (!config_choice("layout", "nchw", WEFT_NCHW, "nhwc", WEFT_NHWC, &layout)) return fail("config layout is nchw or nhwc");
    if (!config_choice("dtype", "f32", NN_F32, "u8", NN_U8, &dtype)) return fail("config dtype is f32 or u8");
    if (size) width = height = size;
    if (width * height > MAX_SIDE * MAX_SIDE) return fail("the model takes pictures larger than 320x320");
    read_labels();
    if (nn_load_by_name(LITERAL("net"), &graph)) return fail("the model 'net' is missing");
    if (nn_init_execution_context(graph, &context)) return fail("no execution context");
    return 0;
}

/* The model's scores as probabilities. Returns the number of classes. */
static uint32_t read_scores(uint32_t bytes) {
    if (dtype == NN_U8) {
        for (uint32_t i = 0; i < bytes; i++) scores[i] = (float)raw.u8[i] / 255.0f;
        return bytes;
    }
    uint32_t count = bytes / 4;
    float largest = raw.f32[0], sum = 0;
    for (uint32_t i = 1; i < count; i++)
        if (raw.f32[i] > largest) largest = raw.f32[i];
    for (uint32_t i = 0; i < count; i++) sum += scores[i] = expf(raw.f32[i] - largest);
    for (uint32_t i = 0; i < count; i++) scores[i] /= sum;
    return count;
}

static uint32_t take_best(uint32_t count) {
    uint32_t best = 0;
    for (uint32_t i = 1; i < count; i++)
        if (scores[i] > scores[best]) best = i;
    return best;
}

static void write_label(json_buffer *out, uint32_t index) {
    json_raw(out, "{\"label\":");
    if (index < label_count) {
        uint32_t end = label_start[index + 1] - 1, start = label_start[index];
        if (end > start && labels[end - 1] == '\r') end--;
        json_string(out, labels + start, end - start);
    } else {
        json_raw(out, "\"class ");
        json_unsigned(out, index);
        json_char(out, '"');
    }
    json_raw(out, ",\"score\":");
    json_number(out, scores[index]);
    json_raw(out, ",\"index\":");
    json_unsigned(out, index);
    json_char(out, '}');
}

static int32_t answer_best(uint32_t count) {
    json_buffer out = {answer, sizeof answer, 0};
    json_raw(&out, "{\"labels\":[");
    for (uint32_t rank = 0; rank < top && rank < count; rank++) {
        uint32_t best = take_best(count);
        if (rank) json_char(&out, ',');
        write_label(&out, best);
        scores[best] = -1;
    }
    json_raw(&out, "]}");
    if (!json_fits(&out)) return fail("the answer is longer than 16 KiB; use a smaller top");
    return weft_emit("", 0, LITERAL("application/json"), answer, out.length);
}

WEFT_EXPORT(weft_handle) int32_t weft_handle(void) {
    static const float mean[3] = {0.485f, 0.456f, 0.406f}, deviation[3] = {0.229f, 0.224f, 0.225f};
    int normal = dtype == NN_F32;
    uint32_t bytes = 3 * width * height * (normal ? 4 : 1), written = 0;
    int32_t code = weft_image_tensor(width, height, layout, dtype, normal ? mean : 0, normal ? deviation : 0, &input, bytes);
    if (code) return fail("the frame is no picture");
    uint32_t dims[4] = {1, 3, height, width};
    if (layout == WEFT_NHWC) dims[1] = height, dims[2] = width, dims[3] = 3;
    nn_tensor tensor = {dims, 4, dtype, &input, bytes};
    if (nn_set_input(context, 0, &tensor)) return fail("the model takes another input; see config size, layout, dtype");
    if (nn_compute(context)) return fail("the inference failed");
    if (nn_get_output(context, 0, &raw, sizeof raw, &written)) return fail("the model has more than 4096 classes");
    return answer_best(read_scores(written));
}
