/* SPDX-License-Identifier: MIT
 *
 * services/tty/discipline.h: what a terminal does to bytes (termios(3)): editing of the input line, echo, control
 * characters that are signals, newline mapping. Pure: it knows neither devices nor processes.
 *
 * Input goes in by byte with discipline_input. Canonical mode collects it in an edit buffer and commits whole lines to
 * the ring of readable bytes; raw mode commits at once. What should appear on the screen is left in `echo`, already
 * output-processed, for the owner to send and clear.
 */
#ifndef RINGSIDE_SERVICES_TTY_DISCIPLINE_H
#define RINGSIDE_SERVICES_TTY_DISCIPLINE_H

#include <linux/termios.h>
#include <stddef.h>
#include <stdint.h>

#define DISCIPLINE_BYTES 4096u /* of the readable ring and of the longest line */
#define DISCIPLINE_ECHO_BYTES 1024u

struct discipline {
    struct termios termios;
    /* readable: a byte each, with the marks of discipline.c above it */
    uint16_t ring[DISCIPLINE_BYTES];
    unsigned first, count;
    unsigned lines; /* marks in the ring */
    /* the line being edited */
    unsigned char edit[DISCIPLINE_BYTES];
    unsigned edit_count;
    /* for the screen */
    unsigned char echo[DISCIPLINE_ECHO_BYTES];
    unsigned echo_count;
};

void discipline_init(struct discipline *d);
/* A byte from the keyboard. Returns the signal that it means, or 0. */
int discipline_input(struct discipline *d, unsigned char byte);
/* Bytes that a read of `bytes` would get now; -1: it has to wait. 0: end of file, or VMIN = 0. */
long discipline_ready(const struct discipline *d, size_t bytes);
/* Copies what a read of `bytes` gets; *consumed is for discipline_consume once the reader has it. */
size_t discipline_peek(const struct discipline *d, unsigned char *to, size_t bytes, unsigned *consumed);
void discipline_consume(struct discipline *d, unsigned consumed);
/* Output processing of `bytes` from `from` into `to`, which has room for twice as many and may overlap when `from` is
 * at least `bytes` behind it. Returns the bytes in `to`. */
size_t discipline_output(const struct discipline *d, unsigned char *to, const unsigned char *from, size_t bytes);
/* New settings (TCSETS); input collected so far stays readable. */
void discipline_set(struct discipline *d, const struct termios *termios);
/* Drops all input (TCIFLUSH). */
void discipline_flush(struct discipline *d);

#endif
