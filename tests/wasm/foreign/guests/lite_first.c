/* A program for WasmEdge's first generation: names what is in a JPEG. Arguments: model.tflite, picture.jpg. */
#include <string.h>

#include "files.h"
#include "wasmedge.h"

static uint8_t pixels[224 * 224 * 3];

int main(int count, char **words) {
    const char *in = "input", *out = "MobilenetV2/Predictions/Softmax";
    if (count != 3) return 64;
    file model = read_file(words[1]), picture = read_file(words[2]);
    if (jpg_to_rgb8(picture.data, picture.len, 224, 224, pixels)) return 10;
    int64_t session = lite_create(model.data, model.len);
    if (!session) return 11;
    lite_input(session, in, (uint32_t)strlen(in), pixels, sizeof pixels);
    if (lite_run(session)) return 12;
    int64_t tensor = lite_tensor(session, out, (uint32_t)strlen(out));
    if (!tensor || lite_tensor(session, "nothing", 7)) return 13;
    uint32_t len = lite_len(tensor);
    uint8_t *scores = malloc(len);
    lite_data(tensor, scores);
    print_best(scores, len);
    lite_delete(session);
    return lite_len(tensor) ? 14 : 0;
}
