/* SPDX-License-Identifier: MIT
 *
 * tests/linux/differential.c: runs a case both ways and compares.
 *
 * A case's files live in build/tests/linux/work/SUITE/NAME: native/ and guest/ (the folders
 * afterwards), native.out, guest.out and the same with .err. They are removed when the
 * case passes.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/linux/differential.h"

#define WORK "build/tests/linux/work"
#define SECONDS_MAX 120 /* of host time for one run */
#define ARGUMENTS_MAX 64
#define PATH_BYTES 4096

struct run {
    const char *const *argv;
    const char *const *envp;
    const char *directory;              /* NULL: stay */
    const char *input, *output, *error; /* files; absolute if there is a directory */
};

static void join(char *path, const char *a, const char *b)
{
    assert_in_range(snprintf(path, PATH_BYTES, "%s/%s", a, b), 1, PATH_BYTES - 1);
}

static void redirect(const char *path, int flags, int to)
{
    int fd = open(path, flags, 0644);

    if (fd < 0 || dup2(fd, to) != to)
        _exit(126);
    close(fd);
}

static void become(const struct run *run)
{
    setpgid(0, 0);
    umask(022);
    redirect(run->input ? run->input : "/dev/null", O_RDONLY, 0);
    redirect(run->output, O_WRONLY | O_CREAT | O_TRUNC, 1);
    redirect(run->error, O_WRONLY | O_CREAT | O_TRUNC, 2);
    if (run->directory && chdir(run->directory) != 0)
        _exit(126);
    execve(run->argv[0], (char *const *)run->argv, (char *const *)run->envp);
    _exit(126);
}

/* Waits for the child, at most SECONDS_MAX; -1 and the child killed if it takes longer. */
static int wait_for(pid_t child)
{
    const struct timespec pause = {0, 2000000};
    int status;

    for (int i = 0; i < SECONDS_MAX * 500; i++) {
        if (waitpid(child, &status, WNOHANG) == child)
            return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
        nanosleep(&pause, NULL);
    }
    kill(-child, SIGKILL);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    return -1;
}

/* Exit status, 128 + signal, or -1 for a time-out. Kills what the program left running. */
static int execute(const struct run *run)
{
    int result;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0)
        become(run);
    result = wait_for(child);
    kill(-child, SIGKILL);
    return result;
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
    return remove(path);
}

static void remove_tree(const char *path)
{
    nftw(path, remove_entry, 32, FTW_DEPTH | FTW_PHYS);
}

static void copy_tree(const char *from, const char *to)
{
    const char *const argv[] = {"/bin/cp", "-a", from, to, NULL};
    const char *const envp[] = {NULL};
    const struct run run = {argv, envp, NULL, NULL, "/dev/null", "/dev/null"};

    assert_int_equal(execute(&run), 0);
}

static int run_natively(const struct linux_case *test, const char *work)
{
    char root[PATH_BYTES], top[PATH_BYTES], output[PATH_BYTES], error[PATH_BYTES], input[PATH_BYTES], path[PATH_BYTES];
    const char *const envp[] = {path, "LC_ALL=C", "TZ=UTC0", "HOME=/nowhere", NULL};
    struct run run = {test->argv, envp, root, NULL, output, error};

    assert_non_null(getcwd(top, sizeof(top)));
    join(input, top, work);
    join(root, input, "native");
    join(output, input, "native.out");
    join(error, input, "native.err");
    copy_tree(test->root, root);
    if (test->input) {
        join(input, root, test->input);
        run.input = input;
    }
    snprintf(path, sizeof(path), "PATH=%.4000s/bin", root);
    return execute(&run);
}

/* Where a case runs. The figures are of no interest, so that one architecture is enough for the timing model. */
static const struct place {
    const char *arch, *model;
} places[] = {
    {"monolithic", "timing"}, {"micro", "count"}, {"micro:single-server", "count"}, {"micro:mach", "count"},
    {"exo", "count"},
    {"vmm", "count"},
};

static int run_in_ringside(const struct linux_case *test, const struct place *place, const char *work)
{
    const char *ringside = getenv("RINGSIDE"), *const envp[] = {NULL};
    char save[PATH_BYTES], output[PATH_BYTES], error[PATH_BYTES], input[PATH_BYTES], program[PATH_BYTES];
    const char *argv[ARGUMENTS_MAX + 32] = {ringside ? ringside : "build/ringside",
                                            "exec",
                                            place->arch,
                                            "--model",
                                            place->model,
                                            "--root",
                                            test->root,
                                            "--save",
                                            save,
                                            "--env",
                                            "PATH=/bin",
                                            "--env",
                                            "LC_ALL=C",
                                            "--env",
                                            "TZ=UTC0",
                                            "--env",
                                            "HOME=/nowhere",
                                            "--time-limit",
                                            "100000"};
    const struct run run = {argv, envp, NULL, NULL, output, error};
    size_t count = 19;

    join(save, work, "guest");
    join(output, work, "guest.out");
    join(error, work, "guest.err");
    join(program, test->root, test->argv[0]);
    if (test->input) {
        join(input, test->root, test->input);
        argv[count++] = "--stdin";
        argv[count++] = input;
    }
    argv[count++] = "--";
    argv[count++] = program;
    for (size_t i = 1; test->argv[i] != NULL; i++) {
        assert_in_range(i, 1, ARGUMENTS_MAX - 1);
        argv[count++] = test->argv[i];
    }
    return execute(&run);
}

