/* The convention of wasm-bindgen: infer(result, data, len) names what is in a JPEG with the model "net". */
#include <stdio.h>
#include <stdlib.h>

#include "weft.h"
#include "wasmedge.h"

static uint8_t pixels[224 * 224 * 3], scores[1001];
static int given;

EXPORT(__wbindgen_malloc) void *wbindgen_malloc(uint32_t size) {
    given++;
    return malloc(size);
}

EXPORT(__wbindgen_free) void wbindgen_free(void *data, uint32_t size) {
    (void)size;
    given--;
    free(data);
}

EXPORT(infer) void infer(uint32_t *result, uint8_t *jpeg, uint32_t len) {
    uint32_t graph, context, dims[4] = {1, 224, 224, 3}, written, best = 0;
    nn_tensor tensor = {dims, 4, NN_U8, pixels, sizeof pixels};
    if (jpg_to_rgb8(jpeg, len, 224, 224, pixels)) __builtin_trap();
    wbindgen_free(jpeg, len);
    if (nn_load_by_name("net", 3, &graph) || nn_init_execution_context(graph, &context)) __builtin_trap();
    if (nn_set_input(context, 0, &tensor) || nn_compute(context)) __builtin_trap();
    if (nn_get_output(context, 0, scores, sizeof scores, &written)) __builtin_trap();
    for (uint32_t i = 1; i < written; i++)
        if (scores[i] > scores[best]) best = i;
    char *text = wbindgen_malloc(64);
    result[0] = (uint32_t)text;
    result[1] = (uint32_t)snprintf(text, 64, "{\"labels\": [{\"index\": %u, \"left\": %d}]}", best, given - 1);
}
