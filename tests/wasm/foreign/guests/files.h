/* What the guests share: whole files, and the best of many scores. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

typedef struct {
    uint8_t *data;
    uint32_t len;
} file;

static file read_file(const char *path) {
    file out = {0, 0};
    FILE *stream = fopen(path, "rb");
    if (!stream) {
        fprintf(stderr, "cannot open %s\n", path);
        exit(2);
    }
    fseek(stream, 0, SEEK_END);
    out.len = (uint32_t)ftell(stream);
    rewind(stream);
    out.data = malloc(out.len);
    if (fread(out.data, 1, out.len, stream) != out.len) exit(3);
    fclose(stream);
    return out;
}

/* The best of u8 scores, five at most, one per line: index and score. */
__attribute__((unused)) static void print_best(uint8_t *scores, uint32_t count) {
    for (int rank = 0; rank < 5; rank++) {
        uint32_t best = 0;
        for (uint32_t i = 1; i < count; i++)
            if (scores[i] > scores[best]) best = i;
        if (!scores[best]) break;
        printf("%u %u\n", best, scores[best]);
        scores[best] = 0;
    }
}
