/* SPDX-License-Identifier: MIT
 *
 * sim/cli/error.h: what went wrong, as one line and an exit status.
 *
 * Functions that can fail take a struct error and return false (or NULL) after filling it. Only main.c prints it.
 */
#ifndef RINGSIDE_SIM_CLI_ERROR_H
#define RINGSIDE_SIM_CLI_ERROR_H

#include <stdbool.h>

enum status {
    STATUS_OK = 0,
    STATUS_FAILED = 1, /* a workload ended with another status than 0 */
    STATUS_USAGE = 2,  /* what was asked for makes no sense: options, files, programs; a path cannot be opened */
    STATUS_CRASH = 3,  /* the guest kernel crashed */
    STATUS_TIME = 4,   /* the simulated time limit */
    STATUS_HOST = 5,   /* the host lacks something; a write that failed */
};

#define ERROR_TEXT_MAX 1024

struct error {
    int status;
    char text[ERROR_TEXT_MAX];
};

/* Fills `error`; returns false, so that a check can `return refuse(…)`. Control characters become '?': it stays one
 * line. */
__attribute__((format(printf, 3, 4))) bool refuse(struct error *error, int status, const char *format, ...);

#endif
