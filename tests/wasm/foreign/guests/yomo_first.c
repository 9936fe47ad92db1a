/* YoMo's first generation: the handler is told the length; what is written cannot fail. */
#include <stdlib.h>

#include "yomo.h"

EXPORT(yomo_init) void init(void) { yomo_observe_datatag(0x33); }

EXPORT(yomo_handler) void handler(uint32_t len) {
    char *text = malloc(len + 1);
    yomo_load_input(text);
    upper(text, len);
    if (len == 3 && text[0] == 'B') yomo_dump_output(0x34, (void *)0xfffffff0u, 64); /* "bad": outside memory */
    yomo_dump_output(0x34, text, len);
    free(text);
}
