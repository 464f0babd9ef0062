/* SPDX-License-Identifier: MIT
 *
 * tests/cli/test_cache.c: results of earlier runs: found when everything is the same, and only then; never in the way.
 *
 * The commands run in a home of their own, a copy, so that its files can be changed; each test has its own cache.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <dirent.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/cli/cache.h"
#include "sim/cli/record_pack.h"
#include "tests/cli/command.h"

#define OPTIONS_MAX 8

/* ---- the cache as a store ---- */

static const char *absolute(const char *name)
{
    static char path[4][PATH_MAX];
    static unsigned next;
    char top[PATH_MAX / 2];

    next = (next + 1) % 4;
    assert_non_null(getcwd(top, sizeof top));
    snprintf(path[next], PATH_MAX, "%s/%s", top, in_folder(name));
    return path[next];
}

static void open_cache(struct cache *c, const char *name)
{
    setenv("XDG_CACHE_HOME", absolute(name), 1);
    cache_open(c, true);
    unsetenv("XDG_CACHE_HOME");
    assert_true(cache_is_on(c));
}

/* Runs a script in which $d is that folder. */
static void shell(const char *script, const char *name)
{
    char command[1024];

    snprintf(command, sizeof command, "d=%s; %s", in_folder(name), script);
    assert_int_equal(system(command), 0);
}

static struct digest key_of(unsigned number)
{
    return digest_of(&number, sizeof number);
}

static bool reads_as(const struct cache *c, unsigned key, const char *text)
{
    struct digest digest = key_of(key);
    size_t bytes = 0;
    char *data = cache_read(c, &digest, &bytes);
    bool same = data && bytes == strlen(text) && memcmp(data, text, bytes) == 0;

    free(data);
    return same;
}

static void put(const struct cache *c, unsigned key, const char *text)
{
    struct digest digest = key_of(key);

    cache_write(c, &digest, text, strlen(text));
}

static void what_was_written_is_read(void **state)
{
    struct cache c;

    open_cache(&c, "store");
    assert_false(reads_as(&c, 1, "one"));
    put(&c, 1, "one");
    put(&c, 2, "");
    assert_true(reads_as(&c, 1, "one"));
    assert_true(reads_as(&c, 2, ""));
    assert_false(reads_as(&c, 3, ""));
    put(&c, 1, "another");
    assert_true(reads_as(&c, 1, "another"));
    cache_open(&c, false);
    put(&c, 1, "off");
    assert_false(reads_as(&c, 1, "off"));
}

/* Labels and lengths are part of what is hashed. */
static void parts_are_distinct(void **state)
{
    struct digest digest[4];
    char text[DIGEST_TEXT_MAX];

    for (size_t i = 0; i < 4; i++) {
        struct hasher h;

        hash_start(&h);
        hash_text(&h, i == 3 ? "b" : "a", i == 1 ? "xy" : "x");
        hash_text(&h, "a", i == 2 ? "yz" : i == 1 ? "z" : "z");
        hash_end(&h, &digest[i]);
        for (size_t other = 0; other < i; other++)
            assert_false(digest_equal(&digest[i], &digest[other]));
    }
    /* printf 'a\0\1\0\0\0\0\0\0\0xa\0\1\0\0\0\0\0\0\0z' | sha256sum */
    digest_text(&digest[0], text);
    assert_string_equal(text, "55b984f49c95b0c804daf5564659d567e0a002ea4e4195b8aaa58e1b17f913f4");
}

static void the_longest_unused_go_first(void **state)
{
    char text[100];
    struct cache c;

    open_cache(&c, "trim");
    for (unsigned i = 0; i < 6; i++) {
        snprintf(text, sizeof text, "entry %u", i);
        put(&c, i, text);
        usleep(20000);
    }
    assert_true(reads_as(&c, 0, "entry 0")); /* so it is the newest */
    cache_trim(&c, 1 << 20);
    assert_true(reads_as(&c, 1, "entry 1"));
    usleep(20000);
    cache_trim(&c, 2 * 4096); /* a file takes a block of the host's */
    assert_true(reads_as(&c, 0, "entry 0"));
    assert_true(reads_as(&c, 1, "entry 1"));
    for (unsigned i = 2; i < 6; i++) {
        snprintf(text, sizeof text, "entry %u", i);
        assert_false(reads_as(&c, i, text));
    }
    cache_trim(&c, 0);
    assert_false(reads_as(&c, 0, "entry 0"));
}

/* ---- records as bytes ---- */

