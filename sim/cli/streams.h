/* SPDX-License-Identifier: MIT
 *
 * sim/cli/streams.h: the guest's consoles on the host's file descriptors.
 *
 * Determinism: from a file or pipe, input is read until the guest's buffer is full or the input ends, so that what the
 * guest gets does not depend on how the host cut it. A terminal answers "nothing yet" instead (virtio_console.h).
 */
#ifndef RINGSIDE_SIM_CLI_STREAMS_H
#define RINGSIDE_SIM_CLI_STREAMS_H

#include <stdint.h>
#include <termios.h>

#include "sim/cli/error.h"
#include "sim/cli/progress.h"
#include "sim/machine.h"

/* Ctrl-] on a terminal stops the machine (as telnet has it): ^C belongs to the guest. */
#define ESCAPE_BYTE 0x1d

struct stream {
    int in, out; /* descriptors; -1: none */
    bool in_terminal;
    uint64_t taken;            /* bytes of input so far */
    int out_errno;             /* of a write that failed; what follows is dropped */
    struct progress *progress; /* erased before output; may be NULL */
    bool escaped;              /* ESCAPE_BYTE was typed: stop */
    void (*escape)(void *ctx);
    void *escape_ctx;
};

struct console_streams stream_console(struct stream *stream);

/* The host's terminal passes every key while a guest has it. */
struct raw_terminal {
    bool changed;
    struct termios before;
};
void raw_terminal_enter(struct raw_terminal *raw);
void raw_terminal_leave(struct raw_terminal *raw);

#endif
