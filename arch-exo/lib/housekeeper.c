/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/housekeeper.c: what is nobody's call: consoles, timers, memory that the kernel wants back, and processes whose
 * env is no more.
 *
 * An env of its own, in a space with nothing but the library, which sleeps in the kernel for these events. When a timer
 * is due the kernel is told by whoever changes it.
 */
#include "arch-exo/lib/exo_call.h"
#include "arch-exo/lib/library.h"
#include "guest/heap.h"

#define SIGKILL 9

void alarm_update(void)
{
    uint64_t due = proc_next_timer(library.proc);

    if (due == library.alarm)
        return;
    library.alarm = due;
    exo_call(EXO_ALARM, due, 0, 0);
}

static void timers(void)
{
    library.alarm = CALL_FOREVER;
    if (proc_next_timer(library.proc) <= clock_ns())
        proc_timer(library.proc);
    alarm_update();
}

/* Nobody runs this process any more, so its last steps are made here. */
static void bury(struct task *task)
{
    struct call call = {.nr = CALL_kill, .pid = task->pid};
    struct request kill = {
        .service = SERVICE_PROC, .op = PROC_SIGNAL, .pid = task->pid, .arg = {SIGKILL}, .call = &call};

    list_remove(&task->link);
    library.host.ask(library.host.ctx, &kill);
    while (proc_deliver(library.proc, &call, 0) == CALL_WAIT)
        call_sleep(&call);
    if (library.done)
        library_end();
}

static bool is_gone(const struct task *task, uint64_t unused)
{
    return !task->crashed && !exo_call(EXO_ENV_ALIVE, task->env, 0, 0);
}

/* The kernel has ended envs, but does not say which. */
static void find_crashed(void)
{
    struct task *task;

    while ((task = task_search(is_gone, 0)) != NULL)
        task_crashed(task->env);
}

static void housekeeper_begin(struct task *self)
{
    long happened = 0;

    for (;;) {
        lock_take();
        if (library.tty && happened & EVENT_CONSOLE)
            tty_event(library.tty);
        if (happened & EVENT_ALARM)
            timers();
        if (happened & EVENT_REVOKE)
            pages_revoke();
        if (happened & EVENT_ABORT)
            find_crashed();
        while (!list_empty(&library.crashed))
            bury(LIST_MEMBER(library.crashed.next, struct task, link));
        pages_flush();
        lock_release();
        happened = exo_call(EXO_SLEEP, CALL_FOREVER, EVENT_CONSOLE | EVENT_ALARM | EVENT_ABORT | EVENT_REVOKE, 0);
    }
}

void housekeeper_start(void)
{
    struct task *task = task_create(0, NULL, housekeeper_begin);

    library.alarm = CALL_FOREVER;
    if (!task)
        panic("not enough memory for the housekeeper");
    task->space = exo_call(EXO_SPACE_CREATE, 0, 0, 0);
    if (task->space < 0 || exo_call(EXO_ENV_SPACE, task->env, (uint64_t)task->space, 0) < 0 || task_start(task) < 0)
        panic("not enough memory for the housekeeper");
    library.housekeeper = task;
}

/* Its env is no more at once, and is freed with the other dead. */
void housekeeper_stop(void)
{
    struct task *task = library.housekeeper;

    library.housekeeper = NULL;
    exo_call(EXO_ENV_EXIT, task->env, 0, 0);
    list_remove(&task->link);
    task->doomed_space = task->space;
    list_add(&library.dead, &task->link);
}
