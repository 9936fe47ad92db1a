/* Names what is in a picture: the model "net" gets the frame's picture and gives one score per class.
 *
 * Config (all optional):
 *   labels   class names, one per line
 *   top      how many labels to emit (5)
 *   size     side of the model's square input in pixels (224)
 *   layout   nchw (default) or nhwc
 *   dtype    f32 (default) or u8; f32 is normalised with ImageNet's mean and deviation
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

static uint32_t context, size = 224, top = 5, layout = WEFT_NCHW, dtype = NN_F32;

static int32_t fail(const char *text) {
    weft_log(WEFT_ERROR, text, (uint32_t)strlen(text));
    return 1;
}

static int config_is(const char *key, uint32_t key_len, const char *value) {
    char text[16];
    int32_t length = weft_config_get(key, key_len, text, sizeof text);
    return length == (int32_t)strlen(value) && !memcmp(text, value, (uint32_t)length);
}

static uint32_t config_number(const char *key, uint32_t key_len, uint32_t otherwise) {
    char text[10];
    int32_t length = weft_config_get(key, key_len, text, sizeof text);
    uint32_t value = 0;
    if (length <= 0 || length >= (int32_t)sizeof text) return otherwise;
    for (int32_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') return otherwise;
        value = value * 10 + (uint32_t)(text[i] - '0');
    }
    return value;
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
    uint32_t graph;
    size = config_number(LITERAL("size"), size);
    top = config_number(LITERAL("top"), top);
    if (size == 0 || size > MAX_SIDE) return fail("config size must be 1 to 320");
    if (top == 0 || top > MAX_TOP) return fail("config top must be 1 to 50");
    if (config_is(LITERAL("layout"), "nhwc")) layout = WEFT_NHWC;
    if (config_is(LITERAL("dtype"), "u8")) dtype = NN_U8;
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
    uint32_t bytes = 3 * size * size * (normal ? 4 : 1), written = 0;
    int32_t code = weft_image_tensor(size, size, layout, dtype, normal ? mean : 0, normal ? deviation : 0, &input, bytes);
    if (code) return fail("the frame is no picture");
    uint32_t dims[4] = {1, 3, size, size};
    if (layout == WEFT_NHWC) dims[1] = dims[2] = size, dims[3] = 3;
    nn_tensor tensor = {dims, 4, dtype, &input, bytes};
    if (nn_set_input(context, 0, &tensor)) return fail("the model takes another input; see config size, layout, dtype");
    if (nn_compute(context)) return fail("the inference failed");
    if (nn_get_output(context, 0, &raw, sizeof raw, &written)) return fail("the model has more than 4096 classes");
    return answer_best(read_scores(written));
}
