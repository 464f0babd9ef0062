/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/patch_window.c: finds padding that nothing executes, from one instruction that is known.
 *
 * Bytes alone do not tell code from padding, nor where an instruction begins. But a SYSCALL that was executed is an
 * instruction. From it control is followed, both ways at a branch, as far as the window goes, and all that is reached
 * is marked. Padding counts as a gap only if all of this holds:
 *
 *   - It lies directly behind an instruction that was reached and that never falls through: RET, JMP, UD2, HLT, a CALL
 *     of a function from which no RET can be reached, the SYSCALL of rt_sigreturn.
 *   - It is wholly NOPs as assemblers write them (or INT3, as linkers do) and ends at an address aligned for a function
 *     (16) or a label (8).
 *   - None of its bytes was reached, and no byte that was not reached leads there when read as a branch.
 *
 * NOPs that align a loop follow an instruction that falls through: they are reached, and so no gap. Two different
 * readings of a byte make the whole window worthless. A CALL is taken to return unless padding follows and its callee,
 * followed in a window of its own, cannot.
 *
 * Not all is reached from a SYSCALL: a slow path that is left before it, the functions next to it. The survey goes on
 * in two more places where instructions must begin: behind each gap or end of a line (what is there if not code?), and
 * before the SYSCALL where decoding from 16 successive bytes has become one and then arrives exactly at it. Code that
 * has data in its midst can mislead the survey, but then it still has to find a run of NOPs, aligned, directly behind
 * what it takes for a RET or JMP, without a conflict anywhere.
 */
#include "arch-exo/lib/patch_window.h"
#include "arch-exo/lib/patch_decode.h"

enum { MARK_FIRST = 1, MARK_REST = 2 };

#define PAGE_MASK 4095ul
#define FUNCTION_ALIGN 16u
#define LABEL_ALIGN 8u
#define JUMP8 0xeb
#define JUMP32 0xe9
#define CALLEE_BEFORE 128u /* a callee may jump back before its entry */
#define STARTS 16u         /* that must agree */

void window_read(struct window *w, const struct text *text, uint64_t address, uint32_t before)
{
    w->text = text;
    w->todo_count = w->end_count = w->gap_count = 0;
    w->conflict = w->may_return = false;
    __builtin_memset(w->mark, 0, sizeof w->mark);
    w->base = address > before ? address - before : 0;
    w->count = text->read(text->ctx, w->base, w->byte, WINDOW_BYTES);
    if (w->base + w->count > address || (address & PAGE_MASK) > before)
        return;
    w->base = address & ~PAGE_MASK; /* the page before cannot be read */
    w->count = text->read(text->ctx, w->base, w->byte, WINDOW_BYTES);
}

static bool visible(const struct window *w, uint64_t address)
{
    return address >= w->base && address < w->base + w->count;
}

static bool decode_at(const struct window *w, uint32_t offset, struct instruction *in)
{
    return decode(w->byte + offset, w->count - offset, in);
}

static uint64_t target_of(const struct window *w, uint32_t offset, const struct instruction *in)
{
    return w->base + offset + in->length + (uint64_t)(int64_t)in->displacement;
}

/* ---- padding ---- */

/* The target of the JMP at `offset`; 0: something else is there. */
static uint64_t jump_target(const struct window *w, uint32_t offset)
{
    struct instruction in;

    return decode_at(w, offset, &in) && in.flow == FLOW_JUMP ? target_of(w, offset, &in) : 0;
}

/* A JMP that was patched in: it ends in a stub, directly or by one or two others. */
static bool is_patch(const struct window *w, uint32_t offset)
{
    uint64_t target = jump_target(w, offset);

    for (int hops = 0; hops < 2 && visible(w, target); hops++)
        target = jump_target(w, (uint32_t)(target - w->base));
    return target >= w->text->stubs && target < w->text->stubs_end;
}

/* Bytes of the JMPs that were patched into the beginning of padding. */
static uint32_t used_bytes(const struct window *w, uint32_t offset)
{
    uint32_t at = offset;

    while (at < w->count && (w->byte[at] == JUMP32 || w->byte[at] == JUMP8) && is_patch(w, at))
        at += w->byte[at] == JUMP32 ? 5 : 2;
    return at - offset;
}

