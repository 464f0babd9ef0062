/* SPDX-License-Identifier: MIT
 *
 * tests/tools/shell.h: runs shell commands and keeps what they said. Each test program has a folder of its own.
 */
#ifndef RINGSIDE_TESTS_TOOLS_SHELL_H
#define RINGSIDE_TESTS_TOOLS_SHELL_H

#include <sys/types.h>

/* Group set-up and tear-down: makes and removes the folder. */
int make_folder(void **state);
int remove_folder(void **state);
/* Its absolute path. */
const char *folder(void);
void write_file(const char *name, const char *text, mode_t mode);

/* Runs a command with bash, as in a shell of its own (make's variables are not passed on); both of its streams are in
 * output(). Its exit status. */
__attribute__((format(printf, 1, 2))) int run(const char *format, ...);
const char *output(void);

#endif
