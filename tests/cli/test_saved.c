/* SPDX-License-Identifier: MIT
 *
 * tests/cli/test_saved.c: a guest in a file: exec --save-at, exec --restore, and files that are not what they should
 * be.
 *
 * That a guest can be saved at any moment is tests/arch/test_vmm_save.c's affair; here two processes share nothing but
 * the file.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sim/cli/saved_file.h"
#include "tests/cli/command.h"

#define TRAVELLER "build/programs/arch/traveller"
#define SQLITE "build/programs/root/bin/sqlite"
#define ARGUMENTS_MAX 24
#define CRAFTED 300 /* files with a right digest */

/* "@NAME" is a file in the test's folder. */
static struct result ringside(const char *program, const char *const words[])
{
    const char *argv[ARGUMENTS_MAX] = {program};
    size_t count = 1;

    for (; *words; words++)
        argv[count++] = **words == '@' ? in_folder(*words + 1) : *words;
    return run(argv, false);
}

#define RINGSIDE(...) ringside(PLAIN, (const char *const[]){__VA_ARGS__, NULL})
#define SAVE(ms, file, ...) RINGSIDE("exec", "vmm", "--save-at", ms, file, __VA_ARGS__)

static bool same_folders(const char *a, const char *b)
{
    char command[1024];

    snprintf(command, sizeof command, "diff -r %s %s", in_folder(a), in_folder(b));
    return system(command) == 0;
}

/* ---- two processes ---- */

static struct result whole;

static int make_whole(void **state)
{
    char input[400];
    struct result r;

    if (make_folder(state) != 0)
        return -1;
    for (size_t i = 0; i < sizeof input; i++)
        input[i] = (char)('a' + i * i % 26);
    write_file("in", input, sizeof input);
    whole = RINGSIDE("exec", "vmm", "--stdin", "@in", "--save", "@files", "--", TRAVELLER, "3");
    r = SAVE("5", "@guest", "--stdin", "@in", "--", TRAVELLER, "3");
    if (r.status != 0)
        print_error("%s", r.err);
    release(&r);
    return strstr(whole.out, "\nend 3 ") ? 0 : -1;
}

static int free_whole(void **state)
{
    release(&whole);
    return remove_folder(state);
}

static void same_in_parts(const struct result *first, const struct result *second)
{
    char out[4096];

    snprintf(out, sizeof out, "%s%s", first->out, second->out);
    assert_string_equal(out, whole.out);
    assert_int_equal(second->status, whole.status);
    assert_string_equal(second->err, "");
}

static void one_process_goes_on_where_another_stopped(void **state)
{
    static const char *const moments[] = {"3", "4", "5", "6"};

    for (size_t i = 0; i < sizeof moments / sizeof *moments; i++) {
        struct result first = SAVE(moments[i], "@a", "--stdin", "@in", "--", TRAVELLER, "3"), second;
        char said[512];

        snprintf(said, sizeof said, "ringside: traveller: saved to %s after %s ms\n", in_folder("a"), moments[i]);
        assert_string_equal(first.err, said);
        assert_int_equal(first.status, 0);
        second = RINGSIDE("exec", "vmm", "--restore", "@a", "--stdin", "@in", "--save", "@files2");
        same_in_parts(&first, &second);
        assert_true(same_folders("files", "files2"));
        assert_int_equal(system("rm -rf build/tests/cli-*/files2"), 0);
        release(&first);
        release(&second);
    }
}

/* The file is replaced by one of what came of it. */
static void and_so_on(void **state)
{
    struct result r = SAVE("3", "@b", "--stdin", "@in", "--", TRAVELLER, "3");
    char out[4096];
    unsigned parts = 1;

    snprintf(out, sizeof out, "%s", r.out);
    while (strstr(r.err, ": saved to ")) {
        release(&r);
        r = RINGSIDE("exec", "vmm", "--restore", "@b", "--save-at", "3", "@b", "--stdin", "@in");
        strncat(out, r.out, sizeof out - strlen(out) - 1);
        parts++;
    }
    assert_string_equal(out, whole.out);
    assert_int_equal(r.status, whole.status);
    assert_true(parts >= 3);
    release(&r);
}

