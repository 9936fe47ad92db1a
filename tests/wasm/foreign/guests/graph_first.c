/* A program for WasmEdge's first generation: runs the graph "input + three = output". Arguments: graph.pb, numbers. */
#include "files.h"
#include "wasmedge.h"

int main(int count, char **words) {
    float numbers[16], result[16];
    int64_t dims[1] = {count - 2};
    if (count < 3 || count > 18) return 64;
    for (int i = 2; i < count; i++) numbers[i - 2] = strtof(words[i], 0);
    uint32_t size = (uint32_t)dims[0] * 4;
    file graph = read_file(words[1]);
    int64_t session = tf_create(graph.data, graph.len);
    if (!session) return 11;
    tf_input(session, "input", 5, 0, dims, 1, TF_F32, numbers, size);
    tf_output(session, "output", 6, 0);
    if (tf_tensor(session, "three", 5, 0)) return 12; /* not asked for yet */
    tf_output(session, "three", 5, 0);                /* from inside the graph */
    if (tf_run(session)) return 13;
    int64_t tensor = tf_tensor(session, "output", 6, 0);
    if (tf_len(tensor) != size) return 14;
    tf_data(tensor, result);
    for (int i = 0; i < dims[0]; i++) printf("%g ", (double)result[i]);
    tensor = tf_tensor(session, "three", 5, 0);
    if (tf_len(tensor) != 4) return 15;
    tf_data(tensor, result);
    printf("by %g\n", (double)result[0]);
    tf_clear_input(session);
    if (!tf_run(session)) return 16; /* without its input */
    tf_clear_output(session);
    if (tf_tensor(session, "output", 6, 0)) return 17;
    tf_delete(session);
    return 0;
}
