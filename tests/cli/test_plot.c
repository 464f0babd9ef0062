/* SPDX-License-Identifier: MIT
 *
 * tests/cli/test_plot.c: `plot`: the numbers of every figure against a small file of results written by hand, gnuplot's
 * silence over every script, what is left out and why, and files that mean no good.
 *
 * tests/cli/plot/ has results written by hand; in the JSON below ' stands for ".
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/cli/command.h"

#define FIGURES 9

static const char *const figure[FIGURES] = {
    "relative-cycles",     "causes", "events", "ctx-tlb", "pipe-bw-size", "write-size", "sensitivity-cr3",
    "sensitivity-syscall", "tcb"};

/* ---- results written by hand ---- */

#define HAND(name) "tests/cli/plot/" name ".json" /* both.json differs from base.json in two costs */
#define CPU "'cpu': {'name': 'toy', 'title': 'Toy', 'version': 'v1', 'numbers': {'transitions': {'syscall_cost': 50}}}"
#define ARCHS "'archs': [{'label': 'monolithic', 'name': 'monolithic'}, {'label': 'micro,pcid=off', 'name': 'micro'}]"
#define FILE_OF(results) "{'schema': 'ringside.compare/1', " CPU ", " ARCHS ", 'results': [" results "]}"
#define RESULT(label, workload, more) "{'label': '" label "', 'workload': '" workload "', 'ops': 10, " more "}"
#define MONOLITHIC "monolithic"
#define MICRO "micro,pcid=off"
#define SOME FILE_OF(RESULT(MICRO, "null", "'per_op': {'mode_switches': 4}"))

static void write_json_file(const char *name, const char *text)
{
    char *json = strdup(text);

    for (char *c = json; *c; c++)
        *c = *c == '\'' ? '"' : *c;
    write_file(name, json, strlen(json));
    free(json);
}

/* What is below the tests' folder. */
static char *path_of(const char *name)
{
    return strdup(in_folder(name));
}

/* Plots up to four files into the folder `out`: paths, or what stands in them, written to results0.json and so on. */
static struct result plot(const char *program, const char *out, const char *const files[], size_t count)
{
    const char *argv[16] = {program, "plot"};
    char *paths[8] = {path_of(out)};
    struct result r;
    size_t n = 2;

    for (size_t i = 0; i < count; i++) {
        char name[32];

        snprintf(name, sizeof name, "results%zu.json", i);
        if (strncmp(files[i], "tests/", 6) != 0)
            write_json_file(name, files[i]);
        paths[i + 1] = strncmp(files[i], "tests/", 6) != 0 ? path_of(name) : strdup(files[i]);
        argv[n++] = "--from";
        argv[n++] = paths[i + 1];
    }
    argv[n++] = "--out";
    argv[n++] = paths[0];
    argv[n] = NULL;
    r = run(argv, false);
    for (size_t i = 0; i <= count; i++)
        free(paths[i]);
    return r;
}

static void assert_file(const char *out, const char *name, const char *expected)
{
    char path[128], *text;

    snprintf(path, sizeof path, "%s/%s", out, name);
    text = read_back(path);
    assert_string_equal(text, expected);
    free(text);
}

static bool is_there(const char *out, const char *name, const char *form)
{
    char path[128];

    snprintf(path, sizeof path, "%s/%s.%s", out, name, form);
    return access(in_folder(path), F_OK) == 0;
}

/* ---- numbers ---- */

#define HEADER "panel,row,\"monolithic\",\"micro,pcid=off\"\n"

