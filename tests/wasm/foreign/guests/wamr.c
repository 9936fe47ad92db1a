/* A program for WAMR's older wasi_nn: reads handwritten digits. Arguments: a model's file or @name, then pictures. */
#include <stdbool.h>

#include "files.h"
#include "wasmedge.h"

#define NN(name) __attribute__((import_module("wasi_nn"), import_name(#name))) extern

typedef struct { uint32_t *buf; uint32_t size; } dimensions;
typedef struct { dimensions *dims; uint32_t type; void *data; } tensor;
typedef struct { const void *buf; uint32_t size; } builder;
typedef struct { builder *buf; uint32_t size; } builder_array;

NN(load) int32_t nn_load(builder_array *model, uint32_t encoding, uint32_t target, uint32_t *graph);
NN(load_by_name) int32_t nn_load_by_name(const char *name, uint32_t len, uint32_t *graph);
NN(init_execution_context) int32_t nn_init(uint32_t graph, uint32_t *context);
NN(set_input) int32_t nn_set_input(uint32_t context, uint32_t index, tensor *input);
NN(compute) int32_t nn_compute(uint32_t context);
NN(get_output) int32_t nn_get_output(uint32_t context, uint32_t index, void *out, uint32_t *size);

enum { FP32 = 1, TFLITE = 4, CPU = 0 };

static float pixels[28 * 28 * 3], input[28 * 28], scores[10];

static int load(const char *name, uint32_t *graph) {
    if (name[0] == '@') return nn_load_by_name(name + 1, 7, graph);
    file model = read_file(name);
    builder parts[1] = {{model.data, model.len}};
    builder_array array = {parts, 1};
    return nn_load(&array, TFLITE, CPU, graph);
}

static int read_digit(uint32_t context, const char *path) {
    uint32_t sides[4] = {1, 28, 28, 1}, size = 9, best = 0;
    dimensions dims = {sides, 4};
    tensor image = {&dims, FP32, input};
    file picture = read_file(path);
    if (png_to_rgb32f(picture.data, picture.len, 28, 28, pixels)) return 10;
    for (int i = 0; i < 28 * 28; i++) input[i] = pixels[3 * i] * 2 - 1;
    if (nn_set_input(context, 0, &image) || nn_set_input(context, 1, &image) != 1) return 11;
    if (nn_compute(context)) return 12;
    if (!nn_get_output(context, 0, scores, &size)) return 13; /* the room is counted in numbers: 9 are too few */
    size = 10;
    if (nn_get_output(context, 0, scores, &size) || size != 10) return 14;
    for (uint32_t i = 1; i < 10; i++)
        if (scores[i] > scores[best]) best = i;
    printf("%u %.2f\n", best, (double)scores[best]);
    return 0;
}

int main(int count, char **words) {
    uint32_t graph, context;
    if (count < 3) return 64;
    if (load(words[1], &graph) || nn_init(graph, &context)) return 9;
    for (int i = 2; i < count; i++) {
        int code = read_digit(context, words[i]);
        if (code) return code;
    }
    return 0;
}
