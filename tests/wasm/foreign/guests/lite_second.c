/* A program for WasmEdge's second generation: counts the faces in a JPEG. Arguments: model.tflite, picture.jpg. */
#include <math.h>
#include <string.h>

#include "files.h"
#include "wasmedge.h"

enum { WIDTH = 320, HEIGHT = 240, ANCHORS = 4420 };

static float pixels[HEIGHT * WIDTH * 3], boxes[ANCHORS][4], scores[ANCHORS][2];
static int kept[ANCHORS];

static float overlap(const float *a, const float *b) {
    float left = a[0] > b[0] ? a[0] : b[0], top = a[1] > b[1] ? a[1] : b[1];
    float right = a[2] < b[2] ? a[2] : b[2], bottom = a[3] < b[3] ? a[3] : b[3];
    if (right <= left || bottom <= top) return 0;
    float both = (right - left) * (bottom - top);
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both);
}

/* The strongest first; one that covers a stronger one is the same face. */
static int count_faces(void) {
    int faces = 0;
    for (;;) {
        int best = -1;
        for (int i = 0; i < ANCHORS; i++)
            if (scores[i][1] > 0.7f && (best < 0 || scores[i][1] > scores[best][1])) best = i;
        if (best < 0) return faces;
        int known = 0;
        for (int i = 0; i < faces; i++) known |= overlap(boxes[kept[i]], boxes[best]) > 0.3f;
        if (!known) kept[faces++] = best;
        scores[best][1] = 0;
    }
}

static int get(uint32_t session, const char *name, void *out, uint32_t size) {
    uint32_t tensor, len, written;
    if (lite_tensor2(session, name, (uint32_t)strlen(name), &tensor)) return 20;
    if (lite_len2(session, tensor, &len) || len != size) return 21;
    if (lite_data2(session, tensor, out, size - 1, &written) != 1 || written) return 22; /* too small */
    if (lite_data2(session, tensor, out, size, &written) || written != size) return 23;
    return 0;
}

/* The model gives distances to its anchors; here they become corners. */
static void place_anchors(void) {
    static const int steps[4] = {8, 16, 32, 64}, counts[4] = {3, 2, 2, 3};
    static const float sizes[4][3] = {{10, 16, 24}, {32, 48}, {64, 96}, {128, 192, 256}};
    int at = 0;
    for (int level = 0; level < 4; level++)
        for (int y = 0; y < (HEIGHT + steps[level] - 1) / steps[level]; y++)
            for (int x = 0; x < (WIDTH + steps[level] - 1) / steps[level]; x++)
                for (int k = 0; k < counts[level]; k++, at++) {
                    float w = sizes[level][k] / WIDTH, h = sizes[level][k] / HEIGHT;
                    float cx = (x + 0.5f) * steps[level] / WIDTH + boxes[at][0] * 0.1f * w;
                    float cy = (y + 0.5f) * steps[level] / HEIGHT + boxes[at][1] * 0.1f * h;
                    w *= expf(boxes[at][2] * 0.2f), h *= expf(boxes[at][3] * 0.2f);
                    boxes[at][0] = cx - w / 2, boxes[at][1] = cy - h / 2;
                    boxes[at][2] = cx + w / 2, boxes[at][3] = cy + h / 2;
                }
}

int main(int count, char **words) {
    uint32_t session = 99;
    if (count != 3) return 64;
    file model = read_file(words[1]), picture = read_file(words[2]);
    if (load_jpg2(picture.data, picture.len, WIDTH, HEIGHT, RGB32F, pixels, sizeof pixels - 1) != 1) return 9;
    if (load_jpg2(picture.data, picture.len, WIDTH, HEIGHT, RGB32F, pixels, sizeof pixels)) return 10;
    for (uint32_t i = 0; i < sizeof pixels / 4; i++) pixels[i] = (pixels[i] * 255 - 127) / 128;
    if (lite_create2(model.data, model.len, &session) || session != 0) return 11;
    if (lite_input2(session, "input_1", 7, pixels, sizeof pixels)) return 12;
    if (lite_input2(session, "nothing", 7, pixels, sizeof pixels) != 1) return 13;
    if (lite_run2(session + 1) != 1 || lite_run2(session)) return 14;
    int code = get(session, "Identity", boxes, sizeof boxes);
    if (!code) code = get(session, "Identity_1", scores, sizeof scores);
    if (code) return code;
    place_anchors();
    printf("%d faces\n", count_faces());
    return lite_delete2(session);
}
