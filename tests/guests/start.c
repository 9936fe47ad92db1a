/* A reactor whose weft_init does what the config key "init" says. */
#include <string.h>

#include "weft.h"

static volatile uint32_t sink;

WEFT_EXPORT(weft_init) int32_t weft_init(void) {
    char what[32] = "";
    weft_config_get("init", 4, what, sizeof what - 1);
    if (!strcmp(what, "loop")) for (;;) sink++;
    if (!strcmp(what, "trap")) __builtin_trap();
    if (!strcmp(what, "refuse")) {
        weft_log(WEFT_ERROR, "the model is missing", 20);
        return 4;
    }
    return 0;
}

WEFT_EXPORT(weft_handle) int32_t weft_handle(void) { return weft_emit("", 0, "", 0, "ok", 2); }
