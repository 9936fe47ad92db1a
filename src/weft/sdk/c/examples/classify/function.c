/* Names what is in a picture, with the model "net". Config: labels, one per line; top, how many to name (5). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "weft.h"
#include "weft_json.h"

#define SIDE 224
#define MAX_CLASSES 4096
#define MAX_TOP 50

static float input[3 * SIDE * SIDE], scores[MAX_CLASSES];
static char labels[128 * 1024], answer[16 * 1024];
static const char *names[MAX_CLASSES];
static uint32_t context, top = 5;

static int32_t fail(const char *reason) {
    weft_log(WEFT_ERROR, reason, (uint32_t)strlen(reason));
    return 1;
}

/* Makes a C string of every line and remembers where it starts. */
static void read_names(void) {
    uint32_t count = 0;
    char *line = labels;
    for (char *at = labels; *at && count < MAX_CLASSES; at++) {
        if (*at != '\n' && *at != '\r') continue;
        if (*at == '\n') names[count++] = line, line = at + 1;
        *at = 0;
    }
    if (*line && count < MAX_CLASSES) names[count] = line;
}

WEFT_EXPORT(weft_init) int32_t weft_init(void) {
    char number[12] = {0};
    uint32_t graph;
    if (weft_config_get("top", 3, number, sizeof number - 1) > 0) top = (uint32_t)atoi(number);
    if (top == 0 || top > MAX_TOP) return fail("config top must be 1 to 50");
    if (weft_config_get("labels", 6, labels, sizeof labels - 1) >= (int32_t)sizeof labels)
        return fail("the labels are over 128 KiB");
    read_names();
    if (nn_load_by_name("net", 3, &graph)) return fail("the model 'net' is missing");
    if (nn_init_execution_context(graph, &context)) return fail("no execution context");
    return 0;
}

static void softmax(uint32_t count) {
    float largest = scores[0], sum = 0;
    for (uint32_t i = 1; i < count; i++) largest = fmaxf(largest, scores[i]);
    for (uint32_t i = 0; i < count; i++) sum += scores[i] = expf(scores[i] - largest);
    for (uint32_t i = 0; i < count; i++) scores[i] /= sum;
}

static void write_label(json_buffer *out, uint32_t index) {
    const char *name = names[index] && *names[index] ? names[index] : "unnamed";
    json_raw(out, "{\"label\":");
    json_string(out, name, (uint32_t)strlen(name));
    json_raw(out, ",\"score\":");
    json_number(out, scores[index]);
    json_raw(out, ",\"index\":");
    json_unsigned(out, index);
    json_char(out, '}');
}

WEFT_EXPORT(weft_handle) int32_t weft_handle(void) {
    static const float mean[3] = {0.485f, 0.456f, 0.406f}, std[3] = {0.229f, 0.224f, 0.225f};
    static const uint32_t dims[4] = {1, 3, SIDE, SIDE};
    nn_tensor tensor = {dims, 4, NN_F32, input, sizeof input};
    uint32_t bytes;
    if (weft_image_tensor(SIDE, SIDE, WEFT_NCHW, NN_F32, mean, std, input, sizeof input))
        return fail("the frame is no picture");
    if (nn_set_input(context, 0, &tensor) || nn_compute(context)) return fail("the inference failed");
    if (nn_get_output(context, 0, scores, sizeof scores, &bytes)) return fail("over 4096 classes");
    uint32_t count = bytes / sizeof scores[0];
    softmax(count);

    json_buffer out = {answer, sizeof answer, 0};
    json_raw(&out, "{\"labels\":[");
    for (uint32_t rank = 0; rank < top && rank < count; rank++) {
        uint32_t best = 0;
        for (uint32_t i = 1; i < count; i++)
            if (scores[i] > scores[best]) best = i;
        if (rank) json_char(&out, ',');
        write_label(&out, best);
        scores[best] = -1;
    }
    json_raw(&out, "]}");
    if (!json_fits(&out)) return fail("the answer is over 16 KiB");
    return weft_emit("", 0, "application/json", 16, answer, out.length);
}