static void a_data_base_in_the_midst_of_it(void **state)
{
    struct result all = RINGSIDE("exec", "vmm", "--root", ROOT, "--", SQLITE, "5"), first, second;
    char out[4096];

    first = SAVE("8", "@c", "--root", ROOT, "--", SQLITE, "5");
    second = RINGSIDE("exec", "vmm", "--restore", "@c");
    snprintf(out, sizeof out, "%s%s", first.out, second.out);
    assert_non_null(strstr(first.err, "saved to"));
    assert_string_equal(out, all.out);
    assert_non_null(strstr(out, "sqlite 3"));
    assert_int_equal(second.status, 0);
    release(&all);
    release(&first);
    release(&second);
}

static void other_models_and_settings_go_along(void **state)
{
    struct result first = SAVE("4", "@d", "--model", "count", "--cpu", "tiny", "--set", "pcid=off", "--set",
                               "shadow-cache=off", "--stdin", "@in", "--", TRAVELLER, "3");
    struct result second = RINGSIDE("exec", "vmm", "--restore", "@d", "--stdin", "@in", "--json=/dev/stdout");

    assert_non_null(strstr(first.err, "saved to"));
    assert_non_null(strstr(second.out, "\"model\": \"count\""));
    assert_non_null(strstr(second.out, "\"cpu\": \"tiny\""));
    assert_non_null(strstr(second.out, "\"shadow-cache\": \"off\""));
    assert_non_null(strstr(second.out, "\"name\": \"traveller\""));
    assert_int_equal(second.status, whole.status);
    release(&first);
    release(&second);
}

static void nothing_is_saved_of_what_has_ended(void **state)
{
    struct result r = SAVE("500", "@e", "--stdin", "@in", "--", TRAVELLER, "3");

    assert_string_equal(r.out, whole.out);
    assert_int_equal(r.status, whole.status);
    assert_string_equal(r.err,
                        "ringside: traveller: warning: nothing was saved: it ended before 500 ms of simulated time\n");
    assert_int_equal(access(in_folder("e"), F_OK), -1);
    release(&r);
}

/* ---- words ---- */

static const struct {
    const char *words[12];
    const char *says;
} bad[] = {
    {{"monolithic", "--save-at", "5", "@f", "--", TRAVELLER}, "only a guest can be saved, and monolithic has none"},
    {{"vmm", "--set", "guests=2", "--save-at", "5", "@f", "--", TRAVELLER},
     "that is alone can be saved, and here are 2"},
    {{"vmm", "--save-at", "0", "@f", "--", TRAVELLER}, "--save-at wants a number from 1"},
    {{"vmm", "--save-at", "soon", "@f", "--", TRAVELLER}, "--save-at wants a number from 1"},
    {{"vmm", "--save-at", "5"}, "--save-at wants two values: --save-at MS FILE"},
    {{"vmm", "--save-at=5"}, "--save-at wants two values: --save-at MS FILE"},
    {{"vmm", "--save-at", "5", "", "--", TRAVELLER}, "--save-at wants a file's name"},
    {{"vmm", "--save-at", "5", "/nowhere/f", "--", TRAVELLER}, "--save-at /nowhere/f: No such file or directory"},
    {{"vmm", "--save-at", "5", "/tmp", "--", TRAVELLER}, "--save-at /tmp: there is something that is no regular file"},
    {{"vmm", "--restore", ""}, "--restore wants a file's name"},
    {{"vmm", "--restore", "@none"}, "none: No such file or directory"},
    {{"vmm", "--restore", "/tmp"}, "/tmp: a directory, not a file"},
    {{"vmm", "--restore", "README.md"},
     "README.md: not a saved guest; 'ringside exec vmm --save-at MS FILE' makes one"},
    {{"vmm", "--restore", "@in"}, "in: not a saved guest"},
    {{"monolithic", "--restore", "@guest"}, "saved under the architecture 'vmm:monolithic', not 'monolithic:plain'"},
    {{"vmm", "--restore", "@guest", "--", TRAVELLER}, "--restore takes no program"},
    {{"vmm", "--restore", "@guest", "--root", ROOT}, "--restore and --root exclude each other"},
    {{"vmm", "--restore", "@guest", "--set", "pcid=off"}, "--restore and --set exclude each other"},
    {{"vmm", "--restore", "@guest", "--model", "count"}, "--restore and --model exclude each other"},
    {{"vmm", "--restore", "@guest", "--cpus", "2"}, "--restore and --cpus exclude each other"},
    {{"vmm", "--restore", "@guest", "--seed", "2"}, "--restore and --seed exclude each other"},
    {{"vmm", "--restore", "@guest", "--env", "A=B"}, "--restore and --env exclude each other"},
    {{"vmm", "--restore", "@guest", "--cwd", "/"}, "--restore and --cwd exclude each other"},
    {{"vmm", "--restore", "@guest", "--inject", "crash=kernel@op:1"}, "--restore and --inject exclude each other"},
    {{"vmm", "--restore", "@guest", "--cpu", "tiny"}, "saved under another CPU model than 'tiny' is here"},
    {{"vmm", "--restore", "@guest", "--save", "@files"}, "files: the folder is not empty"},
};

