/* SPDX-License-Identifier: MIT
 *
 * tests/sim/test_cpu_model.c: the CPU files that we ship, and a matrix of malformed ones.
 *
 * Each malformed file is tiny.ini with one line replaced, removed or added; the message must name that line. Run from
 * the root of the tree.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "sim/cpu_model.h"
#include "tests/sim/random.h"

#define MAX_TEXT 65536

static size_t read_file(const char *path, char text[MAX_TEXT])
{
    FILE *file = fopen(path, "r");
    assert_non_null(file);
    size_t bytes = fread(text, 1, MAX_TEXT - 1, file);
    fclose(file);
    text[bytes] = 0;
    return bytes;
}

/* Reads `bytes` of `text` as a CPU file. */
static int read_text(struct cpu_model *model, const char *text, size_t bytes, char error[CPU_MODEL_ERROR_MAX])
{
    char path[] = "/tmp/ringside-cpu-XXXXXX";
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_int_equal(write(file, text, bytes), bytes);
    close(file);
    error[0] = 0;
    int result = cpu_model_read(model, path, error);
    unlink(path);
    return result;
}

/* Line number, from 1, of the first line that starts with `start` after the line "[section]"; the start itself. */
static int find_line(const char *text, const char *section, const char *start, const char **at)
{
    char heading[64];
    bool inside = false;
    int line = 1;
    snprintf(heading, sizeof heading, "[%s]", section);
    for (const char *p = text; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL, line++) {
        inside |= !strncmp(p, heading, strlen(heading));
        if (inside && !strncmp(p, start, strlen(start))) {
            *at = p;
            return line;
        }
    }
    fail_msg("no line `%s` in [%s]", start, section);
    return 0;
}

struct bad {
    const char *section, *line; /* the line of tiny.ini that starts so … */
    const char *replacement;    /* … becomes this */
    int error_after;            /* lines after it where the error is */
    const char *says;
};

static const struct bad bad[] = {
    /* unknown and misplaced keys */
    {"core", "lock_cost", "lock_cost = 20\nlok_cost = 20", 1, "has no key `lok_cost`; remove it or correct its name"},
    {"core", "lock_cost", "lock_cost = 20\nsyscall_cost = 20", 1, "has no key `syscall_cost`; it belongs to [transitions]"},
    {"core", "[core]", "[Core]\n", 3, "[Core] has no key `instruction_cost_256`; it belongs to [core]"},
    {"core", "lock_cost", "lock_cost = 20\n= 20", 1, "has no key ``"},
    /* duplicates, multi-line values */
    {"core", "lock_cost", "lock_cost = 20\nlock_cost = 20", 1, "was already set in line"},
    {"core", "lock_cost", "lock_cost = 20\n  30", 1, "was already set in line"},
    /* numbers */
    {"cpu", "hz", "hz =", 0, "is not a number"},
    {"cpu", "hz", "hz = fast", 0, "`hz = fast` is not a number; write decimal digits only"},
    {"cpu", "hz", "hz = -1000000", 0, "is not a number"},
    {"cpu", "hz", "hz = +1000000", 0, "is not a number"},
    {"cpu", "hz", "hz = 1e9", 0, "is not a number"},
    {"cpu", "hz", "hz = 0x3b9aca00", 0, "is not a number"},
    {"cpu", "hz", "hz = 1000000000 Hz", 0, "is not a number"},
    {"cpu", "hz", "hz = 99999999999999999999999", 0, "is not a number"},
    {"cpu", "hz", "hz = 999999", 0, "is out of range; use 1000000 to 100000000000"},
    {"cpu", "hz", "hz = 100000000001", 0, "is out of range"},
    {"core", "instruction_cost_256", "instruction_cost_256 = 0", 0, "out of range; use 1 to"},
    {"core", "rep_bytes_per_cycle", "rep_bytes_per_cycle = 0", 0, "out of range"},
    {"transitions", "syscall_cost", "syscall_cost = 1000001", 0, "out of range; use 0 to 1000000"},
    {"transitions", "syscall_cost", "syscall_cost = 4294967396", 0, "out of range"},
    {"disk", "disk_bytes_per_us", "disk_bytes_per_us = 0", 0, "out of range"},
    {"l2", "ways", "ways = 33", 0, "out of range; use 1 to 32"},
    {"l2", "ways", "ways = 0", 0, "out of range"},
    {"l1i", "bytes", "bytes = 0", 0, "out of range"},
    {"l1d", "latency", "latency = 0", 0, "out of range"},
    {"itlb", "entries_4k", "entries_4k = 0", 0, "out of range; use 1 to"},
    /* texts */
    {"cpu", "title", "title =", 0, "`title` has 0 characters; use 1 to 95"},
    {"cpu", "vendor", "vendor = Short", 0, "`vendor` has 5 characters; use 12 to 12"},
    {"cpu", "vendor", "vendor = MuchTooLongIndeed", 0, "use 12 to 12"},
    {"cpu", "title", "title = caf\xc3\xa9", 0, "not plain ASCII"},
    /* syntax */
    {"core", "lock_cost", "lock_cost", 0, "neither `[section]` nor `key = value`"},
    {"core", "[core]", "[core", 0, "neither `[section]` nor `key = value`"},
    {"core", "lock_cost", "; 23456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 "
                          "123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 123456789 ",
     0, "the line is longer than"},
    /* geometries */
    {"l1d", "bytes", "bytes = 4160", 0, "[l1d] has no whole number of sets that is a power of two; change bytes, ways or line"},
    {"l1d", "bytes", "bytes = 6144", 0, "[l1d] has no whole number of sets"},
    {"l1d", "bytes", "bytes = 64", 0, "[l1d] has no whole number of sets"},
    {"l1i", "ways", "ways = 3", -1, "[l1i] has no whole number of sets"},
    {"l2", "line", "line = 128", 0, "`line` of [l2] differs from that of [l1d]"},
    {"l3", "line", "line = 32", 0, "`line` of [l3] differs from that of [l1d]"},
    {"l1d", "line", "line = 48", 0, "`line` of [l1d] is not a power of two"},
    {"l2", "latency", "latency = 0", 0, "out of range"},
    {"l1d", "latency", "latency = 12", 7, "[l2] is faster than a first-level cache"},
    {"memory", "memory_latency", "memory_latency = 10", 0, "memory is faster than the last cache"},
    {"itlb", "ways_4k", "ways_4k = 0", 0, "`ways_4k` of [itlb] does not divide 16 entries into a power of two of sets; use 16"},
    {"itlb", "ways_4k", "ways_4k = 3", 0, "does not divide 16 entries"},
    {"dtlb", "ways_4k", "ways_4k = 32", 0, "`ways_4k` of [dtlb] does not divide 16 entries"},
    {"dtlb", "entries_2m", "entries_2m = 12", 1, "`ways_2m` of [dtlb] does not divide 12 entries into a power of two"},
    {"stlb", "ways_1g", "ways_1g = 4", 0, "`ways_1g` of [stlb] is given for a TLB of no entries; write 0"},
    {"translation", "pcids", "pcids = 16", 0, "use 4096 or 0"},
    {"translation", "pcids", "pcids = 4097", 0, "out of range"},
};