/* How many bytes of padding are at `offset`, up to an aligned end; 0: none. The first *used of them are in use. */
static uint32_t padding(const struct window *w, uint32_t offset, uint32_t *used)
{
    uint32_t at = offset + (*used = used_bytes(w, offset));

    while ((w->base + at) % FUNCTION_ALIGN) {
        size_t piece = at >= w->count ? 0 : w->byte[at] == INT3 ? 1 : decode_nop(w->byte + at, w->count - at);

        if (!piece)
            return (w->base + at) % LABEL_ALIGN ? 0 : at - offset;
        at += (uint32_t)piece;
    }
    return at - offset;
}

/* ---- following control ---- */

static void push(struct window *w, uint64_t address)
{
    uint32_t offset = (uint32_t)(address - w->base);

    if (!visible(w, address))
        w->may_return = true;
    else if (w->todo_count == sizeof w->todo / sizeof *w->todo)
        w->conflict = true;
    else if (w->mark[offset] != MARK_FIRST)
        w->todo[w->todo_count++] = (uint16_t)offset;
}

static bool may_return(const struct text *text, uint64_t entry, unsigned depth)
{
    struct window w;

    window_read(&w, text, entry, CALLEE_BEFORE);
    window_follow(&w, entry, depth);
    return w.may_return || w.conflict;
}

static bool is_preceded(const struct window *w, uint32_t offset, const uint8_t *bytes, uint32_t count)
{
    return offset >= count && !__builtin_memcmp(w->byte + offset - count, bytes, count);
}

/* rt_sigreturn, which does not come back: MOV $15 to RAX or EAX comes directly before. */
static bool is_sigreturn(const struct window *w, uint32_t offset)
{
    static const uint8_t mov_rax[] = {0x48, 0xc7, 0xc0, 15, 0, 0, 0}, mov_eax[] = {0xb8, 15, 0, 0, 0};

    return is_preceded(w, offset, mov_rax, sizeof mov_rax) || is_preceded(w, offset, mov_eax, sizeof mov_eax);
}

static bool never_returns(const struct window *w, uint32_t offset, const struct instruction *call, unsigned depth)
{
    uint32_t used;

    return depth && padding(w, offset + call->length, &used) &&
           !may_return(w->text, target_of(w, offset, call), depth - 1);
}

/* Whether control goes on behind the instruction. */
static bool falls_through(const struct window *w, uint32_t offset, const struct instruction *in, unsigned depth)
{
    switch (in->flow) {
    case FLOW_CALL: return !never_returns(w, offset, in, depth);
    case FLOW_SYSCALL: return !is_sigreturn(w, offset);
    case FLOW_JUMP: return is_patch(w, offset) && !is_sigreturn(w, offset); /* was a SYSCALL */
    case FLOW_JUMP_FAR: case FLOW_RETURN: case FLOW_STOP: return false;
    default: return true;
    }
}

/* False: some of the bytes belong to another reading. */
static bool mark(struct window *w, uint32_t offset, uint32_t length)
{
    for (uint32_t i = 0; i < length; i++)
        if (w->mark[offset + i])
            return false;
    __builtin_memset(w->mark + offset, MARK_REST, length);
    w->mark[offset] = MARK_FIRST;
    return true;
}

/* One instruction: where the line goes on, or 0: it ends here. */
static uint32_t follow_one(struct window *w, uint32_t offset, unsigned depth)
{
    struct instruction in;

    if (!decode_at(w, offset, &in)) {
        w->may_return = true;
        return 0;
    }
    if (!mark(w, offset, in.length)) {
        w->conflict = true;
        return 0;
    }
    w->may_return |= in.flow == FLOW_RETURN || in.flow == FLOW_JUMP_FAR;
    if (in.flow == FLOW_BRANCH || (in.flow == FLOW_JUMP && !is_patch(w, offset)))
        push(w, target_of(w, offset, &in));
    if (falls_through(w, offset, &in, depth))
        return offset + in.length;
    if (w->end_count < ENDS_MAX)
        w->end[w->end_count++] = (uint16_t)(offset + in.length);
    return 0;
}

