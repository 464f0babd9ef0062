/* SPDX-License-Identifier: MIT
 *
 * services/boot/arguments.c: what process 1 begins and ends with, see boot.h.
 */
#include "services/boot/boot.h"
#include "services/string.h"

#define EXIT_CANNOT_START 126
#define EXIT_NOT_FOUND 127
#define EXIT_SIGNAL 128

static size_t bytes_of(const struct boot_info *boot)
{
    return (boot->argc + 1 + boot->envc + 1) * sizeof(const char *);
}

const char **boot_arguments(const struct host *host, const struct boot_info *boot)
{
    const char **array = host->alloc(host->ctx, bytes_of(boot)), *s = boot->text; /* first the program's path */

    for (unsigned i = 0; array && i < boot->argc + boot->envc; i++) {
        s += str_len(s) + 1;
        array[i < boot->argc ? i : i + 1] = s;
    }
    return array;
}

void boot_arguments_free(const struct host *host, const struct boot_info *boot, const char **arguments)
{
    if (arguments)
        host->free(host->ctx, arguments, bytes_of(boot));
}

int boot_failure_status(long error)
{
    return error == -ENOENT ? EXIT_NOT_FOUND : EXIT_CANNOT_START;
}

int boot_exit_status(int status)
{
    return status & 0x7f ? EXIT_SIGNAL + (status & 0x7f) : status >> 8 & 0xff;
}
