/* The same work in every ABI: the frame is 128 x 128 RGB pixels, the answer the class the model gives them.
 *
 * ABI chooses how the function is called and how it reaches its model, INTERFACE, where it has a choice.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weft.h"

#define REACTOR 1
#define YOMO 2
#define WASM_BINDGEN 3
#define WASMEDGE_BINDGEN 4

#define WASI_NN 1
#define LITE_FIRST 2
#define LITE_SECOND 3
#define WAMR 4

#define CLASSES 1001
#define LITERAL(text) (text), (sizeof(text) - 1)

static uint8_t pixels[3 * 128 * 128], scores[CLASSES];
static float floats[CLASSES];
static char answer[16];

static void fail(int place) {
    printf("failed at %d\n", place);
    abort();
}

#if INTERFACE == WASI_NN
static uint32_t context;

static void open_model(void) {
    uint32_t graph;
    if (nn_load_by_name(LITERAL("net"), &graph) || nn_init_execution_context(graph, &context)) fail(1);
}

static void infer_pixels(void) {
    uint32_t dims[4] = {1, 128, 128, 3}, written;
    nn_tensor tensor = {dims, 4, NN_U8, pixels, sizeof pixels};
    if (nn_set_input(context, 0, &tensor) || nn_compute(context)) fail(2);
    if (nn_get_output(context, 0, scores, sizeof scores, &written)) fail(3);
}

#elif INTERFACE == WAMR
typedef struct { uint32_t *buf, size; } wamr_dims;
typedef struct { wamr_dims *dims; uint32_t type; void *data; } wamr_tensor;
WEFT_IMPORT("wasi_nn", "load_by_name") int32_t wamr_load_by_name(const char *name, uint32_t len, uint32_t *graph);
WEFT_IMPORT("wasi_nn", "init_execution_context") int32_t wamr_init(uint32_t graph, uint32_t *context);
WEFT_IMPORT("wasi_nn", "set_input") int32_t wamr_set_input(uint32_t context, uint32_t index, wamr_tensor *tensor);
WEFT_IMPORT("wasi_nn", "compute") int32_t wamr_compute(uint32_t context);
WEFT_IMPORT("wasi_nn", "get_output")
int32_t wamr_get_output(uint32_t context, uint32_t index, void *out, uint32_t *size);
static uint32_t context;

static void open_model(void) {
    uint32_t graph;
    if (wamr_load_by_name(LITERAL("net"), &graph) || wamr_init(graph, &context)) fail(1);
}

static void infer_pixels(void) {
    uint32_t sides[4] = {1, 128, 128, 3}, size = CLASSES;
    wamr_dims dims = {sides, 4};
    wamr_tensor tensor = {&dims, 2, pixels};
    if (wamr_set_input(context, 0, &tensor) || wamr_compute(context)) fail(2);
    if (wamr_get_output(context, 0, floats, &size)) fail(3);
    for (int i = 0; i < CLASSES; i++) scores[i] = (uint8_t)(floats[i] * 256);
}

#else
#define LITE "wasmedge_tensorflowlite"
#define OUTPUT "MobilenetV1/Predictions/Reshape_1"

static void read_model(uint8_t **data, uint32_t *len) {
    FILE *file = fopen("/model", "rb");
    if (!file) fail(4);
    fseek(file, 0, SEEK_END);
    *len = (uint32_t)ftell(file);
    rewind(file);
    *data = malloc(*len);
    if (fread(*data, 1, *len, file) != *len) fail(5);
}

#if INTERFACE == LITE_FIRST
WEFT_IMPORT(LITE, LITE "_create_session") int64_t lite_create(const void *model, uint32_t len);
WEFT_IMPORT(LITE, LITE "_run_session") int32_t lite_run(int64_t session);
WEFT_IMPORT(LITE, LITE "_append_input")
void lite_input(int64_t session, const char *name, uint32_t name_len, const void *data, uint32_t len);
WEFT_IMPORT(LITE, LITE "_get_output_tensor") int64_t lite_tensor(int64_t session, const char *name, uint32_t name_len);
WEFT_IMPORT(LITE, LITE "_get_tensor_data") void lite_data(int64_t tensor, void *out);
static int64_t session;

static void open_model(void) {
    uint8_t *data;
    uint32_t len;
    read_model(&data, &len);
    session = lite_create(data, len);
    if (!session) fail(1);
}

static void infer_pixels(void) {
    lite_input(session, LITERAL("input"), pixels, sizeof pixels);
    if (lite_run(session)) fail(2);
    lite_data(lite_tensor(session, LITERAL(OUTPUT)), scores);
}

#else
WEFT_IMPORT(LITE, "create_session") int32_t lite_create(const void *model, uint32_t len, uint32_t *session);
WEFT_IMPORT(LITE, "run_session") int32_t lite_run(uint32_t session);
WEFT_IMPORT(LITE, "append_input")
int32_t lite_input(uint32_t session, const char *name, uint32_t name_len, const void *data, uint32_t len);
WEFT_IMPORT(LITE, "get_output_tensor")
int32_t lite_tensor(uint32_t session, const char *name, uint32_t name_len, uint32_t *tensor);
WEFT_IMPORT(LITE, "get_tensor_data")
int32_t lite_data(uint32_t session, uint32_t tensor, void *out, uint32_t room, uint32_t *written);
static uint32_t session;

static void open_model(void) {
    uint8_t *data;
    uint32_t len;
    read_model(&data, &len);
    if (lite_create(data, len, &session)) fail(1);
}

static void infer_pixels(void) {
    uint32_t tensor, written;
    if (lite_input(session, LITERAL("input"), pixels, sizeof pixels) || lite_run(session)) fail(2);
    if (lite_tensor(session, LITERAL(OUTPUT), &tensor)) fail(3);
    if (lite_data(session, tensor, scores, sizeof scores, &written)) fail(4);
}
#endif
#endif

static uint32_t classify(void) {
    static int ready;
    uint32_t best = 0;
    if (!ready++) open_model();
    infer_pixels();
    for (uint32_t i = 1; i < CLASSES; i++)
        if (scores[i] > scores[best]) best = i;
    return (uint32_t)snprintf(answer, sizeof answer, "%u", best);
}

#if ABI == REACTOR
WEFT_EXPORT(weft_handle) int32_t handle(void) {
    if (weft_frame_read(pixels, sizeof pixels, 0) != sizeof pixels) return 1;
    return weft_emit("", 0, LITERAL("text/plain"), answer, classify());
}

#elif ABI == YOMO
WEFT_IMPORT("env", "yomo_observe_datatag") void yomo_observe_datatag(uint32_t tag);
WEFT_IMPORT("env", "yomo_context_data") uint32_t yomo_context_data(void *data, uint32_t limit);
WEFT_IMPORT("env", "yomo_write") uint32_t yomo_write(uint32_t tag, const void *data, uint32_t len);

WEFT_EXPORT(yomo_observe_datatags) void observe(void) { yomo_observe_datatag(0x33); }

WEFT_EXPORT(yomo_handler) void handle(void) {
    if (yomo_context_data(pixels, sizeof pixels) != sizeof pixels) fail(6);
    if (yomo_write(0x34, answer, classify())) fail(7);
}

#elif ABI == WASM_BINDGEN
WEFT_EXPORT(__wbindgen_malloc) void *allocate(uint32_t size) { return malloc(size); }
WEFT_EXPORT(__wbindgen_free) void deallocate(void *data, uint32_t size) { (void)size, free(data); }

WEFT_EXPORT(infer) void infer(uint32_t *result, uint8_t *data, uint32_t len) {
    memcpy(pixels, data, len);
    free(data);
    uint32_t size = classify();
    result[0] = (uint32_t)memcpy(malloc(size), answer, size);
    result[1] = size;
}

#else
WEFT_EXPORT(allocate) void *allocate(uint32_t size) { return malloc(size); }
WEFT_EXPORT(deallocate) void deallocate(void *data, uint32_t size) { (void)size, free(data); }

WEFT_EXPORT(infer) uint8_t *infer(uint32_t *parameters, uint32_t count) {
    uint8_t *data = (uint8_t *)parameters[0];
    if (count != 1) fail(8);
    memcpy(pixels, data, parameters[1]);
    free(data);
    uint32_t size = classify(), *record = malloc(12), one = 1;
    record[0] = (uint32_t)memcpy(malloc(size), answer, size), record[1] = 31, record[2] = size;
    uint8_t *nine = calloc(9, 1);
    memcpy(nine + 1, &record, 4);
    memcpy(nine + 5, &one, 4);
    return nine;
}
#endif
