/* A program as other runtimes have them: wasi-nn with the model "default", else with the bytes of its first argument. */
#include "files.h"
#include "weft.h"
#include "wasmedge.h"

static uint8_t pixels[224 * 224 * 3], scores[1001];

static int load(const char *path, uint32_t *graph) {
    if (!nn_load_by_name("default", 7, graph)) return 0;
    file model = read_file(path);
    nn_builder part = {model.data, model.len};
    return nn_load(&part, 1, 4, 0, graph);
}

int main(int count, char **words) {
    uint32_t graph, context, dims[4] = {1, 224, 224, 3}, written;
    nn_tensor tensor = {dims, 4, NN_U8, pixels, sizeof pixels};
    if (count != 3) return 64;
    file picture = read_file(words[2]);
    if (load_image2(picture.data, picture.len, 224, 224, RGB8, pixels, sizeof pixels)) return 10;
    if (load(words[1], &graph) || nn_init_execution_context(graph, &context)) return 11;
    if (nn_set_input(context, 0, &tensor) || nn_compute(context)) return 12;
    if (nn_get_output(context, 0, scores, sizeof scores, &written)) return 13;
    print_best(scores, written);
    return 0;
}
