/* SPDX-License-Identifier: MIT
 *
 * tests/cli/test_plot.c: `plot`: the numbers of every figure against a small file of results written by hand, gnuplot's
 * silence over every script, what is left out and why, and files that mean no good.
 *
 * In the JSON below ' stands for ".
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

#define NOBODY 65534
#define FIGURES 9

static const char *const figure[FIGURES] = {
    "relative-cycles",     "causes", "events", "ctx-tlb", "pipe-bw-size", "write-size", "sensitivity-cr3",
    "sensitivity-syscall", "tcb"};

/* ---- results written by hand ---- */

#define CPU(name, version, cr3, syscall)                                                                               \
    "'cpu': {'name': '" name "', 'model': 'toy', 'title': 'Toy', 'version': '" version "', 'hz': 1, 'numbers': "       \
    "{'core': {'lock_cost': 1}, 'transitions': {'cr3_write_cost': " cr3 ", 'cr3_write_noflush_cost': " cr3             \
    ", 'syscall_cost': " syscall "}}}"
#define ARCHS                                                                                                          \
    "'archs': [{'label': 'monolithic', 'name': 'monolithic', 'variant': 'plain', 'tcb_bytes': 8000, 'tcb_lines': "     \
    "800},"                                                                                                            \
    " {'label': 'micro,pcid=off', 'name': 'micro', 'variant': 'multi-server', 'tcb_bytes': 2000, 'tcb_lines': 200}]"
#define FILE_OF(cpu, results) "{'schema': 'ringside.compare/1', " cpu ", " ARCHS ", 'results': [" results "]}"
#define RESULT(label, workload, more)                                                                                  \
    "{'label': '" label "', 'workload': '" workload "', 'ops': 10, 'cpus': 1, " more "}"
#define MONOLITHIC "monolithic"
#define MICRO "micro,pcid=off"

#define NULLS                                                                                                          \
    RESULT(MONOLITHIC, "null",                                                                                         \
           "'per_op': {'cycles': 100, 'mode_switches': 2, 'context_switches': 0, 'copies': 0, 'bytes_copied': 0, "     \
           "'tlb_flushes': 0}, 'causes': {'work': 600, 'transition': 400, 'copy': 0}")                                 \
    ", " RESULT(MICRO, "null",                                                                                         \
                "'per_op': {'cycles': 400, 'mode_switches': 4, 'context_switches': 2, 'copies': 1, 'bytes_copied': "   \
                "16.5, 'tlb_flushes': 0.5}, 'causes': {'work': 1000, 'transition': 2500, 'tlb': 500}")
#define FORK RESULT(MONOLITHIC, "fork", "'per_op': {'cycles': 5000}, 'causes': {'work': 50000}")
#define IPC RESULT(MONOLITHIC, "ipc", "'per_op': {}, 'causes': {}, 'not_applicable': true")
#define CTX(label, processes, bytes, dtlb, stlb)                                                                       \
    RESULT(label, "ctx:processes=" processes ",bytes=" bytes,                                                          \
           "'parameters': {'processes': " processes ", 'bytes': " bytes "}, 'per_op': {'dtlb_misses': " dtlb           \
           ", 'stlb_misses': " stlb "}")
#define TRANSFER(label, workload, bytes, cycles, causes)                                                               \
    RESULT(label, workload ":bytes=" bytes,                                                                            \
           "'parameters': {'bytes': " bytes "}, 'per_op': {'cycles': " cycles "}, 'causes': {" causes "}")
#define SWEEPS                                                                                                                                  \
    CTX(MONOLITHIC, "2", "8192", "5", "2.5")                                                                                                    \
    ", " CTX(MONOLITHIC, "2", "4096", "3", "1") ", " CTX(MICRO, "2", "4096", "30", "0") ", " CTX(MICRO, "16", "4096", "70", "7") ", " TRANSFER( \
        MONOLITHIC, "write", "64", "640",                                                                                                       \
        "'copy': 100, 'transition': "                                                                                                           \
        "300, 'work': 9000") ", " TRANSFER(MONOLITHIC, "write", "4096", "1024",                                                                 \
                                           "'copy': 900, 'transition': 50, 'schedule': 25, 'emulation': "                                       \
                                           "10, 'shadow': 15") ", " TRANSFER(MICRO, "pipe-bw", "1", "7",                                        \
                                                                             "'transition': 10") ", " TRANSFER(MICRO,                           \
                                                                                                               "pipe-"                          \
                                                                                                               "bw",                            \
                                                                                                               "1024",                          \
                                                                                                               "512",                           \
                                                                                                               "'copy"                          \
                                                                                                               "': "                            \
                                                                                                               "10, "                           \
                                                                                                               "'tran"                          \
                                                                                                               "sitio"                          \
                                                                                                               "n': "                           \
                                                                                                               "10")