static void check_bad(const char *tiny, const struct bad *one)
{
    static char text[MAX_TEXT];
    char error[CPU_MODEL_ERROR_MAX], where[16];
    const char *at = tiny;
    struct cpu_model model = {.hz = 77};
    int line = find_line(tiny, one->section, one->line, &at) + one->error_after;
    const char *rest = strchr(at, '\n');
    int bytes = snprintf(text, sizeof text, "%.*s%s%s", (int)(at - tiny), tiny, one->replacement, rest);
    assert_int_equal(read_text(&model, text, (size_t)bytes, error), -1);
    snprintf(where, sizeof where, ":%d: ", line);
    if (!strstr(error, where) || !strstr(error, one->says) || strchr(error, '\n'))
        fail_msg("`%s` for `%s`: line %d, `%s` expected", error, one->replacement, line, one->says);
    assert_int_equal(model.hz, 77); /* refused: nothing stored */
}

static void test_malformed(void **state)
{
    static char tiny[MAX_TEXT];
    read_file("sim/cpus/tiny.ini", tiny);
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        check_bad(tiny, &bad[i]);
}

/* Without any one of its `key = value` lines the file is refused, and the key is named. */
static void test_each_key_is_needed(void **state)
{
    static char tiny[MAX_TEXT], text[MAX_TEXT];
    size_t bytes = read_file("sim/cpus/tiny.ini", tiny);
    int keys = 0;
    for (char *line = tiny; line < tiny + bytes; line = strchr(line, '\n') + 1) {
        char error[CPU_MODEL_ERROR_MAX], says[80];
        struct cpu_model model;
        char *equals = strstr(line, " = "), *end = strchr(line, '\n');
        if (*line == ';' || !equals || equals > end)
            continue;
        int length = snprintf(text, sizeof text, "%.*s%s", (int)(line - tiny), tiny, end);
        assert_int_equal(read_text(&model, text, (size_t)length, error), -1);
        snprintf(says, sizeof says, "the key `%.*s` of [", (int)(equals - line), line);
        assert_non_null(strstr(error, says));
        assert_non_null(strstr(error, "is missing; add it"));
        keys++;
    }
    assert_true(keys > 60);
}

