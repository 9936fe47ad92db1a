/* Counts frames in its state. A frame that says "fail" or "trap" counts, and then fails. */
#include <stdio.h>
#include <string.h>

#include "weft.h"

#define COUNT "count", 5

WEFT_EXPORT(weft_handle) int32_t weft_handle(void) {
    uint64_t count = 0;
    char word[8] = "", text[24];
    int32_t length = weft_state_get(COUNT, &count, sizeof count);
    if (length < 0 && length != WEFT_ENOTFOUND) return 1;
    count++;
    if (weft_state_put(COUNT, &count, sizeof count)) return 2;
    weft_frame_read(word, sizeof word - 1, 0);
    if (!strcmp(word, "fail")) return 3;
    if (!strcmp(word, "trap")) __builtin_trap();
    length = snprintf(text, sizeof text, "%llu", (unsigned long long)count);
    return weft_emit("", 0, "text/plain", 10, text, (uint32_t)length);
}
