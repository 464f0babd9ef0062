/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/patch_window.h: a window of a program's text, and the dead padding in it.
 */
#ifndef RINGSIDE_ARCH_EXO_LIB_PATCH_WINDOW_H
#define RINGSIDE_ARCH_EXO_LIB_PATCH_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#define WINDOW_BYTES 1024u
#define ENDS_MAX 96u
#define INT3 0xcc

/* Where text comes from, and what in it is known. */
struct text {
    void *ctx;
    /* Bytes of text at `address`, `count` of them or as many as can be read: how many. */
    uint32_t (*read)(void *ctx, uint64_t address, void *to, uint32_t count);
    uint64_t stubs, stubs_end; /* a JMP into here is one that was patched in */
};

/* Padding that nothing executes: bytes [start, end) of the window. What is before `free` is in use. */
struct gap {
    uint16_t start, free, end;
};

struct window {
    const struct text *text;
    uint64_t base;
    uint32_t count;  /* bytes read */
    bool conflict;   /* two readings of the same bytes: nothing here can be trusted */
    bool may_return; /* a RET, or code that is not understood or not in the window, was reached */
    uint32_t todo_count, end_count, gap_count;
    uint16_t todo[WINDOW_BYTES / 2]; /* offsets that control reaches and that were not looked at yet */
    uint16_t end[ENDS_MAX];          /* offsets behind instructions that do not fall through */
    struct gap gap[ENDS_MAX];
    uint8_t byte[WINDOW_BYTES];
    uint8_t mark[WINDOW_BYTES]; /* what each byte is: 0 not known, or the first or another one of an instruction */
};

/* Reads what can be read around `address`, from `before` bytes before it or from the beginning of its page. */
void window_read(struct window *w, const struct text *text, uint64_t address, uint32_t before);
/* Follows control from `address`, where an instruction begins, and finds gaps. Callees are looked into `depth` deep. */
void window_follow(struct window *w, uint64_t address, unsigned depth);
/* Then, if these gaps are not enough: the rest of the window, too. */
void window_survey(struct window *w, uint64_t address, unsigned depth);
/* Something that was not reached would, if it were a branch, lead into [start, end). */
bool window_branch_into(const struct window *w, uint32_t start, uint32_t end);

#endif
