/* SPDX-License-Identifier: MIT
 *
 * services/proc/exec_args.c: arguments and environment on their way from the old space to the new.
 *
 * Reads come in pieces of up to 256 bytes that never cross a page, so that nothing is
 * touched that the program did not pass.
 */
#include "services/proc/exec.h"

static struct block *new_block(struct proc *proc, struct strings *s)
{
    struct block *block = proc_alloc(proc, sizeof *block);

    if (!block)
        return NULL;
    if (s->last)
        s->last->next = block;
    else
        s->first = block;
    return s->last = block;
}

long exec_push(struct proc *proc, struct exec *e, const char *bytes, uint64_t count)
{
    struct strings *s = &e->strings;

    for (uint64_t i = 0; i < count; i++) {
        struct block *block = s->last;

        if (!block || block->used == BLOCK_BYTES)
            block = new_block(proc, s);
        if (!block)
            return -ENOMEM;
        block->bytes[block->used++] = bytes[i];
        NOT_A_COPY();
    }
    s->bytes += count;
    return s->bytes + (e->argc + e->envc) * sizeof(uint64_t) > STRINGS_MAX ? -E2BIG : 0;
}

void exec_strings_free(struct proc *proc, struct strings *strings)
{
    while (strings->first) {
        struct block *block = strings->first;

        strings->first = block->next;
        proc_free(proc, block, sizeof *block);
    }
}

/* Makes byte `at` readable; how many bytes are there from it on, or -errno. */
static long look(struct proc *proc, struct call *call, struct reader *r, uint64_t at)
{
    uint64_t bytes = PAGE_BYTES - (at & (PAGE_BYTES - 1));
    long error;

    if (r->bytes && at >= r->base && at < r->base + r->bytes)
        return (long)(r->base + r->bytes - at);
    bytes = bytes < READER_BYTES ? bytes : READER_BYTES;
    r->bytes = 0;
    error = proc_in(proc, call, r->data, at, bytes);
    if (error)
        return error;
    r->base = at;
    r->bytes = (uint32_t)bytes;
    return (long)bytes;
}

/* A piece of a string: bytes up to and with its NUL, or to the end of what was read. */
static long piece(struct proc *proc, struct call *call, struct reader *r, uint64_t at, const char **bytes, bool *ends)
{
    long count = look(proc, call, r, at);

    if (count < 0)
        return count;
    *bytes = (const char *)r->data + (at - r->base);
    for (long i = 0; i < count; i++) {
        *ends = !(*bytes)[i];
        if (*ends)
            return i + 1;
    }
    return count;
}

long exec_read_string(struct proc *proc, struct call *call, struct reader *reader, uint64_t from, char *to,
                      uint64_t room)
{
    bool ends = false;
    const char *bytes;

    while (!ends) {
        long count = piece(proc, call, reader, from, &bytes, &ends);

        if (count < 0)
            return count;
        if ((uint64_t)count > room)
            return -ENAMETOOLONG;
        for (long i = 0; i < count; i++) {
            *to++ = bytes[i];
            NOT_A_COPY();
        }
        from += (uint64_t)count;
        room -= (uint64_t)count;
    }
    return 0;
}

static long push_string(struct proc *proc, struct call *call, struct exec *e, uint64_t from)
{
    uint64_t start = from;
    bool ends = false;
    const char *bytes;

    while (!ends) {
        long count = piece(proc, call, &e->text, from, &bytes, &ends);

        if (count >= 0 && from + (uint64_t)count - start > STRING_MAX)
            return -E2BIG;
        if (count >= 0) {
            from += (uint64_t)count;
            count = exec_push(proc, e, bytes, (uint64_t)count);
        }
        if (count < 0)
            return count;
    }
    return 0;
}

static uint64_t length(const char *s)
{
    uint64_t n = 0;

    while (s[n])
        n++;
    return n;
}

static long push_own(struct proc *proc, struct exec *e, const char *s)
{
    return exec_push(proc, e, s, length(s) + 1);
}

/* The pointer at vector[index], 0 at the end. */
static long read_pointer(struct proc *proc, struct call *call, struct exec *e, uint64_t at, uint64_t *pointer)
{
    long count;

    if (at & 7) /* an unaligned vector may cross pages anywhere */
        return proc_in(proc, call, pointer, at, sizeof *pointer);
    count = look(proc, call, &e->vector, at);
    if (count < 0)
        return count;
    *pointer = *(const uint64_t *)(e->vector.data + (at - e->vector.base));
    return 0;
}

static long collect_user(struct proc *proc, struct call *call, struct exec *e, uint64_t vector, uint64_t skip,
                         uint64_t *counter)
{
    for (uint64_t at = vector; vector; at += sizeof(uint64_t)) {
        uint64_t pointer;
        long r = read_pointer(proc, call, e, at, &pointer);

        if (r)
            return r;
        if (!pointer)
            return 0;
        if (skip && skip--)
            continue;
        ++*counter;
        r = push_string(proc, call, e, pointer);
        if (r)
            return r;
    }
    return 0;
}

static long collect_own(struct proc *proc, struct exec *e, const char *const *vector, uint64_t skip, uint64_t *counter)
{
    for (; *vector; vector++) {
        long r;

        if (skip && skip--)
            continue;
        ++*counter;
        r = push_own(proc, e, *vector);
        if (r)
            return r;
    }
    return 0;
}

/* In front of a script's arguments: the interpreter, its argument if any, the script instead of argv[0]. The same again
 * for an interpreter that is a script. */
static long push_scripts(struct proc *proc, struct exec *e)
{
    long r = 0;

    for (unsigned i = e->scripts; r == 0 && i-- > 0;) {
        const struct script *script = &e->script[i];

        e->argc += script->argument ? 2 : 1;
        r = push_own(proc, e, script->interpreter);
        if (r == 0 && script->argument)
            r = push_own(proc, e, script->argument);
    }
    e->argc++;
    return r ? r : push_own(proc, e, e->path);
}

long exec_collect(struct proc *proc, struct call *call, struct exec *e, const struct vectors *v)
{
    uint64_t skip = e->scripts ? 1 : 0;
    long r = skip ? push_scripts(proc, e) : 0;

    if (r == 0)
        r = v->own_argv ? collect_own(proc, e, v->own_argv, skip, &e->argc)
                        : collect_user(proc, call, e, v->argv, skip, &e->argc);
    if (r == 0 && e->argc == 0) { /* as Linux since 5.18: nobody gets an empty argv */
        e->argc = 1;
        r = push_own(proc, e, "");
    }
    if (r == 0)
        r = v->own_envp ? collect_own(proc, e, v->own_envp, 0, &e->envc)
                        : collect_user(proc, call, e, v->envp, 0, &e->envc);
    return r ? r : push_own(proc, e, e->path);
}