static void figures_have_the_numbers_of_the_files(void **state)
{
    static const char *const files[] = {HAND("base"), HAND("cr3"), HAND("syscall"), HAND("both")};
    struct result r = plot(PLAIN, "all", files, 4);

    assert_string_equal(r.err, "");
    assert_int_equal(r.status, 0);
    assert_null(strstr(r.out, "left out"));
    assert_file("all", "relative-cycles.csv", HEADER "\"cycles per operation, monolithic = 1\",\"null\",1,4\n");
    assert_file("all", "causes.csv",
                "panel,row,\"work\",\"transition\",\"copy\",\"tlb\",\"schedule\",\"emulation\",\"shadow\"\n"
                "\"null\",\"monolithic\",60,40,0,,,,\n\"null\",\"micro,pcid=off\",100,250,,50,,,\n"
                "\"fork\",\"monolithic\",5000,,,,,,\n\"fork\",\"micro,pcid=off\",,,,,,,\n");
    assert_file("all", "events.csv",
                HEADER "\"privilege transitions\",\"null\",2,4\n\"context switches\",\"null\",0,2\n"
                       "\"copies of payload\",\"null\",0,1\n\"bytes copied\",\"null\",0,16.5\n"
                       "\"TLB flushes\",\"null\",0,0.5\n");
    assert_file("all", "ctx-tlb.csv",
                HEADER "\"first-level data TLB misses, 2 processes\",4096,3,30\n"
                       "\"first-level data TLB misses, 2 processes\",8192,5,\n"
                       "\"first-level data TLB misses, 16 processes\",4096,,70\n"
                       "\"first-level data TLB misses, 16 processes\",8192,,\n"
                       "\"page walks, 2 processes\",4096,1,0\n\"page walks, 2 processes\",8192,2.5,\n"
                       "\"page walks, 16 processes\",4096,,7\n\"page walks, 16 processes\",8192,,\n");
    assert_file("all", "write-size.csv",
                HEADER "\"cycles per transfer\",64,640,\n\"cycles per transfer\",4096,1024,\n"
                       "\"cycles per byte\",64,10,\n\"cycles per byte\",4096,0.25,\n"
                       "\"copying, % of cycles for copying and switching\",64,25,\n"
                       "\"copying, % of cycles for copying and switching\",4096,90,\n");
    assert_file("all", "pipe-bw-size.csv",
                HEADER "\"cycles per transfer\",1,,7\n\"cycles per transfer\",1024,,512\n"
                       "\"cycles per byte\",1,,7\n\"cycles per byte\",1024,,0.5\n"
                       "\"copying, % of cycles for copying and switching\",1,,\n"
                       "\"copying, % of cycles for copying and switching\",1024,,50\n");
    assert_file("all", "sensitivity-cr3.csv", HEADER "\"null\",100,100,400\n\"null\",300,100,800.25\n");
    assert_file("all", "sensitivity-syscall.csv", HEADER "\"null\",0,50,350\n\"null\",50,100,400\n");
    assert_file("all", "tcb.csv",
                "panel,row,\"size\",\"geometric mean\",\"least\",\"most\"\n"
                "\"source lines with code in ring 0\",\"monolithic\",800,1,1,1\n"
                "\"source lines with code in ring 0\",\"micro,pcid=off\",200,4,4,4\n"
                "\"bytes of code in ring 0\",\"monolithic\",8000,1,1,1\n"
                "\"bytes of code in ring 0\",\"micro,pcid=off\",2000,4,4,4\n");
    release(&r);
}

/* The files of the test before. Each script was run, and drew something: names, the CPU and its version are on it. */
static void every_figure_is_drawn_and_labelled(void **state)
{
    for (size_t i = 0; i < FIGURES; i++) {
        char path[128], *svg;
        struct stat st;

        snprintf(path, sizeof path, "all/%s.svg", figure[i]);
        svg = read_back(path);
        assert_non_null(strstr(svg, "</svg>"));
        assert_non_null(strstr(svg, "Toy; CPU model toy, version v1; 1 CPU"));
        if (strcmp(figure[i], "causes") != 0 && strcmp(figure[i], "tcb") != 0)
            assert_non_null(strstr(svg, "<text>micro,pcid=off</text>"));
        free(svg);
        snprintf(path, sizeof path, "all/%s.png", figure[i]);
        assert_int_equal(stat(in_folder(path), &st), 0);
        assert_true(st.st_size > 5000);
    }
}

/* ---- what is not there ---- */

