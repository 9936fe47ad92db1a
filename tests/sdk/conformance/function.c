/* Calls every host function once and reports what it said, line by line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weft.h"

static char report[4096], text[1024];
static uint32_t used;

#define SAY(...) (used += (uint32_t)snprintf(report + used, sizeof report - used, __VA_ARGS__))
#define LITERAL(text) (text), (sizeof(text) - 1)
#define CHECK(call) do { if (call) return __LINE__; } while (0)

static void say_text(const char *key, int32_t length) {
    if (length < 0 || length > (int32_t)sizeof text) SAY("%s=none\n", key);
    else SAY("%s=%.*s\n", key, (int)length, text);
}

static int32_t frame(void) {
    uint8_t head[3], payload[4096];
    SAY("size=%d\n", (int)weft_frame_size());
    CHECK(weft_frame_read(head, 3, 1) != 3);
    SAY("head=%.3s\n", (const char *)head);
    SAY("payload=%d\n", (int)weft_frame_read(payload, sizeof payload, 0));
    say_text("stream", weft_frame_stream(text, sizeof text));
    say_text("media", weft_frame_media_type(text, sizeof text));
    say_text("header", weft_frame_header(LITERAL("colour"), text, sizeof text));
    SAY("long=%d\n", (int)weft_frame_header(LITERAL("long"), text, sizeof text));
    say_text("missing-header", weft_frame_header(LITERAL("smell"), text, sizeof text));
    SAY("sequence=%lld\ntime=%lld\n", (long long)weft_frame_sequence(), (long long)weft_frame_time());
    say_text("config", weft_config_get(LITERAL("mode"), text, sizeof text));
    say_text("missing-config", weft_config_get(LITERAL("nothing"), text, sizeof text));
    return 0;
}

static int32_t state(void) {
    static char big[5000];
    say_text("state", weft_state_get(LITERAL("kept"), text, sizeof text));
    CHECK(weft_state_put(LITERAL("kept"), LITERAL("abc")) || weft_state_put(LITERAL("long"), big, 700));
    say_text("stored", weft_state_get(LITERAL("kept"), text, sizeof text));
    SAY("long-state=%d\n", (int)weft_state_get(LITERAL("long"), text, 1));
    SAY("deleted=%d,%d\n", !weft_state_delete(LITERAL("kept")), !weft_state_delete(LITERAL("long")));
    SAY("again=%d\n", weft_state_delete(LITERAL("kept")) == WEFT_ENOTFOUND ? 0 : 1);
    SAY("large=%d\n", weft_state_put(LITERAL("kept"), big, sizeof big) == WEFT_ETOOLARGE);
    return 0;
}

static int32_t picture(void) {
    static const float mean[3] = {0.5f, 0.5f, 0.5f}, std[3] = {0.5f, 0.5f, 0.5f};
    uint32_t size[2], sum = 0;
    uint8_t grey[16], raw[12];
    float normal[12];
    CHECK(weft_image_size(size));
    SAY("picture=%ux%u\n", size[0], size[1]);
    CHECK(weft_image_read(4, 4, WEFT_GRAY8, grey, sizeof grey));
    for (int i = 0; i < 16; i++) sum += grey[i];
    SAY("grey=%u\n", sum);
    CHECK(weft_image_tensor(2, 2, WEFT_NHWC, NN_U8, 0, 0, raw, sizeof raw));
    CHECK(weft_image_tensor(2, 2, WEFT_NCHW, NN_F32, mean, std, normal, sizeof normal));
    SAY("tensor=%u,%d\n", raw[0], (int)(normal[0] * 100));
    return 0;
}

static int32_t inference(void) {
    static const uint32_t four[1] = {4}, two[1] = {2};
    static const float values[4] = {1, 2, 3, 4};
    static const int64_t whole[2] = {5, -6};
    nn_tensor tensor = {four, 1, NN_F32, values, sizeof values}, ints = {two, 1, NN_I64, whole, sizeof whole};
    uint32_t graph, context, written;
    float out[8];
    int64_t integers[2];
    CHECK(nn_load_by_name(LITERAL("net"), &graph) || nn_init_execution_context(graph, &context));
    CHECK(nn_set_input(context, 0, &tensor) || nn_compute(context));
    CHECK(nn_get_output(context, 0, out, sizeof out, &written));
    SAY("output=%u,%d\n", written / 4, (int)out[3]);
    CHECK(nn_set_input_by_string(context, LITERAL("x"), &tensor) || nn_compute(context));
    CHECK(nn_get_output_by_string(context, LITERAL("y"), out, sizeof out, &written));
    SAY("named=%u,%d\n", written / 4, (int)out[2]);
    CHECK(nn_compute_single(context) || nn_get_output_single(context, 0, out, sizeof out, &written));
    SAY("single=%u,%d\n", written / 4, (int)out[1]);
    CHECK(nn_fini_single(context));
    SAY("small=%d\n", nn_compute(context) == 0 && nn_get_output(context, 0, out, 4, &written) == NN_TOO_LARGE);
    CHECK(nn_finalize_execution_context(context) || nn_unload(graph));
    CHECK(nn_load_by_name_with_config(LITERAL("whole"), LITERAL("{}"), &graph));
    CHECK(nn_init_execution_context(graph, &context) || nn_set_input(context, 0, &ints) || nn_compute(context));
    CHECK(nn_get_output(context, 0, integers, sizeof integers, &written));
    SAY("whole=%u,%d\n", written / 8, (int)integers[1]);
    nn_builder part = {"no model", 8};
    SAY("bytes=%d\n", nn_load(&part, 1, NN_ONNX, NN_CPU, &graph) == NN_INVALID_ENCODING);
    SAY("unknown=%d\n", nn_load_by_name(LITERAL("nothing"), &graph) == NN_NOT_FOUND);
    return 0;
}

WEFT_EXPORT(weft_handle) int32_t weft_handle(void) {
    int32_t line;
    used = 0;
    if (weft_config_get(LITERAL("panic"), text, sizeof text) >= 0) fprintf(stderr, "it gave up"), abort();
    if ((line = frame()) || (line = state()) || (line = picture()) || (line = inference())) return line;
    weft_log(WEFT_INFO, LITERAL("all called"));
    return weft_emit(LITERAL("report"), LITERAL("text/plain"), report, used);
}
