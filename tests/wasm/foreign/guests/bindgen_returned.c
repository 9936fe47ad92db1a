/* wasmedge-bindgen as it is now: a pointer to 9 bytes comes back. shout(text), and infer(text) with three results. */
#include "bindgen.h"

typedef struct {
    const void *data;
    uint32_t type, len;
} record;

enum { U32 = 5, F64 = 10, BYTES = 21, TEXT = 31 };

static uint8_t *answer(uint8_t failed, const void *data, uint32_t len) {
    uint8_t *nine = allocate(9);
    nine[0] = failed;
    memcpy(nine + 1, &data, 4);
    memcpy(nine + 5, &len, 4);
    return nine;
}

static const void *copy(const void *data, uint32_t len) { return memcpy(allocate(len), data, len); }

EXPORT(shout) uint8_t *shout(bytes *parameters, uint32_t count) {
    if (count != 1) __builtin_trap();
    bytes text = parameters[0];
    upper(text);
    if (text.len == 4 && !memcmp(text.data, "FAIL", 4)) {
        deallocate(text.data, text.len);
        return answer(1, copy("not this one", 12), 12);
    }
    if (text.len == 4 && !memcmp(text.data, "MANY", 4)) return answer(0, text.data, 0x7fffffff);
    if (text.len == 4 && !memcmp(text.data, "LOST", 4)) return answer(0, (void *)0xfffffff0u, 1);
    record *records = allocate(sizeof(record));
    records[0] = (record){text.data, TEXT, text.len};
    return answer(0, records, 1);
}

EXPORT(infer) uint8_t *infer(bytes *parameters, uint32_t count) {
    double half = parameters[0].len / 2.0;
    uint32_t held = (uint32_t)given - 1 - count; /* the parameters and their list are not the function's to lose */
    record *records = allocate(3 * sizeof(record));
    records[0] = (record){copy(&held, 4), U32, 4};
    records[1] = (record){copy(&half, 8), F64, 8};
    records[2] = (record){copy("\xff\x00", 2), BYTES, 2};
    deallocate(parameters[0].data, parameters[0].len);
    return answer(0, records, 3);
}
