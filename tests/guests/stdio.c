/* A stdio guest: answers each record in the way its payload asks for; anything else is echoed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "weft.h"

WEFT_EXPORT(weft_stdio) void weft_stdio(void) {}

static void answer(const char *header, const void *payload, uint32_t size) {
    uint32_t sizes[2] = {(uint32_t)strlen(header), size};
    fwrite(sizes, sizeof sizes, 1, stdout);
    fwrite(header, 1, sizes[0], stdout);
    fwrite(payload, 1, size, stdout);
}

/* Writes the record in the payload as it is, and emits the host's answer to it: header, line end, payload. */
static void ask(const char *record, uint32_t size) {
    uint32_t sizes[2];
    fwrite(record, 1, size, stdout);
    fflush(stdout);
    if (fread(sizes, sizeof sizes, 1, stdin) != 1) exit(3);
    char *told = malloc(sizes[0] + 1 + sizes[1]);
    if (!told || fread(told, 1, sizes[0], stdin) != sizes[0]) exit(4);
    told[sizes[0]] = '\n';
    if (fread(told + sizes[0] + 1, 1, sizes[1], stdin) != sizes[1]) exit(5);
    answer("{}", told, sizes[0] + 1 + sizes[1]);
    free(told);
}

static void respond(const char *header, const char *payload, uint32_t size) {
    const char *what = size < 32 ? payload : "";
    if (size > 4 && !memcmp(payload, "ask ", 4)) {
        ask(payload + 4, size - 4);
        return;
    }
    if (!strcmp(what, "silence")) answer("", "", 0);
    else if (!strcmp(what, "error")) answer("{\"error\": \"no\\u001bt this one\"}", "", 0);
    else if (!strcmp(what, "garbage")) fputs("Hello, this is no record at all", stdout);
    else if (!strcmp(what, "no-json")) answer("{nonsense", "", 0);
    else if (!strcmp(what, "list")) answer("[1]", "", 0);
    else if (!strcmp(what, "stream")) answer("{\"stream\": \"unknown\"}", "x", 1);
    else if (!strcmp(what, "header")) answer(header, "", 0);
    else if (!strcmp(what, "hang")) for (;;) {}
    else if (!strcmp(what, "leave")) exit(0);
    else if (!strcmp(what, "fail")) { fputs("gave up\n", stderr); exit(4); }
    else if (!strcmp(what, "trap")) __builtin_trap();
    else if (!strcmp(what, "more")) {
        answer("{\"more\": true}", "one", 3);
        answer("{}", "two", 3);
    } else if (!strcmp(what, "more-forever")) for (;;) answer("{\"more\": true}", "again", 5);
    else if (!strcmp(what, "twice")) {
        answer("{}", "one", 3);
        answer("{}", "two", 3);
    } else if (!strcmp(what, "log")) {
        fputs("a line for the log\n", stderr);
        answer("{}", "logged", 6);
    } else if (!strcmp(what, "host")) {
        char stream[64] = "";
        weft_frame_stream(stream, sizeof stream);
        weft_emit("", 0, "text/plain", 10, stream, (uint32_t)strlen(stream));
        answer("", "", 0);
    } else answer("{\"media_type\": \"text/plain\"}", payload, size);
}

int main(void) {
    uint32_t sizes[2];
    while (fread(sizes, sizeof sizes, 1, stdin) == 1) {
        char *header = calloc(1, sizes[0] + 1), *payload = calloc(1, sizes[1] + 1);
        if (!header || !payload) return 1;
        if (fread(header, 1, sizes[0], stdin) != sizes[0] || fread(payload, 1, sizes[1], stdin) != sizes[1]) return 2;
        respond(header, payload, sizes[1]);
        fflush(stdout);
        free(header);
        free(payload);
    }
    return 0;
}
