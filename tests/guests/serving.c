/* A reactor for tests of serving: does what its frame's payload says, and otherwise gives the frame back. */
#include <string.h>

#include "weft.h"

#define TEXT(text) (text), (sizeof(text) - 1)

static char payload[1 << 20], media[256], value[1024];
static float numbers[4] = {1, 2, 3, 4};

static int32_t say(const char *stream, const char *text) {
    return weft_emit(stream, (uint32_t)strlen(stream), TEXT("text/plain"), text, (uint32_t)strlen(text));
}

/* One inference of the model "net", f32 [1, 4]. */
static int32_t ask(void) {
    uint32_t graph, context, dims[] = {1, 4};
    nn_tensor tensor = {dims, 2, NN_F32, (uint8_t *)numbers, sizeof numbers};
    if (nn_load_by_name(TEXT("net"), &graph) || nn_init_execution_context(graph, &context)) return 1;
    int32_t failed = nn_set_input(context, 0, &tensor) || nn_compute(context);
    return nn_finalize_execution_context(context) || nn_unload(graph) || failed;
}

static int32_t header(const char *name) {
    int32_t length = weft_frame_header(name, (uint32_t)strlen(name), value, sizeof value);
    return length < 0 ? say("", "no such header") : weft_emit("", 0, TEXT("text/plain"), value, (uint32_t)length);
}

static int is(const char *word) { return !strcmp(payload, word); }

WEFT_EXPORT(weft_handle) int32_t weft_handle(void) {
    int32_t size = weft_frame_read(payload, sizeof payload - 1, 0), length = weft_frame_media_type(media, sizeof media);
    payload[size < 0 ? 0 : size] = 0;
    if (is("nothing")) return 0;
    if (is("two")) return say("", "first") || say("second", "line\nand line");
    if (is("ask")) return say("", "before") || ask() || say("", "after");
    if (is("half")) return say("", "before") ? 1 : 7;
    if (is("fail")) {
        weft_log(WEFT_ERROR, TEXT("cannot read /etc/secret/key.pem"));
        return 3;
    }
    if (is("trap")) __builtin_trap();
    if (is("loop")) for (volatile int i = 0;; i++) {}
    if (!strncmp(payload, "header ", 7)) return header(payload + 7);
    return weft_emit("", 0, media, (uint32_t)length, payload, (uint32_t)size);
}