#define BASE FILE_OF(CPU("toy", "v1", "100", "50"), NULLS ", " FORK ", " IPC ", " SWEEPS)
#define VARIANT_RESULTS(mono, micro)                                                                                   \
    RESULT(MONOLITHIC, "null", "'per_op': {'cycles': " mono "}")                                                       \
    ", " RESULT(MICRO, "null", "'per_op': {'cycles': " micro "}")
#define VARIANT_CR3 FILE_OF(CPU("toy+cr3", "v2", "300", "50"), VARIANT_RESULTS("100", "800.25"))
#define VARIANT_SYSCALL FILE_OF(CPU("toy+syscall", "v3", "100", "0"), VARIANT_RESULTS("50", "350"))
#define OTHER_CPU FILE_OF(CPU("other", "v4", "300", "0"), VARIANT_RESULTS("1", "2"))

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

/* Plots up to four files of these texts into the folder `out`. */
static struct result plot(const char *program, const char *out, const char *const texts[], size_t count)
{
    const char *argv[16] = {program, "plot"};
    char *paths[8] = {path_of(out)};
    struct result r;
    size_t n = 2;

    for (size_t i = 0; i < count; i++) {
        char name[32];

        snprintf(name, sizeof name, "results%zu.json", i);
        write_json_file(name, texts[i]);
        paths[i + 1] = path_of(name);
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
    static const char *const files[] = {BASE, VARIANT_CR3, VARIANT_SYSCALL, OTHER_CPU};
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
    static const char *const no_base[] = {
        FILE_OF(CPU("toy", "v1", "100", "50"), RESULT(MICRO, "null", "'per_op': {'mode_switches': 4}"))};
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
    static const char *const files[] = {FILE_OF(CPU("toy", "v1", "1", "1"), NULLS)};
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
        {FILE_OF(CPU("toy", "v1", "1", "1"), ""), "results0.json: it has no results\n"},
        {FILE_OF(CPU("toy", "v1", "1", "1"), "17"), "results[0] has no \"label\" or no \"workload\"\n"},
        {FILE_OF(CPU("toy", "v1", "1", "1"), NULLS ", " RESULT("exo", "null", "'per_op': 4")),
         "results[2] is of 'exo', which is not in \"archs\"\n"},
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
    static const char *const files[] = {FILE_OF(
        CPU("toy", "v1", "1", "1"), RESULT(MONOLITHIC, "null",
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
    static const char *const files[] = {FILE_OF(CPU("toy", "v1", "1", "1"), NULLS)};
    const char *argv[] = {PLAIN, "plot", "--from", "/dev/stdin", "--out", NULL, NULL};
    char *json = path_of("results0.json");
    struct result r = plot(PLAIN, "results0.json", files, 1); /* a file */

    assert_int_equal(r.status, 2);
    assert_non_null(strstr(r.err, "results0.json: not a folder\n"));
    release(&r);
    r = plot(PLAIN, "no/such/folder", files, 1);
    assert_int_equal(r.status, 2);
    assert_non_null(strstr(r.err, "no/such/folder: No such file or directory\n"));
    release(&r);
    argv[3] = json;
    argv[5] = "/usr";
    r = run_as(NOBODY, argv, false);
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
    static const char *const files[] = {FILE_OF(CPU("toy", "v1", "1", "1"), NULLS)};

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
    static const char *const files[] = {FILE_OF(CPU("toy", "v1", "1", "1"), NULLS)};
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
        cmocka_unit_test(a_broken_script_is_an_error),
        cmocka_unit_test(without_gnuplot_its_package_is_named),
    };

    unsetenv("DISPLAY");
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
