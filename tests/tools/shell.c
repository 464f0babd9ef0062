/* SPDX-License-Identifier: MIT
 *
 * tests/tools/shell.c: see shell.h.
 */
#include "tests/tools/shell.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#define OUTPUT_MAX (1 << 20)
#define COMMAND_MAX 4096

static char path[] = "/tmp/ringside-tools-XXXXXX";
static char said[OUTPUT_MAX];

int make_folder(void **state)
{
    char cache[sizeof path + 8];

    unsetenv("MAKEFLAGS");
    unsetenv("MFLAGS");
    unsetenv("MAKELEVEL");
    if (!mkdtemp(path))
        return -1;
    snprintf(cache, sizeof cache, "%s/cache", path);
    return setenv("XDG_CACHE_HOME", cache, 0);
}

int remove_folder(void **state)
{
    return run("rm -rf %s", path);
}

const char *folder(void)
{
    return path;
}

void write_file(const char *name, const char *text, mode_t mode)
{
    char file_name[256];
    FILE *file;

    snprintf(file_name, sizeof file_name, "%s/%s", path, name);
    file = fopen(file_name, "w");
    assert_non_null(file);
    fputs(text, file);
    assert_int_equal(fclose(file), 0);
    assert_int_equal(chmod(file_name, mode), 0);
}

int run(const char *format, ...)
{
    static char command[COMMAND_MAX], script[sizeof path + 16];
    va_list arguments;
    FILE *pipe;
    int status;

    va_start(arguments, format);
    assert_in_range(vsnprintf(command, sizeof command, format, arguments), 1, sizeof command - 1);
    va_end(arguments);
    setenv("SHOWN", command, 1);
    snprintf(script, sizeof script, "exec bash -c \"$SHOWN\" 2>&1 </dev/null");
    pipe = popen(script, "r");
    assert_non_null(pipe);
    said[fread(said, 1, OUTPUT_MAX - 1, pipe)] = '\0';
    status = pclose(pipe);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

const char *output(void)
{
    return said;
}
