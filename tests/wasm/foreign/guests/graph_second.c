/* A program for WasmEdge's second generation: the same graph, or a SavedModel granted by name (one argument less). */
#include <string.h>

#include "files.h"
#include "wasmedge.h"

static int compute(uint32_t session, const char *in, const char *out) {
    float numbers[3] = {1, 2, 3}, result[3] = {0};
    int64_t dims[2] = {1, 3};
    uint32_t tensor, len, written;
    if (tf_input2(session, in, (uint32_t)strlen(in), dims, 2, TF_F64, numbers, sizeof numbers) != 1) return 12;
    if (tf_input2(session, in, (uint32_t)strlen(in), dims, 2, TF_F32, numbers, sizeof numbers)) return 13;
    if (tf_output2(session, "nowhere:0", 9) != 1 || tf_output2(session, out, (uint32_t)strlen(out))) return 14;
    if (tf_run2(session)) return 15;
    if (tf_tensor2(session, out, (uint32_t)strlen(out), &tensor) || tensor != 0) return 16;
    if (tf_len2(session, tensor, &len) || len != sizeof result) return 17;
    if (tf_data2(session, tensor, result, 4, &written) || written != 4) return 18; /* as much as fits */
    if (tf_data2(session, tensor, result, sizeof result, &written) || written != len) return 19;
    printf("%g %g %g\n", (double)result[0], (double)result[1], (double)result[2]);
    if (tf_clear_input2(session) || !tf_run2(session)) return 20;
    if (tf_clear_output2(session) || tf_tensor2(session, out, (uint32_t)strlen(out), &tensor) != 1) return 21;
    return tf_delete2(session);
}

int main(int count, char **words) {
    struct { const char *text; uint32_t len; } tags[1] = {{"serve", 5}};
    uint32_t session = 99, wrong;
    if (count == 1) {
        int32_t code = tf_saved_model2("model", 5, tags, 1, &session);
        return code ? code : compute(session, "x", "y");
    }
    file graph = read_file(words[1]);
    if (tf_create2(graph.data, graph.len, (uint32_t *)0xfffffff0u) != 3) return 10; /* outside memory */
    if (tf_create2("not a graph", 11, &wrong) != 2) return 11;
    if (tf_create2(graph.data, graph.len, &session) || session != 0) return 9;
    return compute(session, "input:0", "output:0");
}
