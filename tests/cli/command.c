/* SPDX-License-Identifier: MIT
 *
 * tests/cli/command.c: see command.h.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/cli/command.h"

#define NOBODY 65534
#define OUTPUT_MAX (1 << 20)
#define SECONDS_MAX 120

static char folder[] = "build/tests/cli-XXXXXX";

const char *in_folder(const char *name)
{
    static char path[8][256];
    static unsigned next;

    next = (next + 1) % 8;
    snprintf(path[next], sizeof path[next], "%s/%s", folder, name);
    return path[next];
}

void write_file(const char *name, const void *data, size_t bytes)
{
    FILE *f = fopen(in_folder(name), "w");

    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, bytes, f), bytes);
    fclose(f);
    chmod(in_folder(name), 0755);
}

char *read_back(const char *name)
{
    char *text = calloc(1, OUTPUT_MAX);
    FILE *f = fopen(in_folder(name), "r");

    assert_non_null(f);
    (void)!fread(text, 1, OUTPUT_MAX - 1, f);
    fclose(f);
    return text;
}

/* The tests' own cache of results; a command that wants another one says so with env(1). */
static void set_cache(void)
{
    char top[PATH_MAX], path[PATH_MAX + 256];

    if (!getcwd(top, sizeof top))
        _exit(126);
    snprintf(path, sizeof path, "%s/%s", top, in_folder("cache"));
    setenv("XDG_CACHE_HOME", path, 1);
}

static void redirect(const char *name, int to)
{
    int fd = open(in_folder(name), O_WRONLY | O_CREAT | O_TRUNC, 0644);

    if (fd < 0 || dup2(fd, to) != to)
        _exit(126);
    if (fd != to)
        close(fd);
}

struct result run_as(uid_t user, const char *const argv[], bool three)
{
    struct result r;
    int status;
    pid_t child = fork();

    if (child == 0) {
        int null = open("/dev/null", O_RDONLY);

        dup2(null, 0);
        for (int fd = 3; fd < 20; fd++)
            close(fd);
        redirect("out", 1);
        redirect("err", 2);
        if (three)
            redirect("three", 3);
        set_cache();
        setenv("ASAN_OPTIONS", "exitcode=99", 1);
        setenv("UBSAN_OPTIONS", "halt_on_error=1:exitcode=99", 1);
        alarm(SECONDS_MAX);
        if (user && setresuid(user, user, user) != 0)
            _exit(126);
        execv(argv[0], (char *const *)argv);
        _exit(126);
    }
    waitpid(child, &status, 0);
    r.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    r.out = read_back("out");
    r.err = read_back("err");
    r.three = three ? read_back("three") : NULL;
    return r;
}

struct result run(const char *const argv[], bool three)
{
    return run_as(0, argv, three);
}

uid_t not_root(void)
{
    return geteuid() == 0 ? NOBODY : 0;
}

bool reached_by(uid_t user)
{
    char *here = realpath("sim/cpus", NULL);
    const char *const argv[] = {"/usr/bin/test", "-r", here, NULL};
    struct result r = run_as(user, argv, false);
    bool reached = r.status == 0;

    release(&r);
    free(here);
    return reached;
}

void release(struct result *r)
{
    free(r->out);
    free(r->err);
    free(r->three);
}

int make_folder(void **state)
{
    return mkdtemp(folder) ? chmod(folder, 0755) : -1;
}

int remove_folder(void **state)
{
    char command[sizeof folder + 16];

    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command);
}
