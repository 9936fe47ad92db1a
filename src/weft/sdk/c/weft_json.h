/* Just enough JSON for a function's answer: a bounded buffer to append to. Nothing is allocated. */
#ifndef WEFT_JSON_H
#define WEFT_JSON_H

#include <stdint.h>

typedef struct {
    char *text;
    uint32_t capacity;
    uint32_t length; /* grows past capacity when the text does not fit; see json_fits */
} json_buffer;

static inline void json_char(json_buffer *out, char c) {
    if (out->length < out->capacity) out->text[out->length] = c;
    out->length++;
}

/* Plain text, as it is. */
static inline void json_raw(json_buffer *out, const char *text) {
    while (*text) json_char(out, *text++);
}

/* A quoted string of `length` bytes of UTF-8. */
static inline void json_string(json_buffer *out, const char *text, uint32_t length) {
    static const char hex[] = "0123456789abcdef";
    json_char(out, '"');
    for (uint32_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            json_char(out, '\\');
            json_char(out, (char)c);
        } else if (c < 0x20) {
            json_raw(out, "\\u00");
            json_char(out, hex[c >> 4]);
            json_char(out, hex[c & 15]);
        } else {
            json_char(out, (char)c);
        }
    }
    json_char(out, '"');
}

static inline void json_unsigned(json_buffer *out, uint32_t value) {
    char digits[10];
    int count = 0;
    do digits[count++] = (char)('0' + value % 10);
    while (value /= 10);
    while (count) json_char(out, digits[--count]);
}

/* A number with four decimals; what is no number, or beyond nine digits, becomes 0. */
static inline void json_number(json_buffer *out, float value) {
    if (!(value > -1e9f && value < 1e9f)) value = 0;
    if (value < 0) {
        json_char(out, '-');
        value = -value;
    }
    double rounded = (double)value + 0.00005;
    uint32_t whole = (uint32_t)rounded;
    uint32_t part = (uint32_t)((rounded - whole) * 10000.0);
    json_unsigned(out, whole);
    json_char(out, '.');
    for (uint32_t unit = 1000; unit; unit /= 10) json_char(out, (char)('0' + part / unit % 10));
}

static inline int json_fits(const json_buffer *out) { return out->length <= out->capacity; }

#endif
