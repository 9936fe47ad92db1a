/* wasmedge-bindgen in between: the function gives its results to the host, as records. */
#include "bindgen.h"

#define HOST(name) __attribute__((import_module("wasmedge-bindgen"), import_name(name)))

HOST("return_result") void return_result(const void *records, uint32_t count);
HOST("return_error") void return_error(const void *data, uint32_t len);

EXPORT(shout) void shout(bytes *parameters, uint32_t count) {
    static uint32_t calls;
    if (count != 1) return return_error("one parameter", 13);
    bytes text = parameters[0];
    upper(text);
    calls++;
    uint32_t held = (uint32_t)given;
    uint32_t records[9] = {(uint32_t)text.data, 31, text.len, (uint32_t)&calls, 5, 4, (uint32_t)&held, 5, 4};
    return_result(records, 3);
}
