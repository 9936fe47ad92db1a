/* The host functions of YoMo's three generations, and the exports each needs. */
#include <stdint.h>

#define YOMO(name) __attribute__((import_module("env"), import_name(#name))) extern
#define EXPORT(name) __attribute__((export_name(#name)))

YOMO(yomo_observe_datatag) void yomo_observe_datatag(uint32_t tag);
YOMO(yomo_load_input) void yomo_load_input(void *data);
YOMO(yomo_dump_output) void yomo_dump_output(uint32_t tag, const void *data, uint32_t len);
YOMO(yomo_context_tag) uint32_t yomo_context_tag(void);
YOMO(yomo_context_data_size) uint32_t yomo_context_data_size(void);
YOMO(yomo_context_data) uint32_t yomo_context_data(void *data, uint32_t limit);
YOMO(yomo_write) uint32_t yomo_write(uint32_t tag, const void *data, uint32_t len);
YOMO(yomo_write_with_target)
uint32_t yomo_write_with_target(uint32_t tag, const void *data, uint32_t len, const char *target, uint32_t target_len);
YOMO(yomo_get_wanted_target) void yomo_get_wanted_target(const char *target, uint32_t len);

static void upper(char *text, uint32_t len) {
    for (uint32_t i = 0; i < len; i++)
        if (text[i] >= 'a' && text[i] <= 'z') text[i] -= 32;
}
