/* SPDX-License-Identifier: MIT
 *
 * tests/linux/differential.h: the same program natively and under Ringside, and what must be equal.
 *
 * A case is a root folder and a command in it. The harness copies the folder, runs the
 * command there natively (working directory: the copy; no chroot, so cases use relative
 * paths), runs it again by `build/ringside exec ARCH --root FOLDER --save OUT`, and
 * compares standard output, exit status (128 + signal if killed) and every file that is
 * there afterwards: type, permissions, contents. Standard error is not compared.
 *
 * ARCH is each architecture and variant in turn, or only the environment variable LINUX_ARCH; the simulator is
 * build/ringside or the environment variable RINGSIDE.
 */
#ifndef RINGSIDE_TESTS_LINUX_DIFFERENTIAL_H
#define RINGSIDE_TESTS_LINUX_DIFFERENTIAL_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>

struct linux_case {
    const char *name;
    const char *root;        /* folder, from the top of the tree; not changed */
    const char *input;       /* file in root for standard input; NULL: nothing to read */
    const char *const *argv; /* argv[0]: path of the program in root; NULL-terminated */
};

/* A CMocka test; *state is a struct linux_case. Leaves its files and says where when it fails. */
void differential_test(void **state);

/* Rows of a test table: LINUX_CASE("name", "root folder", "input" or NULL, "bin/program", "argument"…) */
#define LINUX_CASE(case_name, case_root, case_input, ...)                                                              \
    {                                                                                                                  \
        .name = (case_name), .test_func = differential_test,                                                           \
        .initial_state =                                                                                               \
            &(struct linux_case){(case_name), (case_root), (case_input), (const char *const[]){__VA_ARGS__, NULL}},    \
    }

#endif