static void a_record_survives_packing(void **state)
{
    struct domain_result domains[2] = {{.name = "kernel", .cycles = 7}, {.name = "app", .instructions = 8}};
    char warnings[1][160] = {"a warning"};
    struct exit_reason exits[3] = {{"swapgs", 3}, {"iretq", 2}, {"hlt", 1}};
    struct machine_result result = {.region = true,
                                    .ops = 10,
                                    .domains = domains,
                                    .domain_count = 2,
                                    .exits = exits,
                                    .exit_count = 3,
                                    .warnings = warnings,
                                    .warning_count = 1};
    struct record r = {.arch = &archs[0], .workload = "null", .cpu = "tiny"}, back;
    json_t *json[2];
    char *data;
    size_t bytes;

    for (enum counter c = 0; c < COUNTER_COUNT; c++)
        result.counters.value[c] = 1000 + c;
    assert_true(record_take(&r, &result));
    data = record_pack(&r, &bytes);
    assert_non_null(data);
    for (size_t less = 1; less <= bytes; less += less < 200 ? 1 : 97)
        assert_false(record_unpack(&back, data, bytes - less));
    assert_true(record_unpack(&back, data, bytes));
    json[0] = record_json(&r);
    json[1] = record_json(&back);
    assert_true(json_equal(json[0], json[1]));
    json_decref(json[0]);
    json_decref(json[1]);
    free(data);
    record_free(&r);
    record_free(&back);
}

/* ---- commands ---- */

static const char *home = "", *cache = "";

static int make_home(void **state)
{
    char command[2048];

    if (make_folder(state) != 0)
        return -1;
    snprintf(
        command, sizeof command,
        "set -e; h=%s; mkdir -p $h/sim $h/build/images/monolithic $h/build/programs/root/bin; cp -r sim/cpus $h/sim; "
        "cp build/images/monolithic/kernel.elf $h/build/images/monolithic; "
        "cp -p build/programs/root/bin/null $h/build/programs/root/bin; chmod -R a+rX $h",
        in_folder("home"));
    return system(command);
}

static struct result run_words(uid_t user, const char *command, const char *const *options)
{
    char cache_word[PATH_MAX + 32], home_word[PATH_MAX + 32];
    const char *argv[OPTIONS_MAX + 12] = {"/usr/bin/env", cache_word, home_word, PLAIN, command, "monolithic"};
    size_t count = 6;

    snprintf(cache_word, sizeof cache_word, "XDG_CACHE_HOME=%s", cache);
    snprintf(home_word, sizeof home_word, "RINGSIDE_HOME=%s", home);
    if (strcmp(command, "compare") == 0)
        argv[count++] = "--workload";
    argv[count++] = "null";
    argv[count++] = "--json";
    for (size_t i = 0; options && options[i]; i++)
        argv[count++] = options[i];
    argv[count] = NULL;
    return run_as(user, argv, false);
}

static void use(const char *name)
{
    cache = strdup(absolute(name));
    home = strdup(absolute("home"));
}

static void done(void)
{
    free((char *)cache);
    free((char *)home);
}

/* The first result, without host{}, as text to be freed; *cached: whether it says so. */
static char *result_of(const struct result *r, bool *cached)
{
    json_t *json = json_loads(r->out, 0, NULL), *result = json_array_get(json_object_get(json, "results"), 0);
    json_t *said = json_object_get(json_object_get(result, "host"), "cached");
    char *text;

    if (r->status != 0 || !result)
        print_message("status %d: %s\n", r->status, r->err);
    assert_int_equal(r->status, 0);
    assert_true(json_is_boolean(said));
    *cached = json_is_true(said);
    json_object_del(result, "host");
    json_object_del(result, "label");
    text = json_dumps(result, JSON_REAL_PRECISION(10));
    json_decref(json);
    return text;
}

static char *run_once(const char *command, const char *const *options, bool *cached)
{
    struct result r = run_words(0, command, options);
    char *text = result_of(&r, cached);

    release(&r);
    return text;
}

/* Runs it and says whether it was known. */
static bool is_known(const char *const *options)
{
    bool cached;

    free(run_once("run", options, &cached));
    return cached;
}

static void the_second_run_is_known(void **state)
{
    static const char *const commands[] = {"run", "compare", "run"};
    char *first;
    bool cached;

    use("second");
    first = run_once("run", NULL, &cached);
    assert_false(cached);
    for (size_t i = 0; i < 3; i++) {
        char *again = run_once(commands[i], NULL, &cached);

        assert_true(cached);
        assert_string_equal(again, first);
        free(again);
    }
    free(first);
    done();
}

static void no_cache_neither_reads_nor_writes(void **state)
{
    static const char *const no_cache[] = {"--no-cache", NULL};

    use("none");
    assert_false(is_known(no_cache));
    assert_int_equal(access(cache, F_OK), -1);
    assert_false(is_known(NULL));
    assert_false(is_known(no_cache));
    assert_true(is_known(NULL));
    done();
}

#define ENTRIES "$d/ringside/*"

