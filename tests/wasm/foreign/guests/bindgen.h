/* What functions of wasmedge-bindgen share: memory, and one parameter. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT(name) __attribute__((export_name(#name)))

typedef struct {
    char *data;
    uint32_t len;
} bytes;

static int given; /* pieces of memory the host has not given back */

EXPORT(allocate) void *allocate(uint32_t size) {
    given++;
    return malloc(size);
}

EXPORT(deallocate) void deallocate(void *data, uint32_t size) {
    (void)size;
    given--;
    free(data);
}

static void upper(bytes text) {
    for (uint32_t i = 0; i < text.len; i++)
        if (text.data[i] >= 'a' && text.data[i] <= 'z') text.data[i] -= 32;
}
