/* A reactor that does what its frame's payload says: mostly something it should not. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "weft.h"

static volatile int zero = 0;
static volatile uint32_t sink;

static int recurse(int depth) {
    volatile char frame[256];
    if (sink == 0xffffffffu) return 0;
    frame[depth & 255] = (char)depth;
    return recurse(depth + 1) + frame[(depth + 1) & 255];
}

static int bomb(int give_up) {
    for (;;) {
        char *block = malloc(1 << 20);
        if (block) {
            memset(block, 1, 1 << 20);
            sink += (uint32_t)(uintptr_t)block;
        } else if (give_up) {
            fprintf(stderr, "out of memory\n");
            abort();
        } else {
            return 0;
        }
    }
}

static void print_forever(FILE *stream) {
    for (;;) fprintf(stream, "the same line again and again, for ever and ever\n");
}

static void sleep_long(void) {
    struct timespec hour = {3600, 0};
    while (nanosleep(&hour, &hour)) {}
}

/* Pointers that lie outside memory, or nearly. The sum of the refusals, as a positive number. */
static int bad_pointers(void) {
    void *beyond = (void *)0xfffffff0u;
    int refused = 0;
    refused += weft_emit(beyond, 64, "", 0, "", 0) == WEFT_EINVAL;
    refused += weft_emit("", 0, beyond, 15, "", 0) == WEFT_EINVAL;
    refused += weft_emit("", 0, "", 0, beyond, 0x7fffffff) == WEFT_EINVAL;
    refused += weft_emit("", 0, "", 0, (void *)16, 0xffffffffu) == WEFT_EINVAL;
    refused += weft_frame_read(beyond, 4, 0) == WEFT_EINVAL;
    refused += weft_config_get(beyond, 4, 0, 0) == WEFT_EINVAL;
    refused += weft_image_size(beyond) != 0;
    refused += weft_image_read(16, 16, WEFT_RGB8, beyond, 768) == WEFT_EINVAL;
    return refused;
}

static int is(const char *what, const char *word) { return !strcmp(what, word); }

WEFT_EXPORT(weft_handle) int32_t weft_handle(void) {
    char what[64] = "";
    int32_t length = weft_frame_read(what, sizeof what - 1, 0);
    if (length < 0) return length;
    if (is(what, "loop")) for (;;) sink++;
    if (is(what, "host-loop")) for (;;) sink += (uint32_t)weft_frame_size();
    if (is(what, "sleep")) sleep_long();
    if (is(what, "bomb")) return bomb(1);
    if (is(what, "bomb-ignored")) return bomb(0);
    if (is(what, "recurse")) return recurse(0);
    if (is(what, "divide")) return (int)(sink + 7) / zero;
    if (is(what, "abort")) abort();
    if (is(what, "exit")) exit(3);
    if (is(what, "exit-0")) exit(0);
    if (is(what, "touch")) return *(volatile int *)0xfffffff0u;
    if (is(what, "stdout")) print_forever(stdout);
    if (is(what, "stderr")) print_forever(stderr);
    if (is(what, "emit")) for (;;) weft_emit("", 0, "", 0, "x", 1);
    if (is(what, "emit-much")) for (;;) weft_emit("", 0, "", 0, what, 1 << 16);
    if (is(what, "log")) for (int i = 0; i < 1000; i++) weft_log(WEFT_INFO, "again", 5);
    if (is(what, "pointers")) return bad_pointers() == 8 ? 0 : 1;
    if (is(what, "refuse")) {
        weft_log(WEFT_ERROR, "not this one", 12);
        return 7;
    }
    return weft_emit("", 0, "text/plain", 10, what, (uint32_t)length);
}
