/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/tasks.c: processes' envs, as proc asks for them (struct proc_host).
 *
 * A task is found by pid in a hash table from task_create until it ends. An env's private page and stack are frames of
 * the library's, and so may be given back only when it is no more: who ends itself is put on the list of the dead, and
 * is freed by whoever needs frames next. The space that it ends in goes then, too.
 *
 * The current task's context is in its private page, which is mapped; another's is reached through the window. FPU and
 * segment bases are the processor's until somebody asks for the context, and are loaded from it on the way back.
 */
#include "arch-exo/lib/context.h"
#include "arch-exo/lib/exo_call.h"
#include "arch-exo/lib/library.h"
#include "guest/heap.h"
#include "guest/x86.h"

static struct task **bucket_of(int pid)
{
    return &library.tasks[(unsigned)pid % TASK_BUCKETS];
}

struct task *task_find(int pid)
{
    struct task *task = *bucket_of(pid);

    while (task && task->pid != pid)
        task = task->next;
    return task;
}

struct task *task_search(bool (*fits)(const struct task *task, uint64_t value), uint64_t value)
{
    for (unsigned i = 0; i < TASK_BUCKETS; i++)
        for (struct task *task = library.tasks[i]; task; task = task->next)
            if (fits(task, value))
                return task;
    return NULL;
}

static void enter(struct task *task)
{
    struct task **bucket = bucket_of(task->pid);

    if (!task->pid)
        return;
    task->next = *bucket;
    *bucket = task;
}

static void leave(struct task *task)
{
    struct task **link = bucket_of(task->pid);

    while (*link && *link != task)
        link = &(*link)->next;
    if (*link)
        *link = task->next;
}

/* ---- contexts ---- */

static struct exo_private *private_of(const struct task *task)
{
    return page_window(task->frames[0]);
}

static void load_bases(struct task *task, const struct user_context *context)
{
    if (task->fs_base == context->fs_base && task->gs_base == context->gs_base)
        return;
    task->fs_base = context->fs_base;
    task->gs_base = context->gs_base;
    exo_call(EXO_ENV_BASES, task->env, task->fs_base, task->gs_base);
}

void task_load_context(struct task *task)
{
    struct user_context *context = &lib_private.context;

    task->attention &= ~(uint32_t)ATTENTION_CONTEXT;
    context_sanitise(context);
    load_fpu(context->fx);
    load_bases(task, context);
}

/* The current task's, up to date. */
static struct user_context *own_context(void)
{
    if (!(task_current()->attention & ATTENTION_CONTEXT))
        save_fpu(lib_private.context.fx);
    return &lib_private.context;
}

/* NULL: the first env's, whose frames are not known. */
static struct user_context *context_of(const struct task *task)
{
    if (task == task_current())
        return own_context();
    return task->frames[0] ? &private_of(task)->context : NULL;
}

/* ---- life ---- */

static void give_frames(struct task *task, unsigned count)
{
    while (count)
        page_give(task->frames[--count]);
}

static bool take_frames(struct task *task)
{
    unsigned n = 0;

    while (n < PRIVATE_FRAMES && (task->frames[n] = page_take()) != FRAME_NONE)
        n++;
    if (n < PRIVATE_FRAMES)
        give_frames(task, n);
    return n == PRIVATE_FRAMES;
}

static void private_init(struct task *task, const struct task *parent)
{
    struct exo_private *private = private_of(task);
    const struct user_context *context = parent ? context_of(parent) : NULL;

    __builtin_memset(private, 0, sizeof(*private));
    if (context)
        private->context = *context;
    else
        context_init(&private->context);
    if (parent)
        private->trap = lib_private.trap; /* it may be forking in its handler */
    private->library = task;
    private->trap.pass = (uint64_t)exception_passed;
}

/* With its frames. */
static bool make_env(struct task *task, const struct task *parent)
{
    long env;

    if (!take_frames(task))
        return false;
    private_init(task, parent);
    env = exo_call(EXO_ENV_CREATE, task->frames[0], (uint64_t)&task->frames[1], 0);
    if (env < 0)
        give_frames(task, PRIVATE_FRAMES);
    task->env = (uint64_t)env;
    return env >= 0;
}

struct task *task_create(int pid, const struct task *parent, void (*begin)(struct task *task))
{
    struct task *task;

    tasks_reap();
    task = heap_alloc(sizeof(*task));
    if (!task)
        return NULL;
    task->pid = pid;
    task->begin = begin;
    list_init(&task->link);
    if (!make_env(task, parent)) {
        heap_free(task, sizeof(*task));
        return NULL;
    }
    enter(task);
    return task;
}

struct task *task_adopt(int pid)
{
    static struct task first;

    first.pid = pid;
    first.env = lib_private.env;
    list_init(&first.link);
    context_init(&lib_private.context);
    lib_private.library = &first;
    lib_private.trap.pass = (uint64_t)exception_passed;
    enter(&first);
    return &first;
}

