/* YoMo's second generation: a program whose yomo_init observes, and whose handler asks for tag and data. */
#include <stdio.h>
#include <stdlib.h>

#include "yomo.h"

static int started;

EXPORT(yomo_init) void init(void) { yomo_observe_datatag(0x33); }

EXPORT(yomo_handler) void handler(void) {
    char line[32];
    uint32_t len = yomo_context_data_size();
    char *text = malloc(len + 1);
    if (!started || yomo_context_data(text, len) != len) return;
    if (len && yomo_context_data(text, len - 1) != len) return; /* too small: the length, nothing copied */
    upper(text, len);
    yomo_write(0x34, text, len);
    int written = snprintf(line, sizeof line, "from %#x", yomo_context_tag());
    yomo_write(0x35, line, (uint32_t)written);
    if (yomo_write(0x34, (void *)0xfffffff0u, 64) != 1) __builtin_trap();
    free(text);
}

int main(void) {
    started = 1;
    return 0;
}