static void what_the_files_lack_is_left_out(void **state)
{
    static const char *const no_base[] = {SOME};
    struct result r = plot(PLAIN, "little", no_base, 1);
    char *out = path_of("little"), text[512];

    assert_int_equal(r.status, 0);
    assert_string_equal(r.err, "");
    snprintf(text, sizeof text,
             "relative-cycles: left out: no workload has cycles for monolithic and another architecture\n"
             "causes: left out: no workload has causes of its cycles (--model timing has)\n"
             "events: %s/events.csv, .svg, .png\n"
             "ctx-tlb: left out: no results of ctx with several working sets (ctx:processes=…,bytes=…)\n",
             out);
    assert_int_equal(strncmp(r.out, text, strlen(text)), 0);
    assert_non_null(strstr(r.out, "\nwrite-size: left out: no results of write with several sizes (write:bytes=…)\n"));
    assert_non_null(strstr(r.out, "\nsensitivity-cr3: left out: no results on variants of the CPU model with another "
                                  "cr3_write_cost (--cpu-set cr3_write_cost=…)\n"));
    assert_non_null(strstr(r.out, "\ntcb: left out: no size of ring 0, or no workload that has cycles for every "
                                  "architecture\n"));
    assert_file("little", "events.csv", HEADER "\"privilege transitions\",\"null\",,4\n");
    assert_false(is_there("little", "causes", "csv"));
    assert_false(is_there("little", "causes", "svg"));
    free(out);
    release(&r);
}

/* A real file, of the model that sees no cycles. */
static void results_of_the_count_model_have_no_cycles(void **state)
{
    char *json = path_of("count.json"), *out = path_of("count"), option[256];
    const char *const compare[] = {PLAIN, "compare", "monolithic", "--workload", "null",       "--ops",
                                   "10",  "--model", "count",      option,       "--no-cache", NULL};
    const char *const plot_it[] = {PLAIN, "plot", "--from", json, "--out", out, NULL};
    struct result r;

    snprintf(option, sizeof option, "--json=%s", json);
    r = run(compare, false);
    assert_int_equal(r.status, 0);
    release(&r);
    r = run(plot_it, false);
    assert_int_equal(r.status, 0);
    assert_string_equal(r.err, "");
    assert_non_null(strstr(r.out, "relative-cycles: left out: no results of an architecture but monolithic\n"));
    assert_non_null(strstr(r.out, "causes: left out: no workload has causes of its cycles (--model timing has)\n"));
    assert_true(is_there("count", "events", "png"));
    assert_file("count", "events.csv",
                "panel,row,\"monolithic\"\n\"privilege transitions\",\"null\",2\n\"context switches\",\"null\",0\n"
                "\"copies of payload\",\"null\",0\n\"bytes copied\",\"null\",0\n\"TLB flushes\",\"null\",0\n");
    free(json);
    free(out);
    release(&r);
}

/* ---- files that mean no good ---- */

/* Names that would be commands, escapes, formats, markup or fields, were they more than text. */
static void names_are_only_text(void **state)
{
#define HOSTILE "a`touch pwned1`\\\"\\n!touch pwned2\\nb, %s%n%q @x {/=99 c}_^ <script> $(touch pwned3)\\\\"
    static const char *const files[] = {
        "{'schema': 'ringside.compare/1', 'cpu': {'name': '" HOSTILE "', 'title': '" HOSTILE "', 'version': '" HOSTILE
        "', 'numbers': {'transitions': {'syscall_cost': 1}}}, 'archs': [{'label': 'monolithic', 'name': 'monolithic', "
        "'tcb_lines': 4}, {'label': '" HOSTILE "', 'name': 'micro', 'tcb_lines': 5}], 'results': [" RESULT(
            HOSTILE, HOSTILE,
            "'per_op': {'cycles': 6, 'copies': 2}, 'causes': {'work': 60}") ", " RESULT(MONOLITHIC, HOSTILE,
                                                                                        "'per_op': {'cycles': 3}, "
                                                                                        "'causes': {'work': 30}") "]}",
        "{'schema': 'ringside.compare/1', 'cpu': {'name': 'x', 'title': 'x', 'version': 'x', 'numbers': "
        "{'transitions': "
        "{'syscall_cost': 2}}}, 'archs': [{'label': 'monolithic', 'name': 'monolithic'}], 'results': [" RESULT(
            MONOLITHIC, HOSTILE, "'per_op': {'cycles': 4}") "]}"};
    struct result r = plot(PLAIN, "hostile", files, 2);
    char *svg;

    assert_string_equal(r.err, "");
    assert_int_equal(r.status, 0);
    assert_file("hostile", "relative-cycles.csv",
                "panel,row,\"monolithic\",\"a?touch pwned1?\?\?!touch pwned2?b, %s%n%q @x {/=99 c}_^ <script> $(touch "
                "pwned3)?\"\n\"cycles per operation, monolithic = 1\",\"a?touch pwned1?\?\?!touch pwned2?b, %s%n%q @x "
                "{/=99 c}_^ <script> $(touch pwned3)?\",1,2\n");
    for (size_t i = 0; i < FIGURES; i++) {
        char path[128];

        snprintf(path, sizeof path, "hostile/%s.svg", figure[i]);
        if (!is_there("hostile", figure[i], "svg"))
            continue;
        svg = read_back(path);
        assert_null(strstr(svg, "<script>"));
        assert_non_null(strstr(svg, "a?touch pwned1"));
        free(svg);
    }
    assert_true(is_there("hostile", "sensitivity-syscall", "svg"));
    assert_true(is_there("hostile", "tcb", "png"));
    for (int i = 1; i <= 3; i++) {
        char name[16];

        snprintf(name, sizeof name, "pwned%d", i);
        assert_int_not_equal(access(name, F_OK), 0);
    }
    release(&r);
}