static void follow_all(struct window *w, unsigned depth)
{
    while (w->todo_count && !w->conflict) {
        uint32_t offset = w->todo[--w->todo_count];

        while (offset < w->count && w->mark[offset] != MARK_FIRST) {
            offset = follow_one(w, offset, depth);
            if (!offset)
                break;
        }
        w->may_return |= offset >= w->count;
    }
}

/* ---- gaps ---- */

static bool is_reached(const struct window *w, uint32_t start, uint32_t end)
{
    for (uint32_t at = start; at < end && at < w->count; at++)
        if (w->mark[at])
            return true;
    return false;
}

static void find_gaps(struct window *w)
{
    w->gap_count = 0;
    for (uint32_t i = 0; i < w->end_count; i++) {
        uint32_t start = w->end[i], used, bytes = padding(w, start, &used);

        if (bytes && !is_reached(w, start, start + bytes))
            w->gap[w->gap_count++] = (struct gap){(uint16_t)start, (uint16_t)(start + used), (uint16_t)(start + bytes)};
    }
}

void window_follow(struct window *w, uint64_t address, unsigned depth)
{
    push(w, address);
    follow_all(w, depth);
    find_gaps(w);
}

/* ---- the rest of the window ---- */

/* Bytes of what is at `offset` when code is read in a row; 0: not known. */
static uint32_t length_at(const struct window *w, uint32_t offset)
{
    struct instruction in;

    return w->byte[offset] == INT3 ? 1 : decode_at(w, offset, &in) ? in.length : 0;
}

/* Where decoding from each of the first STARTS bytes has come to the same instruction; `limit`: not before that. */
static uint32_t agreement(const struct window *w, uint32_t limit)
{
    uint32_t at[STARTS];

    for (uint32_t i = 0; i < STARTS; i++)
        at[i] = i;
    for (;;) {
        uint32_t last = 0, most = 0, length;

        for (uint32_t i = 0; i < STARTS; i++) {
            last = at[i] < at[last] ? i : last;
            most = at[i] > most ? at[i] : most;
        }
        if (at[last] == most || at[last] >= limit)
            return at[last] < limit ? most : limit;
        length = length_at(w, at[last]);
        at[last] += length ? length : 1;
    }
}

/* Whether instructions in a row lead from `offset` to `to`. */
static bool arrives(const struct window *w, uint32_t offset, uint32_t to)
{
    uint32_t length;

    while (offset < to && (length = length_at(w, offset)))
        offset += length;
    return offset == to;
}

void window_survey(struct window *w, uint64_t address, unsigned depth)
{
    uint32_t site = (uint32_t)(address - w->base), start = agreement(w, site);

    if (arrives(w, start, site))
        push(w, w->base + start);
    follow_all(w, depth);
    for (uint32_t i = 0; i < w->end_count && !w->conflict; i++) {
        uint32_t used;

        push(w, w->base + w->end[i] + padding(w, w->end[i], &used));
        follow_all(w, depth);
    }
    find_gaps(w);
}

static int32_t displacement32(const uint8_t *at)
{
    int32_t displacement;

    __builtin_memcpy(&displacement, at, sizeof displacement);
    return displacement;
}

/* Where the bytes at `offset` lead if they are a relative branch; -1: they are none. */
static int64_t branch_target(const struct window *w, uint32_t offset)
{
    const uint8_t *code = w->byte + offset;
    uint32_t left = w->count - offset;

    if (left >= 2 && ((code[0] & 0xf0) == 0x70 || (code[0] & 0xfc) == 0xe0 || code[0] == JUMP8))
        return (int64_t)offset + 2 + (int8_t)code[1];
    if (left >= 5 && (code[0] & 0xfe) == 0xe8)
        return (int64_t)offset + 5 + displacement32(code + 1);
    if (left >= 6 && code[0] == 0x0f && (code[1] & 0xf0) == 0x80)
        return (int64_t)offset + 6 + displacement32(code + 2);
    return -1;
}

bool window_branch_into(const struct window *w, uint32_t start, uint32_t end)
{
    for (uint32_t offset = 0; offset < w->count; offset++) {
        int64_t target = w->mark[offset] ? -1 : branch_target(w, offset);

        if (target >= (int64_t)start && target < (int64_t)end)
            return true;
    }
    return false;
}
