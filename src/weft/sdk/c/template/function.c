/* Says whether a picture is bright or dark. Config: threshold, 0 to 1 (0.5). */
#include <stdlib.h>
#include <string.h>

#include "weft.h"
#include "weft_json.h"

#define SIDE 32

static float threshold = 0.5f;

static int32_t fail(const char *reason) {
    weft_log(WEFT_ERROR, reason, (uint32_t)strlen(reason));
    return 1;
}

/* Called once, before the first frame. */
WEFT_EXPORT(weft_init) int32_t weft_init(void) {
    char text[16] = {0};
    int32_t length = weft_config_get("threshold", 9, text, sizeof text - 1);
    if (length > 0) threshold = strtof(text, 0);
    if (!(threshold > 0 && threshold < 1)) return fail("config threshold must be between 0 and 1");
    return 0;
}

/* Called for every frame. 0 is done, anything else fails the frame. */
WEFT_EXPORT(weft_handle) int32_t weft_handle(void) {
    static uint8_t grey[SIDE * SIDE];
    char answer[128];
    uint32_t sum = 0;
    if (weft_image_read(SIDE, SIDE, WEFT_GRAY8, grey, sizeof grey)) return fail("the frame is no picture");
    for (uint32_t i = 0; i < sizeof grey; i++) sum += grey[i];
    float brightness = (float)sum / (255.0f * sizeof grey);
    int bright = brightness >= threshold;

    json_buffer out = {answer, sizeof answer, 0};
    json_raw(&out, bright ? "{\"labels\":[{\"label\":\"bright\"" : "{\"labels\":[{\"label\":\"dark\"");
    json_raw(&out, ",\"score\":");
    json_number(&out, bright ? brightness : 1 - brightness);
    json_raw(&out, "}]}");
    return weft_emit("", 0, "application/json", 16, answer, out.length);
}