static void folders_may_have_any_name(void **state)
{
    static const char *const files[] = {SOME};
    struct result r = plot(PLAIN, "it's `a` \"folder\", %s", files, 1);

    assert_string_equal(r.err, "");
    assert_int_equal(r.status, 0);
    assert_true(is_there("it's `a` \"folder\", %s", "events", "png"));
    release(&r);
}

static void malformed_files_are_one_line(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", "results0.json:1: not JSON: '[' or '{' expected near end of file\n"},
        {"{'schema': ", "results0.json:1: not JSON: unexpected token near end of file\n"},
        {"[]", "its schema is not ringside.compare/1; 'ringside compare --json=FILE' writes that\n"},
        {"{'schema': 'ringside.run/1', 'results': []}", "its schema is not ringside.compare/1; 'ringside compare "
                                                        "--json=FILE' writes that\n"},
        {"{'schema': 'ringside.compare/1'}", "\"archs\" or \"results\" is not there\n"},
        {"{'schema': 'ringside.compare/1', 'archs': [4], 'results': []}",
         "an architecture without \"label\" or \"name\"\n"},
        {"{'schema': 'ringside.compare/1', 'archs': [], 'results': []}",
         "it does not say which CPU model; have 'ringside compare' make it again\n"},
        {FILE_OF(""), "results0.json: it has no results\n"},
        {FILE_OF("17"), "results[0] has no \"label\" or no \"workload\"\n"},
        {FILE_OF(RESULT(MICRO, "null", "'per_op': {}") ", " RESULT("exo", "null", "'per_op': 4")),
         "results[1] is of 'exo', which is not in \"archs\"\n"},
    };

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct result r = plot(SANITIZED, "bad", &cases[i].text, 1);

        assert_int_equal(r.status, 2);
        assert_string_equal(r.out, "");
        assert_int_equal(strncmp(r.err, "ringside: ", 10), 0);
        assert_non_null(strstr(r.err, cases[i].error));
        assert_ptr_equal(strchr(r.err, '\n') + 1, r.err + strlen(r.err));
        assert_false(is_there("bad", "events", "csv"));
        release(&r);
    }
}

/* Numbers that are none: nothing is drawn from them, and nothing breaks. */
static void values_of_other_types_are_no_values(void **state)
{
    static const char *const files[] = {
        FILE_OF(RESULT(MONOLITHIC, "null",
                       "'per_op': {'cycles': 'many', 'copies': [1]}, 'causes': 7, 'parameters': "
                       "'x'") ", " RESULT(MICRO, "ctx:bytes=1",
                                          "'per_op': [], 'parameters': {'bytes': '1', 'processes': "
                                          "1.5}"))};
    struct result r = plot(SANITIZED, "types", files, 1);

    assert_int_equal(r.status, 0);
    assert_string_equal(r.err, "");
    for (size_t i = 0; i < FIGURES; i++)
        assert_false(is_there("types", figure[i], "csv"));
    release(&r);
}

/* ---- words, folders and scripts ---- */