static void wrong_words_have_their_line(void **state)
{
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        const char *words[14] = {"exec"};
        struct result r;

        for (size_t n = 0; n < 12 && bad[i].words[n]; n++)
            words[n + 1] = bad[i].words[n];
        r = ringside(SANITIZED, words);
        if (r.status != 2 || !strstr(r.err, bad[i].says) || strchr(r.err, '\n') != r.err + strlen(r.err) - 1)
            fail_msg("case %zu: status %d, %s", i, r.status, r.err);
        assert_string_equal(r.out, "");
        release(&r);
    }
}

/* ---- damage ---- */

static char *good;
static size_t good_bytes;

static int load_good(void **state)
{
    FILE *file = fopen(in_folder("guest"), "rb");
    struct stat st;

    if (!file || fstat(fileno(file), &st) != 0)
        return -1;
    good_bytes = (size_t)st.st_size;
    good = malloc(good_bytes);
    good_bytes = fread(good, 1, good_bytes, file);
    fclose(file);
    return 0;
}

static int free_good(void **state)
{
    free(good);
    return 0;
}

/* Puts the digest that belongs to it behind a changed content. */
static void seal(char *data, size_t bytes)
{
    struct sha256_ctx sha;

    bytes -= sizeof(struct digest);
    sha256_init(&sha);
    sha256_update(&sha, bytes, (uint8_t *)data);
    sha256_digest(&sha, sizeof(struct digest), (uint8_t *)data + bytes);
}

/* Reads it as a file. true: it is taken for a saved guest. Else `why` has a line. */
static bool is_taken(const void *data, size_t bytes, struct error *why)
{
    struct saved_file saved;
    char path[300];
    bool taken;

    snprintf(path, sizeof path, "%s", in_folder("damaged"));
    write_file("damaged", data, bytes);
    *why = (struct error){0};
    taken = saved_file_read(&saved, path, why);
    saved_file_free(&saved);
    if (!taken) {
        assert_int_equal(why->status, STATUS_USAGE);
        assert_non_null(strstr(why->text, path));
        assert_null(strchr(why->text, '\n'));
    }
    return taken;
}

static void any_bit_of_the_header_counts(void **state)
{
    struct error why;

    assert_true(is_taken(good, good_bytes, &why));
    for (size_t at = 0; at < sizeof(struct saved_header) + 64; at++) {
        good[at] ^= (char)(1 << at % 8);
        if (is_taken(good, good_bytes, &why))
            fail_msg("byte %zu is another, and it is taken", at);
        assert_non_null(strstr(why.text, at < 8    ? "not a saved guest"
                                         : at < 12 ? "a saved guest of version"
                                                   : "damaged or truncated: its SHA-256 is another"));
        good[at] ^= (char)(1 << at % 8);
    }
}

static void any_length_but_its_own_is_refused(void **state)
{
    struct error why;

    for (size_t bytes = 0; bytes < 2000; bytes += 1 + bytes / 40)
        assert_false(is_taken(good, bytes, &why));
    for (size_t i = 1; i < 100; i++)
        assert_false(is_taken(good, good_bytes - i * i * i % good_bytes - 1, &why));
}

/* ---- lies: the digest is right ---- */

static uint64_t dice = 88172645463325252u;

/* xorshift64 (Marsaglia 2003) */
static uint64_t roll(void)
{
    dice ^= dice << 13;
    dice ^= dice >> 7;
    return dice ^= dice << 17;
}

/* Where the n-th chunk is; 0: there are not so many. */
static size_t chunk_at(size_t n)
{
    size_t at = sizeof(struct saved_header);
    struct saved_chunk chunk;

    for (;;) {
        memcpy(&chunk, good + at, sizeof chunk);
        if (n-- == 0)
            return at;
        if (chunk.kind == CHUNK_END)
            return 0;
        at += sizeof chunk + chunk.bytes;
    }
}

