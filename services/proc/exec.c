/* SPDX-License-Identifier: MIT
 *
 * services/proc/exec.c: execve, and the start of process 1.
 *
 * Two phases. The first reads everything: the path, the file's headers, the arguments.
 * Any refusal and any WAIT in it leaves no trace; after a WAIT it starts again. Then the
 * point of no return: the old space is gone. What fails now kills, as in Linux. The second
 * phase writes the stack of the new program and may WAIT; what it needs is kept with the
 * process (call->done says that it has begun).
 *
 * A script is "#! interpreter [argument]": the interpreter may be a script itself.
 */
#include <linux/signal.h>
#include <linux/mman.h>

#include "services/proc/exec.h"

#define FLAGS_FIRST 0x202ul /* IF and the bit that is always 1 */

void proc_exec_free(struct proc *proc, struct process *p)
{
    if (!p->exec)
        return;
    exec_strings_free(proc, &p->exec->strings);
    proc_free(proc, p->exec, sizeof *p->exec);
    p->exec = NULL;
}

static uint64_t length(const char *s)
{
    uint64_t n = 0;

    while (s[n])
        n++;
    return n;
}

static long open_file(struct proc *proc, struct call *call, char *path)
{
    struct request rq = {.service = SERVICE_FS, .op = FS_OPEN_EXEC, .pid = call->pid, .data = path,
                         .size = length(path) + 1, .call = call};

    return path[0] ? proc->host->ask(proc->host->ctx, &rq) : -ENOENT;
}

static void release_file(struct proc *proc, struct call *call, long handle)
{
    proc_ask(proc, call, SERVICE_FS, FS_RELEASE, call->pid, (uint64_t[6]){(uint64_t)handle});
}

static long read_file(struct proc *proc, struct call *call, long handle, uint64_t offset, void *to, uint64_t bytes)
{
    struct request rq = {.service = SERVICE_FS, .op = FS_READ_AT, .pid = call->pid, .arg = {(uint64_t)handle, offset},
                         .data = to, .size = bytes, .data_out = 1, .call = call};

    return proc->host->ask(proc->host->ctx, &rq);
}

/* The word from *at on: NUL-terminated in place; NULL: none. */
static char *next_word(char **at)
{
    char *word = *at;

    while (*word == ' ' || *word == '\t')
        word++;
    if (!*word)
        return NULL;
    for (*at = word; **at && **at != ' ' && **at != '\t';)
        ++*at;
    if (**at)
        *(*at)++ = '\0';
    return word;
}

/* Everything behind the interpreter is one argument, without the blanks around it. */
static const char *rest_of_line(char *at)
{
    char *end;

    while (*at == ' ' || *at == '\t')
        at++;
    for (end = at + length(at); end > at && (end[-1] == ' ' || end[-1] == '\t');)
        *--end = '\0';
    return *at ? at : NULL;
}

/* "#!" has been seen. Leaves interpreter and argument in one more e->script. */
static long parse_script(struct exec *e, uint64_t bytes)
{
    uint64_t limit = bytes < SCRIPT_LINE ? bytes : SCRIPT_LINE, n = 0;
    struct script *script;
    char *line, *at, *interpreter;

    if (e->scripts == SCRIPTS_MAX)
        return -ELOOP;
    script = &e->script[e->scripts];
    at = line = script->interpreter;
    for (; n + 2 < limit && e->header[n + 2] != '\n' && e->header[n + 2]; n++) {
        line[n] = (char)e->header[n + 2];
        NOT_A_COPY();
    }
    if (n + 2 >= limit && limit == SCRIPT_LINE) /* no end of line in sight */
        return -ENOEXEC;
    line[n] = '\0';
    interpreter = next_word(&at);
    if (!interpreter)
        return -ENOEXEC;
    script->argument = rest_of_line(at);
    for (n = 0; (line[n] = interpreter[n]); n++)
        NOT_A_COPY();
    e->scripts++;
    return 0;
}

static long plan_elf(struct proc *proc, struct call *call, struct exec *e, long handle, uint64_t bytes)
{
    struct elf_info info;
    long r = exec_elf_header(e->header, bytes, &info);
    uint64_t table_bytes = r ? 0 : info.count * 56ul;

    if (r)
        return r;
    if (info.table <= bytes && table_bytes <= bytes - info.table && info.table % 8 == 0)
        return exec_elf_plan(&info, e->header + info.table, &e->plan);
    r = read_file(proc, call, handle, info.table, e->header, table_bytes);
    if (r < 0)
        return r;
    return (uint64_t)r == table_bytes ? exec_elf_plan(&info, e->header, &e->plan) : -ENOEXEC;
}

static bool is_script(const struct exec *e, long bytes)
{
    return bytes >= 2 && e->header[0] == '#' && e->header[1] == '!';
}

