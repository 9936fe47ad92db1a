/* A command that does what its first argument says; without one it copies its input. */
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

extern char **environ;

static int copy(FILE *from) {
    static char buffer[65536];
    size_t got;
    while ((got = fread(buffer, 1, sizeof buffer, from)) > 0)
        if (fwrite(buffer, 1, got, stdout) != got) return 1;
    return 0;
}

static int fail(const char *path) {
    fprintf(stderr, "%s: %s\n", path, strerror(errno));
    return 1;
}

static int print_file(const char *path) {
    FILE *file = fopen(path, "rb");
    return file ? copy(file) : fail(path);
}

static int write_file(const char *path) {
    FILE *file = fopen(path, "wb");
    if (!file) return fail(path);
    fputs("written by the guest", file);
    return fclose(file) ? fail(path) : 0;
}

static int list(const char *path) {
    DIR *folder = opendir(path);
    if (!folder) return fail(path);
    for (struct dirent *entry; (entry = readdir(folder));)
        if (entry->d_name[0] != '.') puts(entry->d_name);
    return closedir(folder);
}

int main(int count, char **words) {
    const char *what = count > 1 ? words[1] : "copy";
    if (!strcmp(what, "copy")) return copy(stdin);
    if (!strcmp(what, "args")) for (int i = 0; i < count; i++) puts(words[i]);
    if (!strcmp(what, "env")) for (char **name = environ; *name; name++) puts(*name);
    if (!strcmp(what, "read")) return print_file(words[2]);
    if (!strcmp(what, "write")) return write_file(words[2]);
    if (!strcmp(what, "list")) return list(words[2]);
    if (!strcmp(what, "remove")) return remove(words[2]) ? fail(words[2]) : 0;
    if (!strcmp(what, "spam")) for (;;) puts("again and again");
    if (!strcmp(what, "loop")) for (volatile int i = 0;; i++) {}
    if (!strcmp(what, "abort")) abort();
    if (!strcmp(what, "exit")) {
        fputs("it all went wrong\nbadly", stderr);
        return atoi(words[2]);
    }
    if (!strcmp(what, "nap")) {
        struct timespec start, end, nap = {0, 30 * 1000 * 1000};
        clock_gettime(CLOCK_MONOTONIC, &start);
        struct timespec until = {start.tv_sec, start.tv_nsec + 30 * 1000 * 1000};
        if (until.tv_nsec >= 1000000000) until.tv_sec++, until.tv_nsec -= 1000000000;
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &until, 0);
        nanosleep(&nap, 0);
        clock_gettime(CLOCK_MONOTONIC, &end);
        printf("%lld\n", (end.tv_sec - start.tv_sec) * 1000LL + (end.tv_nsec - start.tv_nsec) / 1000000);
    }
    return 0;
}