static void test_no_file(void **state)
{
    struct cpu_model model;
    char error[CPU_MODEL_ERROR_MAX];
    assert_int_equal(cpu_model_read(&model, "sim/cpus/nosuch.ini", error), -1);
    assert_non_null(strstr(error, "sim/cpus/nosuch.ini:0: cannot be opened"));
    assert_int_equal(cpu_model_read(&model, "sim/cpus", error), -1);
    assert_non_null(strstr(error, "sim/cpus:0: "));
    assert_int_equal(read_text(&model, "", 0, error), -1);
    assert_non_null(strstr(error, "the key `title` of [cpu] is missing"));
}

static void test_long_path_keeps_the_message_whole(void **state)
{
    struct cpu_model model;
    char path[2000], error[CPU_MODEL_ERROR_MAX];
    memset(path, 'x', sizeof path);
    path[sizeof path - 1] = 0;
    assert_int_equal(cpu_model_read(&model, path, error), -1);
    assert_true(strlen(error) < CPU_MODEL_ERROR_MAX);
}

static void test_shipped(void **state)
{
    static const char *const names[] = {"skylake", "zen4", "tiny"};
    for (size_t i = 0; i < 3; i++) {
        struct cpu_model model;
        char path[64], error[CPU_MODEL_ERROR_MAX] = "";
        snprintf(path, sizeof path, "sim/cpus/%s.ini", names[i]);
        if (cpu_model_read(&model, path, error))
            fail_msg("%s", error);
        assert_string_equal(model.name, names[i]);
        assert_int_equal(model.pcids, 4096);
        assert_int_equal(model.l1d.line, 64);
    }
}

static void test_values(void **state)
{
    struct cpu_model model;
    char error[CPU_MODEL_ERROR_MAX];
    assert_int_equal(cpu_model_read(&model, "sim/cpus/tiny.ini", error), 0);
    assert_string_equal(model.title, "Tiny (a teaching CPU)");
    assert_string_equal(model.vendor, "RingsideTiny");
    assert_int_equal(model.hz, 1000000000);
    assert_int_equal(model.dtlb[PAGE_4K].entries, 16);
    assert_int_equal(model.dtlb[PAGE_4K].ways, 16);
    assert_int_equal(model.stlb[PAGE_4K].entries, 0);
    assert_int_equal(model.l2.bytes, 32768);
    assert_int_equal(model.l3.bytes, 0);
    assert_int_equal(model.memory_latency, 101);
    assert_int_equal(model.syscall_cost, 100);
    assert_int_equal(model.disk_bytes_per_us, 100);
}

/* Every figure stands, in its paragraph, below a comment that names a source in brackets. */
static void check_sources(const char *path, char *text)
{
    bool sourced = false;
    int number = 0, figures = 0;
    for (char *line = text, *next; line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = 0;
        number++;
        const char *equals = strstr(line, " = ");
        if (!*line)
            sourced = false;
        sourced |= *line == ';' && strchr(line, '[') && strchr(line, ']');
        if (*line == ';' || !equals || equals[3] < '0' || equals[3] > '9')
            continue;
        figures++;
        if (!sourced)
            fail_msg("%s:%d: `%s` has no source", path, number, line);
    }
    assert_true(figures > 60);
}

static void test_every_figure_has_a_source(void **state)
{
    static const char *const paths[] = {"sim/cpus/skylake.ini", "sim/cpus/zen4.ini"};
    for (size_t i = 0; i < 2; i++) {
        static char text[MAX_TEXT];
        read_file(paths[i], text);
        check_sources(paths[i], text);
    }
}

/* Random damage: bytes changed, removed, doubled. Read or refused with one line; never a crash. */
static void test_random_damage(void **state)
{
    static char tiny[MAX_TEXT], text[MAX_TEXT];
    size_t bytes = read_file("sim/cpus/tiny.ini", tiny);
    struct random random = {.state = 1};
    for (int i = 0; i < 2000; i++) {
        struct cpu_model model;
        char error[CPU_MODEL_ERROR_MAX];
        memcpy(text, tiny, bytes);
        for (uint32_t n = 1 + random_below(&random, 8); n > 0; n--)
            text[random_below(&random, (uint32_t)bytes)] = (char)random_next(&random);
        size_t length = random_below(&random, 4) ? bytes : random_below(&random, (uint32_t)bytes);
        if (read_text(&model, text, length, error))
            assert_true(strstr(error, "/tmp/ringside-cpu-") == error && !strchr(error, '\n'));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shipped),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_malformed),
        cmocka_unit_test(test_each_key_is_needed),
        cmocka_unit_test(test_no_file),
        cmocka_unit_test(test_long_path_keeps_the_message_whole),
        cmocka_unit_test(test_every_figure_has_a_source),
        cmocka_unit_test(test_random_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