static void change(char *data, size_t at)
{
    static const uint64_t values[] = {0, 1, 7, 4095, 1u << 20, 1ul << 32, 1ul << 63, UINT64_MAX, UINT64_MAX - 4095};
    uint64_t value = roll() % 2 ? values[roll() % 9] : roll();

    memcpy(data + at, &value, roll() % 2 ? 8 : 4);
}

/* What is taken goes as far as a machine, and no further than its memory. */
static void load(const char *path)
{
    struct machine_config config = {.cpus = 1, .guests = 1, .ram_bytes = 128ul << 20};
    char text[MACHINE_ERROR_MAX];
    struct cpu_model cpu;
    struct saved_file saved;
    struct error why = {0};
    struct machine *machine;

    assert_int_equal(cpu_model_read(&cpu, "sim/cpus/tiny.ini", text), 0);
    config.cpu = &cpu;
    machine = machine_create(&config, text);
    assert_non_null(machine);
    assert_true(saved_file_read(&saved, path, &why));
    if (saved.header.disk_bytes <= 1ul << 30) {
        char *disk = calloc(1, saved.header.disk_bytes);

        if (!saved_file_load(&saved, machine, disk, &why))
            assert_non_null(strstr(why.text, path));
        free(disk);
    }
    saved_file_free(&saved);
    machine_destroy(machine);
}

static void lies_are_found_out(void **state)
{
    char *data = malloc(good_bytes), path[300];
    unsigned taken = 0, chunks = 0;
    struct error why;

    while (chunk_at(chunks))
        chunks++;
    assert_true(chunks > 8);
    for (unsigned i = 0; i < CRAFTED; i++) {
        size_t at =
            i % 3 ? chunk_at(roll() % chunks) + 4 * (roll() % 6) : 12 + roll() % (sizeof(struct saved_header) - 20);

        memcpy(data, good, good_bytes);
        change(data, at);
        seal(data, good_bytes);
        if (!is_taken(data, good_bytes, &why))
            continue;
        snprintf(path, sizeof path, "%s", in_folder("damaged"));
        load(path);
        taken++;
    }
    assert_true(taken > 0 && taken < CRAFTED);
    free(data);
}

/* ---- files of others ---- */

static void check_other(size_t at, const char *says)
{
    const char *const words[] = {"exec", "vmm", "--restore", "@other", NULL};
    struct result r;

    good[at] ^= 1;
    seal(good, good_bytes);
    write_file("other", good, good_bytes);
    good[at] ^= 1;
    seal(good, good_bytes);
    r = ringside(SANITIZED, words);
    assert_int_equal(r.status, 2);
    if (!strstr(r.err, says))
        fail_msg("%s", r.err);
    release(&r);
}

#define FIELD(name) offsetof(struct saved_header, name)

static void each_who_is_another_is_named(void **state)
{
    check_other(FIELD(image[0].digest), "saved under another monitor than 'vmm/kernel.elf' is here");
    check_other(FIELD(image[1].digest), "saved under another kernel than 'monolithic/kernel.elf' is here");
    check_other(FIELD(cpu_digest), "saved under another CPU model than 'skylake' is here");
    check_other(FIELD(cpu), "'rkylake'");
    check_other(FIELD(arch), "saved under the architecture 'wmm:monolithic', not 'vmm:monolithic'");
    check_other(FIELD(settings), "has no setting 'qcid'");
    check_other(FIELD(memory_bytes), "malformed");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_process_goes_on_where_another_stopped),
        cmocka_unit_test(and_so_on),
        cmocka_unit_test(a_data_base_in_the_midst_of_it),
        cmocka_unit_test(other_models_and_settings_go_along),
        cmocka_unit_test(nothing_is_saved_of_what_has_ended),
        cmocka_unit_test(wrong_words_have_their_line),
        cmocka_unit_test_setup_teardown(any_bit_of_the_header_counts, load_good, free_good),
        cmocka_unit_test_setup_teardown(any_length_but_its_own_is_refused, load_good, free_good),
        cmocka_unit_test_setup_teardown(lies_are_found_out, load_good, free_good),
        cmocka_unit_test_setup_teardown(each_who_is_another_is_named, load_good, free_good),
    };

    return cmocka_run_group_tests_name("cli/saved", tests, make_whole, free_whole);
}
