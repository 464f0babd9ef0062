/* SPDX-License-Identifier: MIT
 *
 * tests/cli/test_tcb.c: what `list archs` says runs in ring 0: of small images whose code is known, and of what is not
 * an image.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sim/cli/tcb.h"
#include "tests/cli/command.h"

static void shell(const char *script)
{
    char command[1024];

    snprintf(command, sizeof command, "cd %s; %s", in_folder("."), script);
    assert_int_equal(system(command), 0);
}

static void check(const char *name, uint64_t bytes, bool has_lines, uint64_t lines)
{
    struct tcb tcb;

    assert_true(tcb_measure(in_folder(name), &tcb));
    assert_int_equal(tcb.bytes, bytes);
    assert_int_equal(tcb.has_lines, has_lines);
    assert_int_equal(tcb.lines, lines);
}

/* Two units share a line of a header; one function lies in a section of its own, and is dropped in `dropped`. */
static void code_and_its_lines_are_counted(void **state)
{
    static const char header[] = ".macro stop\n hlt\n .endm\n";
    static const char first[] = ".globl _start\n_start:\n nop\n\n/* a comment */\n call second\n"
                                ".section .text.more,\"ax\"\nmore:\n nop\n nop\n.data\n.space 1000\n";
    static const char second[] = ".globl second\nsecond:\n nop\n nop; nop\n ret\n";

    write_file("macro.s", header, strlen(header));
    write_file("first.s", first, strlen(first));
    write_file("second.s", second, strlen(second));
    shell("as -g first.s -o first.o && as -g second.s -o second.o && ld first.o second.o -o both.elf && "
          "ld --gc-sections first.o second.o -o dropped.elf && strip -o stripped.elf both.elf");
    check("both.elf", 1 + 5 + 2 + 4, true, 2 + 2 + 3);
    check("dropped.elf", 1 + 5 + 4, true, 2 + 3);
    check("stripped.elf", 1 + 5 + 2 + 4, false, 0);
}

static void a_line_of_a_header_counts_once(void **state)
{
    static const char header[] = "static inline int twice(int x)\n{\n    return x * 2;\n}\n";
    static const char unit[] = "#include \"h.h\"\nint NAME(int x);\nint NAME(int x)\n{\n    return twice(x);\n}\n";

    write_file("h.h", header, strlen(header));
    write_file("unit.c", unit, strlen(unit));
    shell("gcc -g -O0 -fcf-protection=none -DNAME=a -c unit.c -o a.o && "
          "gcc -g -O0 -fcf-protection=none -DNAME=b -c unit.c -o b.o && ld -e a a.o -o one.elf && ld -e a a.o b.o -o "
          "two.elf");
    {
        struct tcb one, two;

        assert_true(tcb_measure(in_folder("one.elf"), &one) && tcb_measure(in_folder("two.elf"), &two));
        assert_int_equal(one.lines, 6); /* of each function: its head, its statement, its end */
        assert_int_equal(two.lines, 6);
        assert_true(two.bytes >= 2 * one.bytes);
    }
}

static void what_is_no_image_is_not_measured(void **state)
{
    struct tcb tcb;

    write_file("text", "no image", 8);
    write_file("empty", "", 0);
    write_file("head", "\177ELF\2\1\1", 7);
    assert_false(tcb_measure(in_folder("text"), &tcb));
    assert_false(tcb_measure(in_folder("empty"), &tcb));
    assert_false(tcb_measure(in_folder("missing"), &tcb));
    assert_false(tcb_measure(in_folder("."), &tcb));
    assert_false(tcb_measure("/dev/null", &tcb));
    assert_false(tcb_measure(in_folder("head"), &tcb) && tcb.bytes);
}

/* An image with damage in it may be measured wrongly, but is measured. */
static void damaged_images_do_no_harm(void **state)
{
    char *image = NULL;
    size_t bytes = 0;
    FILE *in = fopen("build/images/guest/selftest.elf", "r"), *out = open_memstream(&image, &bytes);
    uint64_t random = 88172645463325252;
    struct tcb tcb;
    int c;

    assert_non_null(in);
    while ((c = fgetc(in)) != EOF)
        fputc(c, out);
    fclose(in);
    fclose(out);
    for (unsigned i = 0; i < 300; i++) {
        for (unsigned n = 0; n < 30; n++) {
            random ^= random << 13, random ^= random >> 7, random ^= random << 17;
            image[i % 3 ? random % bytes : random % 64] = (char)(random >> 32);
        }
        write_file("damaged", image, bytes);
        tcb_measure(in_folder("damaged"), &tcb);
    }
    free(image);
}

/* What the list says is what readelf says. */
static void the_list_agrees_with_the_image(void **state)
{
    const char *const argv[] = {SANITIZED, "list", "archs", "--json", NULL};
    const char *const text[] = {SANITIZED, "list", "archs", NULL};
    struct result r = run(argv, false), plain = run(text, false);
    json_t *json = json_loads(r.out, 0, NULL), *arch = json_array_get(json_object_get(json, "archs"), 0);
    json_int_t bytes = json_integer_value(json_object_get(arch, "tcb_bytes")),
               lines = json_integer_value(json_object_get(arch, "tcb_lines"));
    char line[100], command[300];

    snprintf(command, sizeof command,
             "test $(readelf -SW build/images/%s | sed -n 's/^ *\\[[ 0-9]*\\] *//p' | "
             "awk '$7 ~ /X/ { print \"0x\" $5 }' | { s=0; while read b; do s=$((s + b)); done; echo $s; }) = %lld",
             json_string_value(json_object_get(arch, "image")), (long long)bytes);
    assert_int_equal(system(command), 0);
    assert_in_range(lines, 1000, 100000);
    snprintf(line, sizeof line, "    in ring 0: %lld bytes of code, %lld source lines with code\n", (long long)bytes,
             (long long)lines);
    assert_non_null(strstr(plain.out, line));
    json_decref(json);
    release(&r);
    release(&plain);
}

/* An architecture that has not been built is listed without. */
static void without_an_image_there_are_no_figures(void **state)
{
    char command[400];
    const char *const argv[] = {"/bin/sh", "-c", command, NULL};
    struct result r;
    json_t *json;

    snprintf(command, sizeof command,
             "mkdir -p %s/bare && cp -r sim %s/bare && RINGSIDE_HOME=%s/bare " PLAIN " list archs --json",
             in_folder("."), in_folder("."), in_folder("."));
    r = run(argv, false);
    json = json_loads(r.out, 0, NULL);
    assert_int_equal(r.status, 0);
    assert_string_equal(r.err, "");
    assert_null(json_object_get(json_array_get(json_object_get(json, "archs"), 0), "tcb_bytes"));
    assert_null(json_object_get(json_array_get(json_object_get(json, "archs"), 0), "tcb_lines"));
    json_decref(json);
    release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(code_and_its_lines_are_counted),   cmocka_unit_test(a_line_of_a_header_counts_once),
        cmocka_unit_test(what_is_no_image_is_not_measured), cmocka_unit_test(damaged_images_do_no_harm),
        cmocka_unit_test(the_list_agrees_with_the_image),   cmocka_unit_test(without_an_image_there_are_no_figures),
    };

    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
