/* Emits each frame as it came, and prints its number. */
#include <stdio.h>
#include <stdlib.h>

#include "weft.h"

WEFT_EXPORT(weft_handle) int32_t weft_handle(void) {
    static char media_type[256];
    int32_t size = weft_frame_size(), length = weft_frame_media_type(media_type, sizeof media_type);
    char *payload = malloc(size ? (size_t)size : 1);
    if (!payload || length > (int32_t)sizeof media_type) return 1;
    int32_t result = weft_frame_read(payload, (uint32_t)size, 0) == size ? 0 : 2;
    printf("frame %lld\n", (long long)weft_frame_sequence());
    fflush(stdout);
    if (!result) result = weft_emit("", 0, media_type, (uint32_t)length, payload, (uint32_t)size);
    free(payload);
    return result;
}
