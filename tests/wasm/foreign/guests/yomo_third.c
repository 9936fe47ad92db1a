/* YoMo's third generation: tags and target have exports of their own, and yomo_init may fail. */
#include <stdlib.h>

#include "yomo.h"

EXPORT(yomo_observe_datatags) void observe(void) {
    yomo_observe_datatag(0x10);
    yomo_observe_datatag(0x11);
}

EXPORT(yomo_wanted_target) void wanted(void) { yomo_get_wanted_target("me", 2); }

EXPORT(yomo_init) uint32_t init(void) { return 0; }

EXPORT(yomo_alloc) void *alloc(uint32_t size) { return malloc(size); }

EXPORT(yomo_handler) void handler(void) {
    uint32_t len = yomo_context_data_size();
    char *text = malloc(len + 1);
    yomo_context_data(text, len);
    upper(text, len);
    if (yomo_write_with_target(yomo_context_tag() + 1, text, len, "you", 3)) __builtin_trap();
    free(text);
}