static void wrong_words_are_one_line(void **state)
{
    static const char *const cases[][8] = {{PLAIN, "plot", NULL},
                                           {PLAIN, "plot", "--from", "x.json", NULL},
                                           {PLAIN, "plot", "x.json", NULL},
                                           {PLAIN, "plot", "--from", "build/none.json", "--out", "build/none", NULL}};
    static const char *const errors[] = {
        "ringside: plot wants results: --from FILE ('ringside compare --json=FILE' writes them)\n",
        "ringside: plot wants a folder for the figures: --out DIR\n",
        "ringside: plot takes no words: ringside plot --from RESULTS.json --out DIR\n",
        "ringside: unable to open build/none.json: No such file or directory\n"};

    for (size_t i = 0; i < 4; i++) {
        struct result r = run(cases[i], false);

        assert_string_equal(r.err, errors[i]);
        assert_int_equal(r.status, 2);
        release(&r);
    }
}

static void folders_that_cannot_be_written_are_one_line(void **state)
{
    static const char *const files[] = {SOME};
    struct result r = plot(PLAIN, "results0.json", files, 1); /* a file */

    assert_int_equal(r.status, 2);
    assert_non_null(strstr(r.err, "results0.json: not a folder\n"));
    release(&r);
    r = plot(PLAIN, "no/such/folder", files, 1);
    assert_int_equal(r.status, 2);
    assert_non_null(strstr(r.err, "no/such/folder: No such file or directory\n"));
    release(&r);
}

static void a_folder_that_is_not_ours_is_one_line(void **state)
{
    char *json = path_of("results0.json");
    const char *const argv[] = {PLAIN, "plot", "--from", json, "--out", "/usr", NULL};
    struct result r;

    if (!reached_by(not_root()))
        skip();
    r = run_as(not_root(), argv, false);
    assert_int_equal(r.status, 2);
    assert_string_equal(r.out, "");
    assert_non_null(strstr(r.err, ": Permission denied\n"));
    release(&r);
    free(json);
}

/* A home whose scripts are these, but for one. */
static void make_home(const char *script, const char *text)
{
    char command[512], *home = path_of("home");

    snprintf(command, sizeof command, "mkdir -p %s/sim && ln -sfn $PWD/sim/cpus %s/sim/cpus && cp -r plots %s/", home,
             home, home);
    assert_int_equal(system(command), 0);
    write_file(script, text, strlen(text));
    setenv("RINGSIDE_HOME", home, 1);
    free(home);
}

static void a_broken_script_is_an_error(void **state)
{
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"plot [", "home/plots/events.gp: gnuplot says: "},
        {"plot 'none.csv'", "home/plots/events.gp: gnuplot says: "},
        {"exit status 3", "home/plots/events.gp: gnuplot ended with status 3"},
        {"x = 1", "home/plots/events.gp: gnuplot wrote no "},
    };
    static const char *const files[] = {SOME};

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct result r;

        make_home("home/plots/events.gp", cases[i].text);
        r = plot(PLAIN, "broken", files, 1);
        unsetenv("RINGSIDE_HOME");
        assert_int_equal(r.status, 1);
        assert_non_null(strstr(r.err, cases[i].error));
        assert_ptr_equal(strchr(r.err, '\n') + 1, r.err + strlen(r.err));
        release(&r);
    }
}

static void without_gnuplot_its_package_is_named(void **state)
{
    static const char *const files[] = {SOME};
    char *path = strdup(getenv("PATH"));
    struct result r;

    setenv("PATH", "/nowhere", 1);
    r = plot(PLAIN, "none", files, 1);
    setenv("PATH", path, 1);
    assert_int_equal(r.status, 5);
    assert_string_equal(r.err, "ringside: cannot run gnuplot; install the package gnuplot-nox\n");
    free(path);
    release(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(figures_have_the_numbers_of_the_files),
        cmocka_unit_test(every_figure_is_drawn_and_labelled),
        cmocka_unit_test(what_the_files_lack_is_left_out),
        cmocka_unit_test(results_of_the_count_model_have_no_cycles),
        cmocka_unit_test(names_are_only_text),
        cmocka_unit_test(folders_may_have_any_name),
        cmocka_unit_test(malformed_files_are_one_line),
        cmocka_unit_test(values_of_other_types_are_no_values),
        cmocka_unit_test(wrong_words_are_one_line),
        cmocka_unit_test(folders_that_cannot_be_written_are_one_line),
        cmocka_unit_test(a_folder_that_is_not_ours_is_one_line),
        cmocka_unit_test(a_broken_script_is_an_error),
        cmocka_unit_test(without_gnuplot_its_package_is_named),
    };

    unsetenv("DISPLAY");
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
