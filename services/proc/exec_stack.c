/* SPDX-License-Identifier: MIT
 *
 * services/proc/exec_stack.c: the first stack of a program, as Linux's create_elf_tables lays it out.
 *
 *     STACK_TOP - 8    a null word
 *                      the path (AT_EXECFN)
 *                      environment strings
 *                      argument strings
 *                      16 random bytes (AT_RANDOM)
 *     strings_at       "x86_64" (AT_PLATFORM)
 *                      auxiliary vector
 *                      envp[], null
 *                      argv[], null
 *     words_at         argc, 16-byte aligned: the first RSP
 *
 * The strings are one run of bytes, collected in that order, and are written in blocks;
 * the words are made as they are written.
 */
#include <linux/auxvec.h>

#include "services/proc/exec.h"

#define PLATFORM_BYTES 7 /* "x86_64" with its NUL, in front of the strings */
#define RANDOM_BYTES 16
#define AUXILIARY 18 /* pairs, AT_NULL included */
#define HWCAP_X86 0x178bfbfful /* CPUID leaf 1, EDX, of a machine with SSE2 */
#define CLOCK_TICKS 100
#define SIGNAL_STACK_MIN 2048

void exec_stack_place(struct exec *e)
{
    uint64_t words = 1 + e->argc + 1 + e->envc + 1 + 2 * AUXILIARY;

    e->strings_at = STACK_TOP - sizeof(uint64_t) - e->strings.bytes;
    e->words_at = (e->strings_at - words * sizeof(uint64_t)) & ~15ul;
}

uint64_t exec_stack_bottom(const struct exec *e)
{
    return (e->words_at - STACK_SPARE) & ~(PAGE_BYTES - 1);
}

/* Words on their way to ascending addresses; an error sticks. */
struct writer {
    struct proc *proc;
    struct call *call;
    struct exec *e;
    uint64_t at;
    unsigned used;
    long error;
};

static void flush(struct writer *w)
{
    if (w->used && !w->error)
        w->error = proc_out(w->proc, w->call, w->at, w->e->word, w->used * sizeof(uint64_t));
    w->at += w->used * sizeof(uint64_t);
    w->used = 0;
}

static void put(struct writer *w, uint64_t word)
{
    if (w->used == sizeof w->e->word / sizeof *w->e->word)
        flush(w);
    w->e->word[w->used++] = word;
}

static void put_pair(struct writer *w, uint64_t type, uint64_t value)
{
    put(w, type);
    put(w, value);
}

/* A place in the run of strings. */
struct cursor {
    const struct block *block;
    uint64_t in_block, address;
};

static char next_byte(struct cursor *c)
{
    if (c->in_block == c->block->used) {
        c->block = c->block->next;
        c->in_block = 0;
    }
    c->address++;
    return c->block->bytes[c->in_block++];
}

/* Pointers to the next `count` strings, and a null. */
static void put_pointers(struct writer *w, struct cursor *c, uint64_t count)
{
    while (count--) {
        put(w, c->address);
        while (next_byte(c))
            ;
    }
    put(w, 0);
}

static void put_auxiliary(struct writer *w, const struct process *p, const struct exec *e, uint64_t path)
{
    put_pair(w, AT_HWCAP, HWCAP_X86);
    put_pair(w, AT_PAGESZ, PAGE_BYTES);
    put_pair(w, AT_CLKTCK, CLOCK_TICKS);
    put_pair(w, AT_PHDR, e->plan.headers);
    put_pair(w, AT_PHENT, 56);
    put_pair(w, AT_PHNUM, e->plan.header_count);
    put_pair(w, AT_BASE, 0);
    put_pair(w, AT_FLAGS, 0);
    put_pair(w, AT_ENTRY, e->plan.entry);
    put_pair(w, AT_UID, p->uid[0]);
    put_pair(w, AT_EUID, p->uid[1]);
    put_pair(w, AT_GID, p->gid[0]);
    put_pair(w, AT_EGID, p->gid[1]);
    put_pair(w, AT_SECURE, 0);
    put_pair(w, AT_RANDOM, e->strings_at + PLATFORM_BYTES);
    put_pair(w, AT_EXECFN, path);
    put_pair(w, AT_PLATFORM, e->strings_at);
    put_pair(w, AT_NULL, 0);
}

static long write_strings(struct proc *proc, struct call *call, const struct exec *e)
{
    uint64_t at = e->strings_at;

    for (const struct block *block = e->strings.first; block; block = block->next) {
        long r = proc_out(proc, call, at, block->bytes, block->used);

        if (r)
            return r;
        at += block->used;
    }
    return 0;
}

/* May be called again from the start after a CALL_WAIT: it writes the same bytes. */
long exec_stack_write(struct proc *proc, struct call *call, const struct process *p, struct exec *e)
{
    struct cursor c = {.block = e->strings.first, .address = e->strings_at};
    struct writer w = {.proc = proc, .call = call, .e = e, .at = e->words_at};
    long r = write_strings(proc, call, e);

    if (r)
        return r;
    for (int i = 0; i < PLATFORM_BYTES + RANDOM_BYTES; i++)
        next_byte(&c);
    put(&w, e->argc);
    put_pointers(&w, &c, e->argc);
    put_pointers(&w, &c, e->envc);
    put_auxiliary(&w, p, e, c.address);
    flush(&w);
    return w.error;
}
