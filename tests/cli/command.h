/* SPDX-License-Identifier: MIT
 *
 * tests/cli/command.h: runs the command line and keeps what it said. Each test program has a folder of its own for
 * files.
 */
#ifndef RINGSIDE_TESTS_CLI_COMMAND_H
#define RINGSIDE_TESTS_CLI_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define SANITIZED "build/asan/ringside"
#define PLAIN "build/ringside"
#define ROOT "build/programs/root"

/* Outputs of a command. */
struct result {
    int status;              /* as a shell says it: 128 + signal */
    char *out, *err, *three; /* standard output, standard error, descriptor 3 */
};

/* Group set-up and tear-down: makes and removes the folder. */
int make_folder(void **state);
int remove_folder(void **state);
/* The path of a file in it; good for the next seven calls. */
const char *in_folder(const char *name);
void write_file(const char *name, const void *data, size_t bytes);
/* The whole file, NUL-terminated, the caller's to free. */
char *read_back(const char *name);

/* Runs a command as `user` (0: as we are); with `three`, descriptor 3 is open. */
struct result run_as(uid_t user, const char *const argv[], bool three);
struct result run(const char *const argv[], bool three);
/* Who may not write where root may: nobody, or we ourselves if we are not root. */
uid_t not_root(void);
/* Whether `user` gets to this tree: not if it is below a folder that is root's alone. */
bool reached_by(uid_t user);
void release(struct result *r);

#endif