/* Opens and understands the program, or what interprets it in the end; its handle, or -errno. */
static long examine(struct proc *proc, struct call *call, struct exec *e)
{
    for (;;) {
        long handle = open_file(proc, call, e->scripts ? e->script[e->scripts - 1].interpreter : e->path), r;
        bool script;

        if (handle < 0)
            return handle;
        r = read_file(proc, call, handle, 0, e->header, HEADER_BYTES);
        script = is_script(e, r);
        if (script)
            r = parse_script(e, (uint64_t)r);
        else if (r >= 0)
            r = plan_elf(proc, call, e, handle, (uint64_t)r);
        if (r == 0 && !script)
            return handle;
        release_file(proc, call, handle);
        if (r)
            return r;
    }
}

/* The bytes in front of the arguments: platform and AT_RANDOM. The random block counts as used at the commit. */
static long push_prefix(struct proc *proc, struct process *p, struct exec *e)
{
    uint8_t random[64];
    long r = exec_push(proc, e, "x86_64", 7);

    proc_random_peek(proc, p, p->random_block, random);
    return r ? r : exec_push(proc, e, (const char *)random, 16);
}

static long map_segment(struct proc *proc, struct call *call, const struct segment *s, long handle)
{
    if (!s->file_bytes)
        return proc_ask(proc, call, SERVICE_VM, VM_MAP_ANON, call->pid,
                        (uint64_t[6]){s->address, s->bytes, s->prot, 0});
    return proc_ask(proc, call, SERVICE_VM, VM_MAP_FILE, call->pid,
                    (uint64_t[6]){s->address, s->bytes, (uint64_t)handle, s->offset, s->file_bytes, s->prot});
}

static long map_stack(struct proc *proc, struct call *call, const struct exec *e)
{
    uint64_t bottom = exec_stack_bottom(e);
    uint32_t prot = PROT_READ | PROT_WRITE | (e->plan.exec_stack ? PROT_EXEC : 0);

    return proc_ask(proc, call, SERVICE_VM, VM_MAP_ANON, call->pid,
                    (uint64_t[6]){bottom, STACK_TOP - bottom, prot, VM_ANON_STACK});
}

static long map_program(struct proc *proc, struct call *call, const struct exec *e, long handle)
{
    long r = 0;

    for (uint32_t i = 0; r >= 0 && i < e->plan.segment_count; i++)
        r = map_segment(proc, call, &e->plan.segment[i], handle);
    if (r >= 0)
        r = map_stack(proc, call, e);
    if (r >= 0)
        r = proc_ask(proc, call, SERVICE_VM, VM_SET_BRK, call->pid, (uint64_t[6]){e->plan.brk});
    return r;
}

/* Handlers were code of the old program; what was ignored stays ignored. */
static void reset_actions(struct proc *proc, struct process *p)
{
    struct action none = {.handler = (uint64_t)SIG_DFL}, ignore = {.handler = (uint64_t)SIG_IGN};
    bool any = false;

    for (int signo = 1; signo <= SIGNALS; signo++)
        any |= proc_action(p, signo).handler == (uint64_t)SIG_IGN;
    if (!any) {
        proc_drop_actions(proc, p);
        return;
    }
    for (int signo = 1; signo <= SIGNALS; signo++)
        proc_set_action(proc, p, signo, proc_action(p, signo).handler == (uint64_t)SIG_IGN ? &ignore : &none);
}

static void set_process_name(struct process *p, const char *path)
{
    const char *base = path;

    for (const char *c = path; *c; c++)
        if (*c == '/')
            base = c + 1;
    for (int i = 0; i < NAME_BYTES; i++) {
        p->name[i] = i < NAME_BYTES - 1 ? *base : '\0';
        base += *base != '\0';
        NOT_A_COPY();
    }
}

static void become_new(struct proc *proc, struct call *call, struct process *p, const struct exec *e)
{
    proc_ask(proc, call, SERVICE_FS, FS_EXEC, p->pid, NULL);
    proc_release_vfork(proc, p);
    reset_actions(proc, p);
    set_process_name(p, e->path);
    p->space_key = ++proc->last_space;
    p->stack_address = p->stack_bytes = p->stack_flags = 0;
    p->clear_tid = p->set_tid = 0;
    p->restart_deadline = 0;
    p->did_exec = true;
    p->random_block++;
}

static void first_context(struct user_context *context, const struct exec *e)
{
    struct user_regs *regs = &context->regs;
    uint64_t cs = regs->cs, ss = regs->ss;

    __builtin_memset(context, 0, sizeof *context);
    regs->cs = cs;
    regs->ss = ss;
    regs->rip = e->plan.entry;
    regs->rsp = e->words_at;
    regs->rflags = FLAGS_FIRST;
    regs->vector = VECTOR_RESTORED;
    context->fx[0] = 0x7f; /* FCW 0x37f */
    context->fx[1] = 0x03;
    context->fx[24] = 0x80; /* MXCSR 0x1f80 */
    context->fx[25] = 0x1f;
}