static void a_damaged_entry_is_written_anew(void **state)
{
    static const char *const damages[] = {
        "truncate -s 0 " ENTRIES,
        "truncate -s 40 " ENTRIES,
        "truncate -s -1 " ENTRIES,
        "printf x >>$(echo " ENTRIES ")",
        "printf x | dd of=$(echo " ENTRIES ") bs=1 seek=3 conv=notrunc status=none",
        "printf x | dd of=$(echo " ENTRIES ") bs=1 seek=500 conv=notrunc status=none",
        "head -c 3000000 /dev/zero >$(echo " ENTRIES ")",
    };
    bool cached;
    char *good;

    use("damage");
    good = run_once("run", NULL, &cached);
    for (size_t i = 0; i < sizeof damages / sizeof *damages; i++) {
        char *again;

        assert_true(is_known(NULL));
        shell(damages[i], "damage");
        again = run_once("run", NULL, &cached);
        if (cached)
            print_message("%s\n", damages[i]);
        assert_false(cached);
        assert_string_equal(again, good);
        free(again);
    }
    assert_true(is_known(NULL));
    free(good);
    done();
}

static void other_options_are_another_run(void **state)
{
    static const char *const options[][3] = {
        {NULL},
        {"--ops=7"},
        {"--ops=8"},
        {"--seed=2"},
        {"--cpu=zen4"},
        {"--cpus=2"},
        {"--model=count"},
        {"--set=pti=on"},
        {"--set=pcid=off"},
        {"--time-limit=1000"},
        {"--time-limit=1001"},
        {"--inject=crash=tty@op:1000000"},
        {"--inject=crash=tty@op:1000001"},
        {"--inject=hang=tty@op:1000000"},
        {"--inject=crash=tty@op:1000000+1"},
        {"--inject=crash=blk@op:1000000"},
    };

    use("options");
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        if (is_known(options[i]))
            fail_msg("known before it was run: %s", options[i][0] ? options[i][0] : "no option");
    for (size_t i = 0; i < sizeof options / sizeof *options; i++)
        assert_true(is_known(options[i]));
    done();
}

/* Something that a result depends on is changed, and put back. */
static void changed_inputs_are_another_run(void **state)
{
    static const struct {
        const char *change, *back;
    } inputs[] = {
        {"printf x >>$d/build/programs/root/bin/null", "truncate -s -1 $d/build/programs/root/bin/null"},
        {"chmod 0700 $d/build/programs/root/bin/null", "chmod 0755 $d/build/programs/root/bin/null"},
        {"touch -d 2001-01-01 $d/build/programs/root/bin/null", NULL},
        {"touch $d/build/programs/root/more", "rm $d/build/programs/root/more"},
        {"ln -s x $d/build/programs/root/link", "ln -sfn y $d/build/programs/root/link"},
        {"printf x >>$d/build/images/monolithic/kernel.elf", "truncate -s -1 $d/build/images/monolithic/kernel.elf"},
        {"sed -i 's/^memory_latency.*/memory_latency = 333/' $d/sim/cpus/skylake.ini", NULL},
    };

    use("inputs");
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++) {
        /* times of modification are inputs too: they are set after each change */
        shell("touch -d 2020-01-01 $d/build/programs/root/bin/null", "home");
        shell("find $d/build/programs/root -type d -exec touch -d 2020-01-01 {} +", "home");
        is_known(NULL);
        assert_true(is_known(NULL));
        shell(inputs[i].change, "home");
        if (is_known(NULL))
            fail_msg("still known after: %s", inputs[i].change);
        if (!inputs[i].back)
            continue;
        shell(inputs[i].back, "home");
        is_known(NULL);
    }
    done();
}

static size_t entries_in(const char *name)
{
    DIR *folder = opendir(in_folder(name));
    const struct dirent *e;
    size_t count = 0;

    while (folder && (e = readdir(folder)))
        count += e->d_name[0] != '.';
    if (folder)
        closedir(folder);
    return count;
}

static void what_failed_is_not_kept(void **state)
{
    static const char *const limit[] = {"--time-limit=1", NULL};
    struct result r;

    use("failed");
    r = run_words(0, "run", limit);
    assert_int_equal(r.status, 4);
    release(&r);
    shell("mv $d/null $d/null.good; cp build/programs/root/bin/busybox $d/null", "home/build/programs/root/bin");
    r = run_words(0, "run", NULL);
    shell("mv $d/null.good $d/null", "home/build/programs/root/bin");
    assert_non_null(strstr(r.err, "null: ended with status 127")); /* no applet has that name */
    assert_int_equal(r.status, 1);
    release(&r);
    assert_int_equal(entries_in("failed/ringside"), 0);
    done();
}

/* Runs as somebody who may not write there. */
static void check_as_nobody(const char *const *options, bool known)
{
    struct result r = run_words(not_root(), "run", options);
    bool cached;

    assert_string_equal(r.err, "");
    free(result_of(&r, &cached));
    assert_int_equal(cached, known);
    release(&r);
}