long task_start(struct task *task)
{
    load_bases(task, &private_of(task)->context);
    return exo_call(EXO_ENV_START, task->env, (uint64_t)lib_start, 0);
}

_Noreturn void task_end(void)
{
    struct task *self = task_current();

    if (library.done)
        library_end();
    pages_flush();
    list_add(&library.dead, &self->link);
    lock_release();
    for (;;)
        exo_call(EXO_ENV_EXIT, 0, 0, 0);
}

/* Its env is no more. Who had a space to itself is known by that: the kernel destroys it only then. */
static bool is_gone(const struct task *task)
{
    if (task->doomed_space)
        return exo_call(EXO_SPACE_DESTROY, (uint64_t)task->doomed_space, 0, 0) != -EBUSY;
    return !exo_call(EXO_ENV_ALIVE, task->env, 0, 0);
}

static void task_free(struct task *task)
{
    list_remove(&task->link);
    if (task->frames[0] == FRAME_NONE)
        return;
    give_frames(task, PRIVATE_FRAMES);
    heap_free(task, sizeof(*task));
}

/* Who is between its last steps stays on the list. */
bool tasks_reap(void)
{
    bool any = false;

    for (struct list *link = library.dead.next, *next; link != &library.dead; link = next) {
        struct task *task = LIST_MEMBER(link, struct task, link);

        next = link->next;
        if (!is_gone(task))
            continue;
        task_free(task);
        any = true;
    }
    return any;
}

static bool is_env(const struct task *task, uint64_t env)
{
    return task->env == env;
}

/* It may have died asleep, or with the lock. */
void task_crashed(uint64_t env)
{
    struct task *task = task_search(is_env, env);

    if (!task || task->crashed)
        return;
    task->crashed = true;
    task->asleep = false;
    list_remove(&task->link);
    list_add(&library.crashed, &task->link);
    exo_call(EXO_WAKE, library.housekeeper->env, 0, 0);
}

void task_name_exec(struct task *task, const char *path)
{
    context_name(task->exec_name, TASK_NAME_BYTES, path);
}

/* A new child's first steps. Its context has the result of fork that proc put there. */
static void child_begin(struct task *task)
{
    lock_take();
    task->attention |= ATTENTION_CONTEXT;
    task_leave(task, (long)lib_private.context.regs.rax);
}

/* ---- struct proc_host ---- */

static long thread_create(void *ctx, int child, int parent)
{
    return task_create(child, task_find(parent), child_begin) ? 0 : -ENOMEM;
}

static void thread_start(void *ctx, int pid)
{
    if (task_start(task_find(pid)) < 0)
        panic("cannot start the env of process %d", pid);
}

/* Its own end takes effect in task_leave, another's at once. */
static void thread_exit(void *ctx, int pid)
{
    struct task *task = task_find(pid);

    if (!task)
        return;
    leave(task);
    task->dying = true;
    if (task == task_current())
        return;
    exo_call(EXO_ENV_EXIT, task->env, 0, 0);
    list_remove(&task->link);
    list_add(&library.dead, &task->link);
}

static struct user_context *thread_context(void *ctx, int pid)
{
    struct task *task = task_find(pid);
    struct user_context *context = task ? context_of(task) : NULL;

    if (task == task_current())
        task->attention |= ATTENTION_CONTEXT;
    return context;
}

/* The caller looks on its way out; who runs is interrupted; who waits is woken. */
static void thread_interrupt(void *ctx, int pid)
{
    struct task *task = task_find(pid);

    if (!task || task == task_current())
        return;
    if (task->asleep)
        task_interrupt(task);
    else
        exo_call(EXO_ENV_UPCALL, task->env, 0, 0);
}

/* As if its slice were over: taken up on the way out. */
static void thread_yield(void *ctx)
{
    __atomic_fetch_or(&lib_private.pending, PENDING_SLICE, __ATOMIC_RELAXED);
}

/* The kernel does not know which part of it was the library. */
static void thread_times(void *ctx, int pid, uint64_t *user, uint64_t *system)
{
    struct task *task = task_find(pid);
    long ns = task ? exo_call(EXO_ENV_TIME, task->env, 0, 0) : 0;

    *user = ns > 0 ? (uint64_t)ns : 0;
    *system = 0;
}

static void all_done(void *ctx, int status)
{
    library.status = status;
    library.done = true;
}

void tasks_init(struct proc_host *host)
{
    list_init(&library.dead);
    list_init(&library.crashed);
    *host = (struct proc_host){
        .thread_create = thread_create,
        .thread_start = thread_start,
        .thread_exit = thread_exit,
        .thread_context = thread_context,
        .thread_interrupt = thread_interrupt,
        .thread_yield = thread_yield,
        .thread_times = thread_times,
        .all_done = all_done,
    };
}
