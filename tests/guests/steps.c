/* Both steps around a model of pictures: a frame with a dtype is its output, and any other a picture. */
#include <stdio.h>
#include <string.h>

#include "weft.h"

#define TEXT(text) (text), (sizeof(text) - 1)

static float numbers[3 * 224 * 224];
static char model[64], dtype[8], shape[64], label[1], answer[256];

static int32_t header(const char *name, char *ptr, uint32_t cap) {
    return weft_frame_header(name, (uint32_t)strlen(name), ptr, cap - 1);
}

static int32_t before(void) {
    static const float mean[] = {0.485f, 0.456f, 0.406f}, std[] = {0.229f, 0.224f, 0.225f};
    if (weft_image_tensor(224, 224, WEFT_NCHW, NN_F32, mean, std, numbers, sizeof numbers) < 0) return 1;
    return weft_emit("", 0, TEXT("application/octet-stream"), (char *)numbers, sizeof numbers);
}

static int32_t after(void) {
    int32_t size = weft_frame_read((char *)numbers, sizeof numbers, 0), best = 0;
    for (int32_t i = 1; i < size / 4; i++)
        if (numbers[i] > numbers[best]) best = i;
    header("model", model, sizeof model);
    header("shape", shape, sizeof shape);
    static char labels[1 << 16];
    if (weft_config_get("labels", 6, labels, sizeof labels) <= 0) return 2;
    label[0] = labels[0];
    int length = snprintf(answer, sizeof answer, "%s %s %s: %d %c", model, dtype, shape, best, label[0]);
    return weft_emit("", 0, TEXT("text/plain"), answer, (uint32_t)length);
}

WEFT_EXPORT(weft_handle) int32_t weft_handle(void) {
    return header("dtype", dtype, sizeof dtype) > 0 ? after() : before();
}