/* The whole file, NUL-terminated, the caller's to free; NULL if it cannot be read. */
static char *read_file(const char *path, size_t *bytes)
{
    FILE *file = fopen(path, "rb");
    char *data = NULL;
    size_t room = 0;

    *bytes = 0;
    if (file == NULL)
        return NULL;
    do {
        room = room * 2 + 65536;
        data = realloc(data, room);
        assert_non_null(data);
        *bytes += fread(data + *bytes, 1, room - *bytes - 1, file);
    } while (*bytes == room - 1);
    fclose(file);
    data[*bytes] = '\0';
    return data;
}

static bool same_contents(const char *a, const char *b)
{
    size_t a_bytes, b_bytes;
    char *a_data = read_file(a, &a_bytes), *b_data = read_file(b, &b_bytes);
    bool same = a_data && b_data && a_bytes == b_bytes && memcmp(a_data, b_data, a_bytes) == 0;

    free(a_data);
    free(b_data);
    return same;
}

static bool same_target(const char *a, const char *b)
{
    char a_target[PATH_BYTES], b_target[PATH_BYTES];
    ssize_t a_bytes = readlink(a, a_target, PATH_BYTES), b_bytes = readlink(b, b_target, PATH_BYTES);

    return a_bytes >= 0 && a_bytes == b_bytes && memcmp(a_target, b_target, (size_t)a_bytes) == 0;
}

/* What differs between two entries of the same name; NULL: nothing. */
static const char *entry_difference(const char *a, const char *b)
{
    struct stat a_stat, b_stat;

    if (lstat(a, &a_stat) != 0)
        return "only in guest";
    if (lstat(b, &b_stat) != 0)
        return "only native";
    if ((a_stat.st_mode & S_IFMT) != (b_stat.st_mode & S_IFMT))
        return "type";
    if (S_ISLNK(a_stat.st_mode))
        return same_target(a, b) ? NULL : "target of link";
    if (a_stat.st_mode != b_stat.st_mode)
        return "permissions";
    if (S_ISREG(a_stat.st_mode) && !same_contents(a, b))
        return "contents";
    return NULL;
}

/* nftw has no argument for its callback; the comparison under way, of this one thread. */
static struct comparison {
    const char *here, *there;
    bool reverse; /* here is the guest's: only names can be new */
    int differences;
} comparison;

static int compare_entry(const char *path, const struct stat *st, int type, struct FTW *where)
{
    const char *name = path + strlen(comparison.here);
    char other[PATH_BYTES];
    const char *difference;

    snprintf(other, sizeof(other), "%s%s", comparison.there, name);
    difference = comparison.reverse ? entry_difference(other, path) : entry_difference(path, other);
    if (difference == NULL || (comparison.reverse && strcmp(difference, "only in guest") != 0))
        return 0;
    print_error("%s: %s\n", *name ? name : "/", difference);
    comparison.differences++;
    return 0;
}

/* Prints each difference; how many. */
static int tree_differences(const char *work)
{
    char native[PATH_BYTES], guest[PATH_BYTES];

    join(native, work, "native");
    join(guest, work, "guest");
    comparison = (struct comparison){native, guest, false, 0};
    nftw(native, compare_entry, 32, FTW_PHYS);
    comparison.here = guest;
    comparison.there = native;
    comparison.reverse = true;
    nftw(guest, compare_entry, 32, FTW_PHYS);
    return comparison.differences;
}

/* For people: the start of a unified diff, and the simulator's last words. */
static void explain_output(const char *work)
{
    char command[PATH_BYTES];

    fflush(stdout);
    snprintf(command, sizeof(command),
             "diff -au %.900s/native.out %.900s/guest.out | head -n 30 >&2; tail -n 12 %.900s/guest.err >&2", work,
             work, work);
    if (system(command) != 0)
        print_error("cannot show the difference\n");
}

static void test_in(const struct linux_case *test, const struct place *place, const char *work, int native_status)
{
    char native[PATH_BYTES], guest[PATH_BYTES];
    int guest_status, differences;
    bool same_output;

    join(native, work, "native.out");
    join(guest, work, "guest");
    remove_tree(guest);
    guest_status = run_in_ringside(test, place, work);
    join(guest, work, "guest.out");
    same_output = same_contents(native, guest);
    differences = tree_differences(work);
    if (native_status != guest_status || !same_output) {
        explain_output(work);
        fail_msg("%s: exit status %d natively, %d in Ringside; output %s; %d files differ; see %s", place->arch,
                 native_status, guest_status, same_output ? "equal" : "differs", differences, work);
    }
    if (differences > 0)
        fail_msg("%s: %d files differ; see %s", place->arch, differences, work);
}

void differential_test(void **state)
{
    const struct linux_case *test = *state;
    const char *arch = getenv("LINUX_ARCH");
    char suite[PATH_BYTES], work[PATH_BYTES];
    int native_status;

    mkdir(WORK, 0755);
    join(suite, WORK, program_invocation_short_name);
    mkdir(suite, 0755);
    join(work, suite, test->name);
    remove_tree(work);
    assert_int_equal(mkdir(work, 0755), 0);
    native_status = run_natively(test, work);
    assert_int_not_equal(native_status, -1);
    for (size_t i = 0; !arch && i < sizeof places / sizeof *places; i++)
        test_in(test, &places[i], work, native_status);
    if (arch)
        test_in(test, &(struct place){arch, "timing"}, work, native_status);
    remove_tree(work);
}
