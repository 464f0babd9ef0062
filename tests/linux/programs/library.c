/* SPDX-License-Identifier: MIT
 *
 * tests/linux/programs/library.c: the C library itself as a program uses it: its start-up, allocator, streams,
 * string routines that it chooses by CPU, thread-local storage, sorting, conversions.
 */
#include <ctype.h>
#include <math.h>
#include <pthread.h>
#include <regex.h>
#include <time.h>
#include <wchar.h>

#include "show.h"

static __thread int local = 41;
static int constructed;

__attribute__((constructor)) static void construct(void)
{
    constructed = 1;
}

static void at_exit(void)
{
    printf("at exit\n");
}

static unsigned next_random(unsigned *state)
{
    return *state = *state * 1664525u + 1013904223u;
}

/* Random sizes, contents checked before each free. */
static void allocator(void)
{
    static unsigned char *block[200];
    static size_t size[200];
    unsigned state = 1, wrong = 0;

    part("allocator");
    for (int i = 0; i < 5000; i++) {
        unsigned slot = (next_random(&state) >> 8) % 200;

        for (size_t k = 0; k < size[slot]; k += 61)
            wrong += block[slot][k] != (unsigned char)slot;
        size[slot] = (next_random(&state) >> 8) % (slot % 20 == 0 ? 300000 : 2000);
        block[slot] = realloc(block[slot], size[slot] + 1);
        memset(block[slot], (int)slot, size[slot]);
    }
    SHOW(wrong);
    for (int i = 0; i < 200; i++)
        free(block[i]);
    SHOW(calloc(1 << 20, 4) != NULL);
    SHOW(malloc((size_t)-1 / 2) == NULL);
}

/* Every length and alignment up to a few vectors, against a loop. */
static void strings(void)
{
    static unsigned char a[600], b[600], c[600];
    unsigned wrong = 0, state = 7;

    part("strings");
    for (size_t length = 0; length < 300; length += length < 70 ? 1 : 13)
        for (size_t shift = 0; shift < 33; shift += 3) {
            for (size_t i = 0; i < sizeof(a); i++)
                a[i] = (unsigned char)(next_random(&state) >> 16 | 1);
            memset(b, 0, sizeof(b));
            memcpy(b + shift, a + 5, length);
            for (size_t i = 0; i < length; i++)
                wrong += b[shift + i] != a[5 + i];
            wrong += b[shift + length] != 0;
            wrong += strlen((char *)b + shift) != length;
            wrong += memcmp(a + 5, b + shift, length) != 0;
            memcpy(c, a, sizeof(c));
            memmove(c + shift, c + 7, length);
            for (size_t i = 0; i < length; i++)
                wrong += c[shift + i] != a[7 + i];
            wrong += length > 0 && memchr(a + shift, a[shift + length - 1], length) == NULL;
            wrong += strchr((char *)b + shift, 0) != (char *)b + shift + length;
        }
    SHOW(wrong);
    SHOW(strcmp("abc", "abd") < 0);
    SHOW(strstr("needle in a haystack", "hay") != NULL);
    SHOW(strspn("aabbc", "ab"));
}

static int by_value(const void *a, const void *b)
{
    return *(const int *)a < *(const int *)b ? -1 : *(const int *)a > *(const int *)b;
}

static void sorting(void)
{
    static int values[5000];
    unsigned state = 3;

    part("sorting");
    for (int i = 0; i < 5000; i++)
        values[i] = (int)(next_random(&state) >> 4);
    qsort(values, 5000, sizeof(values[0]), by_value);
    printf("%016lx\n", fingerprint(values, sizeof(values)));
}

static void streams(void)
{
    FILE *file = fopen("stream", "w+");
    char *line = NULL;
    size_t size = 0;
    long sum = 0;
    int lines = 0, number;

    part("streams");
    for (int i = 0; i < 3000; i++)
        fprintf(file, "%d %s %5.2f %#x\n", i, i % 2 ? "odd" : "even", i / 7.0, i);
    SHOW(fflush(file));
    SHOW(ftell(file));
    rewind(file);
    while (getline(&line, &size, file) > 0)
        lines++;
    SHOW(lines);
    SHOW(fseek(file, -30, SEEK_END));
    SHOW(fgetc(file));
    SHOW(ungetc('7', file));
    SHOW(fscanf(file, "%d", &number));
    for (int c; (c = fgetc(file)) != EOF;)
        sum += c;
    SHOW(sum);
    SHOW(feof(file) != 0);
    SHOW(fclose(file));
    SHOW(fopen("missing/file", "r") == NULL);
    SHOW(setvbuf(stdout, NULL, _IOFBF, 1000));
    free(line);
}

static void conversions(void)
{
    time_t when = 1700000000;
    struct tm tm;
    char text[100];
    regex_t regex;
    regmatch_t match[3];

    part("conversions");
    printf("%.3f %e %g %a %d %lu %#o %05d|%-8s|%8.3s|%c\n", 3.14159, 1e-300, 1e100, 0.1, -5, ~0ul, 8, 42, "left",
           "right", 'c');
    printf("%.17g %.12g %ld %s\n", strtod("1e-7", NULL), atan2(1, -1), strtol("-0x1f", NULL, 16),
           strtoul("junk", NULL, 10) ? "?" : "ok");
    gmtime_r(&when, &tm);
    strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S %a %j", &tm);
    printf("%s %ld\n", text, (long)mktime(&tm));
    SHOW(regcomp(&regex, "([a-z]+)@([a-z.]+)", REG_EXTENDED));
    SHOW(regexec(&regex, "mail someone@example.org now", 3, match, 0));
    printf("%d-%d %d-%d\n", (int)match[1].rm_so, (int)match[1].rm_eo, (int)match[2].rm_so, (int)match[2].rm_eo);
    regfree(&regex);
    SHOW(wcslen(L"wide"));
    SHOW(toupper('q'));
}

static int change_local(void)
{
    local++;
    return local;
}

int main(int argc, char **argv)
{
    pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

    part("start-up");
    SHOW(constructed);
    SHOW(local);
    SHOW(atexit(at_exit));
    SHOW(getenv("LC_ALL") != NULL);
    SHOW(argv[argc] == NULL);
    SHOW(pthread_mutex_lock(&mutex));
    SHOW(pthread_mutex_trylock(&mutex) == EBUSY);
    SHOW(pthread_mutex_unlock(&mutex));
    in_child("thread-local in a child", change_local);
    SHOW(local);
    allocator();
    strings();
    sorting();
    streams();
    conversions();
    return 23;
}