static void a_cache_that_cannot_be_written_is_still_read(void **state)
{
    static const char *const other[] = {"--ops=5", NULL};

    if (!reached_by(not_root()))
        skip();
    use("read-only");
    assert_false(is_known(NULL));
    shell("chmod 0755 $d && chmod 0444 " ENTRIES " && chmod 0555 $d/ringside", "read-only");
    check_as_nobody(NULL, true);
    check_as_nobody(other, false);
    check_as_nobody(other, false);
    shell("chmod 0755 $d/ringside", "read-only");
    done();
}

static void no_place_for_a_cache_is_no_error(void **state)
{
    static const char *const environments[] = {
        "-u XDG_CACHE_HOME -u HOME",       "XDG_CACHE_HOME= HOME=",    "XDG_CACHE_HOME=/proc/nowhere",
        "-u HOME XDG_CACHE_HOME=relative", "XDG_CACHE_HOME=/dev/null", "XDG_CACHE_HOME= HOME=/dev/null",
        "-u XDG_CACHE_HOME HOME=/no/home",
    };

    use("unused");
    for (size_t i = 0; i < sizeof environments / sizeof *environments; i++) {
        char command[PATH_MAX + 300];
        const char *const argv[] = {"/bin/sh", "-c", command, NULL};
        struct result r;
        bool cached;

        snprintf(command, sizeof command,
                 "for i in 1 2; do env %s RINGSIDE_HOME=%s " PLAIN " run monolithic null --json "
                 ">%s || exit; done; cat %s",
                 environments[i], home, absolute("out1"), absolute("out1"));
        r = run(argv, false);
        assert_string_equal(r.err, "");
        free(result_of(&r, &cached));
        assert_false(cached);
        assert_int_equal(access("relative", F_OK), -1);
        assert_int_equal(access("/no", F_OK), -1);
        release(&r);
    }
    done();
}

static void without_xdg_it_is_below_home(void **state)
{
    char command[PATH_MAX + 300];
    const char *const argv[] = {"/bin/sh", "-c", command, NULL};
    struct result r;

    use("unused");
    shell("mkdir $d", "user");
    snprintf(command, sizeof command, "env -u XDG_CACHE_HOME HOME=%s RINGSIDE_HOME=%s " PLAIN " run monolithic null",
             absolute("user"), home);
    r = run(argv, false);
    assert_int_equal(r.status, 0);
    assert_int_equal(entries_in("user/.cache/ringside"), 1);
    release(&r);
    done();
}

/* Both find nothing, both write, and neither sees half of what the other wrote. */
static void two_at_once_do_not_disturb_each_other(void **state)
{
    char command[2 * PATH_MAX];
    const char *const argv[] = {"/bin/sh", "-c", command, NULL};
    struct result r;

    use("race");
    snprintf(command, sizeof command,
             "export XDG_CACHE_HOME=%s RINGSIDE_HOME=%s; for i in 1 2 3 4 5; do rm -rf $XDG_CACHE_HOME; for j in 1 2 "
             "3; do " PLAIN
             " compare monolithic monolithic,pti=on --workload null --csv >%s.$j & pids=\"$pids $!\"; done; "
             "for p in $pids; do wait $p || exit 1; done; pids=; cmp %s.1 %s.2 && cmp %s.1 %s.3 || exit 2; done",
             cache, home, in_folder("race-out"), in_folder("race-out"), in_folder("race-out"), in_folder("race-out"),
             in_folder("race-out"));
    r = run(argv, false);
    assert_string_equal(r.err, "");
    assert_string_equal(r.out, "");
    assert_int_equal(r.status, 0);
    assert_int_equal(entries_in("race/ringside"), 2); /* and no half-written file */
    assert_true(is_known(NULL));
    release(&r);
    done();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(parts_are_distinct),
        cmocka_unit_test(the_longest_unused_go_first),
        cmocka_unit_test(a_record_survives_packing),
        cmocka_unit_test(the_second_run_is_known),
        cmocka_unit_test(no_cache_neither_reads_nor_writes),
        cmocka_unit_test(a_damaged_entry_is_written_anew),
        cmocka_unit_test(other_options_are_another_run),
        cmocka_unit_test(changed_inputs_are_another_run),
        cmocka_unit_test(what_failed_is_not_kept),
        cmocka_unit_test(a_cache_that_cannot_be_written_is_still_read),
        cmocka_unit_test(no_place_for_a_cache_is_no_error),
        cmocka_unit_test(without_xdg_it_is_below_home),
        cmocka_unit_test(two_at_once_do_not_disturb_each_other),
    };

    return cmocka_run_group_tests(tests, make_home, remove_folder);
}