/* Past the point of no return nothing can be told to a program that is gone. */
static long die(struct proc *proc, struct call *call, struct process *p)
{
    proc_end(proc, call, p, SIGKILL);
    return -ENOMEM;
}

/* The second phase. */
static long enter_program(struct proc *proc, struct call *call, struct process *p)
{
    long r = exec_stack_write(proc, call, p, p->exec);

    if (r == CALL_WAIT)
        return r;
    if (r < 0)
        return die(proc, call, p);
    first_context(proc->threads->thread_context(proc->threads->ctx, p->pid), p->exec);
    proc_exec_free(proc, p);
    return 0;
}

/* `new_space`: VM_EXEC, or VM_CREATE for the first process. */
static long commit(struct proc *proc, struct call *call, struct process *p, struct exec *e, long handle, int new_space)
{
    long r = proc_leave_locks(proc, call, p);

    if (r)
        return r;
    exec_stack_place(e);
    r = proc_ask(proc, call, SERVICE_VM, new_space, p->pid, NULL);
    if (r < 0)
        return r;
    /* Point of no return. */
    p->exec = e;
    call->done = 1;
    become_new(proc, call, p, e);
    r = map_program(proc, call, e, handle);
    return r < 0 ? die(proc, call, p) : enter_program(proc, call, p);
}

static long load(struct proc *proc, struct call *call, struct process *p, struct exec *e, const struct vectors *v,
                 int new_space)
{
    long handle = examine(proc, call, e), r;

    if (handle < 0)
        return handle;
    r = push_prefix(proc, p, e);
    if (r == 0)
        r = exec_collect(proc, call, e, v);
    if (r == 0)
        r = commit(proc, call, p, e, handle, new_space);
    release_file(proc, call, handle);
    return r;
}

/* After `load`: the exec belongs to the process, or is gone, once call->done is set. */
static long first_phase(struct proc *proc, struct call *call, struct process *p, const char *path,
                        const struct vectors *v, int new_space)
{
    struct exec *e = proc_alloc(proc, sizeof *e);
    long r = 0;

    if (!e)
        return -ENOMEM;
    if (path && length(path) >= PATH_BYTES)
        r = -ENAMETOOLONG;
    for (uint64_t i = 0; r == 0 && path && path[i]; i++) {
        e->path[i] = path[i];
        NOT_A_COPY();
    }
    if (!path)
        r = exec_read_string(proc, call, &e->text, call->arg[0], e->path, PATH_BYTES);
    if (r == 0)
        r = load(proc, call, p, e, v, new_space);
    if (!call->done) {
        exec_strings_free(proc, &e->strings);
        proc_free(proc, e, sizeof *e);
    }
    return r;
}

long proc_call_execve(void *self, struct call *call)
{
    struct process *p = proc_caller(self, call);
    struct vectors v = {.argv = call->arg[1], .envp = call->arg[2]};

    if (call->done)
        return enter_program(self, call, p);
    return first_phase(self, call, p, NULL, &v, VM_EXEC);
}

static void default_limits(struct process *p)
{
    for (int i = 0; i < RLIM_NLIMITS; i++)
        p->limit[i] = (struct rlimit64){RLIM64_INFINITY, RLIM64_INFINITY};
    p->limit[RLIMIT_STACK].rlim_cur = _STK_LIM;
    p->limit[RLIMIT_CORE].rlim_cur = 0;
    p->limit[RLIMIT_NOFILE] = (struct rlimit64){1024, 1048576};
    p->limit[RLIMIT_MEMLOCK] = (struct rlimit64){MLOCK_LIMIT, MLOCK_LIMIT};
    p->limit[RLIMIT_NICE] = p->limit[RLIMIT_RTPRIO] = (struct rlimit64){0, 0};
}

static struct process *first_process(struct proc *proc)
{
    struct process *p = proc_add(proc, 1);

    if (!p)
        return NULL;
    p->pgid = p->sid = 1;
    p->exit_signal = SIGCHLD;
    /* The same however often a WAIT makes proc_start begin again. */
    p->space_key = proc->last_space = 1;
    p->serial = proc->last_serial = 1;
    proc->last_pid = 1;
    default_limits(p);
    return p;
}

long proc_start(struct proc *proc, struct call *call, const char *path, const char *const argv[],
                const char *const envp[])
{
    struct vectors v = {.own_argv = argv, .own_envp = envp};
    struct process *p = proc_find(proc, 1);
    long r;

    if (call->done)
        return enter_program(proc, call, p);
    p = p ? p : first_process(proc);
    if (!p)
        return -ENOMEM;
    r = first_phase(proc, call, p, path, &v, VM_CREATE);
    if (r && !call->done)
        proc_remove(proc, p);
    return r;
}
