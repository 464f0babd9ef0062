/* SPDX-License-Identifier: MIT
 *
 * tests/services/test_proc.c: processes: fork, vfork, clone, exit, wait4, groups and sessions, limits, time, futex,
 * getrandom, and what an allocation that fails or a WAIT does to them.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/times.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <signal.h>
#include <time.h>

#include <cmocka.h>

#include "tests/services/fake_world.h"

#define DATA WORLD_DATA
#define SECOND 1000000000ul
#define WALL 1700000000000000000ul

static void exit_process(struct world *w, int pid, int code)
{
    CALLS(w, pid, CALL_exit_group, (uint64_t)code);
}

static uint32_t word_at(struct world *w, int pid, uint64_t address)
{
    uint32_t word = 0;

    assert_true(world_peek(w, pid, address, &word, sizeof word));
    return word;
}

static void identities(void **state)
{
    struct world *w = world_with_proc();
    int child = world_fork(w, 1);

    assert_int_equal(child, 2);
    assert_int_equal(CALLS(w, 1, CALL_getpid), 1);
    assert_int_equal(CALLS(w, 1, CALL_getppid), 0);
    assert_int_equal(CALLS(w, 2, CALL_gettid), 2);
    assert_int_equal(CALLS(w, 2, CALL_getppid), 1);
    assert_int_equal(CALLS(w, 2, CALL_getpgrp), 1);
    assert_int_equal(CALLS(w, 2, CALL_getsid, 0), 1);
    assert_int_equal(CALLS(w, 2, CALL_getuid), 0);
    assert_int_equal(CALLS(w, 2, CALL_getgroups, 0, 0), 0);
    assert_int_equal(CALLS(w, 2, CALL_setuid, 1000), 0);
    assert_int_equal(CALLS(w, 2, CALL_geteuid), 1000);
    assert_int_equal(CALLS(w, 2, CALL_setuid, 0), -EPERM);
    assert_int_equal(CALLS(w, 1, CALL_geteuid), 0);
    assert_int_equal(CALLS(w, 2, CALL_set_tid_address, DATA), 2);
    assert_int_equal(CALLS(w, 2, CALL_rseq), -ENOSYS);
    assert_int_equal(CALLS(w, 2, CALL_set_robust_list, DATA, 23), -EINVAL);
    world_end(w);
}

static void groups_and_sessions(void **state)
{
    struct world *w = world_with_proc();
    int a = world_fork(w, 1), b = world_fork(w, 1);

    assert_int_equal(CALLS(w, 1, CALL_setpgid, a, 0), 0);
    assert_int_equal(CALLS(w, 1, CALL_setpgid, b, a), 0);
    assert_int_equal(CALLS(w, 1, CALL_getpgid, b), a);
    assert_int_equal(CALLS(w, 1, CALL_setpgid, b, 77), -EPERM); /* no such group */
    assert_int_equal(CALLS(w, 1, CALL_setpgid, 99, 0), -ESRCH);
    assert_int_equal(CALLS(w, a, CALL_setpgid, b, 0), -ESRCH); /* not its child */
    assert_int_equal(CALLS(w, 1, CALL_setpgid, b, -5ul), -EINVAL);
    assert_int_equal(CALLS(w, 1, CALL_setpgid, 0, 0), -EPERM); /* a session leader */
    assert_int_equal(CALLS(w, a, CALL_setsid), -EPERM);        /* leads a group */
    assert_int_equal(CALLS(w, b, CALL_setsid), b);
    assert_int_equal(CALLS(w, 1, CALL_getsid, b), b);
    assert_int_equal(CALLS(w, 1, CALL_setpgid, b, a), -EPERM); /* another session */
    assert_int_equal(CALLS(w, 1, CALL_getpgid, 99), -ESRCH);
    world_end(w);
}

static void wait_reports_and_reaps(void **state)
{
    struct world *w = world_with_proc();
    struct call wait = {.nr = CALL_wait4, .pid = 1, .arg = {-1ul, DATA, 0, DATA + 64}};
    struct rusage usage;
    int child = world_fork(w, 1);

    assert_int_equal(CALLS(w, 1, CALL_wait4, -1ul, 0, WNOHANG, 0), 0);
    assert_int_equal(world_call(w, &wait), CALL_WAIT);
    exit_process(w, child, 3);
    assert_int_equal(w->woken[(w->wakes - 1) % 64], wait.channel);
    assert_int_equal(world_call(w, &wait), child);
    assert_int_equal(word_at(w, 1, DATA), 3 << 8);
    assert_true(world_peek(w, 1, DATA + 64, &usage, sizeof usage));
    assert_int_equal(usage.ru_utime.tv_sec, 1);
    assert_int_equal(usage.ru_stime.tv_sec, 2);
    assert_int_equal(CALLS(w, 1, CALL_wait4, -1ul, 0, 0, 0), -ECHILD);
    assert_int_equal(w->fs_forks, 1);
    assert_int_equal(w->fs_exits, 1);
    world_end(w);
}

static void wait_selects(void **state)
{
    struct world *w = world_with_proc();
    int a = world_fork(w, 1), b = world_fork(w, 1), c = world_fork(w, 1);

    assert_int_equal(CALLS(w, c, CALL_setpgid, 0, 0), 0);
    exit_process(w, c, 1);
    assert_int_equal(CALLS(w, 1, CALL_wait4, (uint64_t)a, 0, WNOHANG, 0), 0);
    assert_int_equal(CALLS(w, 1, CALL_wait4, 0, 0, WNOHANG, 0), 0); /* my group: not c */
    exit_process(w, b, 2);
    assert_int_equal(CALLS(w, 1, CALL_wait4, -1ul, 0, WNOHANG, 0), b); /* oldest first */
    assert_int_equal(CALLS(w, 1, CALL_wait4, (uint64_t)-c, DATA, 0, 0), c);
    assert_int_equal(CALLS(w, 1, CALL_wait4, 99, 0, 0, 0), -ECHILD);
    assert_int_equal(CALLS(w, 1, CALL_wait4, (uint64_t)INT32_MIN, 0, 0, 0), -ESRCH);
    assert_int_equal(CALLS(w, 1, CALL_wait4, -1ul, 0, 0x100, 0), -EINVAL);
    assert_int_equal(CALLS(w, 1, CALL_wait4, (uint64_t)a, 0x1000, 0, 0), CALL_WAIT);
    exit_process(w, a, 0);
    assert_int_equal(CALLS(w, 1, CALL_wait4, (uint64_t)a, 0x1000, 0, 0), -EFAULT); /* not reaped for that */
    assert_int_equal(CALLS(w, 1, CALL_wait4, (uint64_t)a, 0, 0, 0), a);
    world_end(w);
}

static void orphans_go_to_the_first_process(void **state)
{
    struct world *w = world_with_proc();
    int child = world_fork(w, 1), grandchild = world_fork(w, child), dead = world_fork(w, child);

    exit_process(w, dead, 9);
    exit_process(w, child, 0);
    assert_int_equal(CALLS(w, grandchild, CALL_getppid), 1);
    assert_int_equal(CALLS(w, 1, CALL_wait4, (uint64_t)dead, DATA, WNOHANG, 0), dead);
    assert_int_equal(CALLS(w, 1, CALL_wait4, (uint64_t)grandchild, 0, WNOHANG, 0), 0);
    world_end(w);
}

static void the_first_process_takes_all_along(void **state)
{
    struct world *w = world_with_proc();
    int child = world_fork(w, 1);

    world_fork(w, child);
    exit_process(w, world_fork(w, child), 0);
    exit_process(w, 1, 7);
    assert_int_equal(w->all_done_status, 7 << 8);
    assert_int_equal(w->fs_exits, 4);
    world_end(w);
}

static void ignored_children_reap_themselves(void **state)
{
    struct world *w = world_with_proc();
    uint64_t ignore[4] = {(uint64_t)SIG_IGN};

    assert_true(world_poke(w, 1, DATA, ignore, sizeof ignore));
    assert_int_equal(CALLS(w, 1, CALL_rt_sigaction, SIGCHLD, DATA, 0, 8), 0);
    exit_process(w, world_fork(w, 1), 0);
    assert_int_equal(CALLS(w, 1, CALL_wait4, -1ul, 0, 0, 0), -ECHILD);
    world_end(w);
}

static void fork_copies_memory_and_context(void **state)
{
    struct world *w = world_with_proc();
    uint32_t word = 11;
    int child;

    assert_true(world_poke(w, 1, DATA, &word, sizeof word));
    w->thread[1].context.regs.rbx = 1234;
    w->thread[1].context.regs.rax = 57;
    child = world_fork(w, 1);
    assert_true(w->thread[child].started);
    assert_int_equal(w->thread[child].context.regs.rbx, 1234);
    assert_int_equal(w->thread[child].context.regs.rax, 0);
    word = 12;
    assert_true(world_poke(w, child, DATA, &word, sizeof word));
    assert_int_equal(word_at(w, 1, DATA), 11);
    world_end(w);
}

static void vfork_waits_for_exit(void **state)
{
    struct world *w = world_with_proc();
    struct call call = {.nr = CALL_vfork, .pid = 1};
    uint32_t word = 5;

    assert_int_equal(world_call(w, &call), CALL_WAIT);
    assert_int_equal(call.done, 2);
    assert_int_equal(world_call(w, &call), CALL_WAIT); /* spurious */
    assert_true(world_poke(w, 2, DATA, &word, sizeof word));
    exit_process(w, 2, 0);
    assert_int_equal(w->woken[(w->wakes - 1) % 64], CHANNEL(SERVICE_PROC, 1ul << 32 | 1)); /* for wait4, the latest */
    assert_int_equal(world_call(w, &call), 2);
    assert_int_equal(word_at(w, 1, DATA), 5); /* one space */
    world_end(w);
}

static void clone_flags(void **state)
{
    static const struct {
        uint64_t flags;
        long result;
    } cases[] = {
        {CLONE_VM | CLONE_SIGHAND | CLONE_THREAD, -ENOSYS},
        {CLONE_VM | SIGCHLD, -EINVAL},
        {CLONE_FILES | SIGCHLD, -EINVAL},
        {CLONE_FS | SIGCHLD, -EINVAL},
        {CLONE_NEWPID | SIGCHLD, -EINVAL},
        {CLONE_PIDFD | SIGCHLD, -EINVAL},
        {SIGCHLD | 0x80, -EINVAL},
    };
    struct world *w = world_with_proc();
    struct call posix_spawn = {.nr = CALL_clone, .pid = 1, .arg = {CLONE_VM | CLONE_VFORK | SIGCHLD, DATA + 0x800}};
    long child;

    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        if (CALLS(w, 1, CALL_clone, cases[i].flags) != cases[i].result)
            fail_msg("case %zu", i);
    child = CALLS(w, 1, CALL_clone, CLONE_PARENT_SETTID | CLONE_CHILD_SETTID | CLONE_SETTLS | SIGCHLD, 0, DATA, DATA + 8,
                  0x7000);
    assert_int_equal(child, 2);
    assert_int_equal(word_at(w, 1, DATA), 2);
    assert_int_equal(word_at(w, 1, DATA + 8), 0);
    assert_int_equal(w->thread[2].context.fs_base, 0x7000);
    assert_true(proc_pending(w->proc, 2));
    assert_int_equal(world_deliver(w, 2, 0), 0);
    assert_int_equal(word_at(w, 2, DATA + 8), 2);
    assert_false(proc_pending(w->proc, 2));
    assert_int_equal(CALLS(w, 1, CALL_clone, CLONE_SETTLS | SIGCHLD, 0, 0, 0, -1ul), -EPERM);
    assert_int_equal(CALLS(w, 1, CALL_clone, CLONE_PARENT_SETTID | SIGCHLD, 0, 0x1000), -EFAULT);

    assert_int_equal(world_call(w, &posix_spawn), CALL_WAIT);
    assert_int_equal(w->thread[posix_spawn.done].context.regs.rsp, DATA + 0x800);
    exit_process(w, (int)posix_spawn.done, 0);
    assert_int_equal(world_call(w, &posix_spawn), posix_spawn.done);
    world_end(w);
}

static void a_failed_fork_leaves_nothing(void **state)
{
    long r = -1, k = 0;

    for (; r < 0; k++) {
        struct world *w = world_with_proc();
        uint64_t action[4] = {0x400000, 0x04000000, 0x400000};
        size_t blocks, frames;

        assert_true(world_poke(w, 1, DATA, action, sizeof action));
        assert_int_equal(CALLS(w, 1, CALL_rt_sigaction, SIGUSR1, DATA, 0, 8), 0);
        blocks = w->live_blocks;
        frames = w->live_frames;
        world_quiet(w);
        w->fail_at = k;
        r = CALLS(w, 1, CALL_fork);
        w->fail_at = NEVER;
        if (r < 0) {
            assert_int_equal(r, -ENOMEM);
            assert_int_equal(w->live_blocks, blocks);
            assert_int_equal(w->live_frames, frames);
            assert_int_equal(w->live_threads, 1);
            assert_int_equal(CALLS(w, 1, CALL_wait4, -1ul, 0, 0, 0), -ECHILD);
            assert_int_equal(world_fork(w, 1), 2);
        }
        world_end(w);
    }
    assert_true(k > 5);
}

static void fork_fails_when_fs_does(void **state)
{
    struct world *w = world_with_proc();
    size_t blocks = w->live_blocks;

    w->fs_fork_fails = true;
    assert_int_equal(CALLS(w, 1, CALL_fork), -ENOMEM);
    assert_int_equal(w->live_blocks, blocks);
    assert_int_equal(w->live_spaces, 1);
    assert_int_equal(w->live_threads, 1);
    world_end(w);
}

/* A tree of processes that forks and dies in a random order: pids are unique, and nothing is left. */
static void fork_trees(void **state)
{
    struct world *w = world_with_proc();
    int alive[40] = {1}, count = 1;
    uint64_t seed = 7;

    for (int step = 0; step < 600; step++) {
        seed = seed * 6364136223846793005ul + 1442695040888963407ul;
        int i = (int)((seed >> 33) % (unsigned)count);

        if (seed >> 63 && count < 40) {
            int child = world_fork(w, alive[i]);

            assert_true(child > 1);
            for (int j = 0; j < count; j++)
                assert_int_not_equal(alive[j], child);
            alive[count++] = child;
        } else if (i) {
            exit_process(w, alive[i], 0);
            alive[i] = alive[--count];
        }
        if (step % 3 == 0)
            CALLS(w, alive[(seed >> 40) % (unsigned)count], CALL_wait4, -1ul, DATA, WNOHANG, 0);
    }
    while (CALLS(w, 1, CALL_wait4, -1ul, DATA, WNOHANG, 0) > 0)
        ;
    world_end(w);
}

/* Pids go round, and pass by those that are a process, a group or a session. */
static void pids_are_not_used_twice(void **state)
{
    struct world *w = world_with_proc();
    int first = world_fork(w, 1), leader = world_fork(w, 1), member = world_fork(w, leader), pid = 0;

    assert_int_equal(CALLS(w, leader, CALL_setpgid, 0, 0), 0);
    assert_int_equal(CALLS(w, 1, CALL_setpgid, leader, leader), 0);
    assert_int_equal(CALLS(w, member, CALL_setpgid, 0, (uint64_t)leader), 0);
    exit_process(w, leader, 0);
    assert_int_equal(CALLS(w, 1, CALL_wait4, -1ul, 0, 0, 0), leader); /* its group goes on */
    for (int i = 0; i < 33000; i++) {
        pid = world_fork(w, 1);
        assert_true(pid > 1 && pid < 32768 && pid != first && pid != leader && pid != member);
        exit_process(w, pid, 0);
        assert_int_equal(CALLS(w, 1, CALL_wait4, (uint64_t)pid, 0, 0, 0), pid);
    }
    assert_true(pid < 1000);
    world_end(w);
}

static void clocks(void **state)
{
    static const struct {
        int clock;
        uint64_t ns;
    } cases[] = {
        {CLOCK_REALTIME, WALL + 7 * SECOND + 5}, {CLOCK_MONOTONIC, 7 * SECOND + 5},
        {CLOCK_BOOTTIME, 7 * SECOND + 5},        {CLOCK_MONOTONIC_COARSE, 7 * SECOND + 5},
        {CLOCK_PROCESS_CPUTIME_ID, 3 * SECOND + 2}, {CLOCK_REALTIME_COARSE, WALL + 7 * SECOND + 5},
    };
    struct world *w = world_with_proc();
    struct timespec t;
    struct timeval v;
    struct tms tms;

    w->now = 7 * SECOND + 5;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_int_equal(CALLS(w, 1, CALL_clock_gettime, (uint64_t)cases[i].clock, DATA), 0);
        assert_true(world_peek(w, 1, DATA, &t, sizeof t));
        assert_int_equal((uint64_t)t.tv_sec * SECOND + (uint64_t)t.tv_nsec, cases[i].ns);
        assert_int_equal(CALLS(w, 1, CALL_clock_getres, (uint64_t)cases[i].clock, DATA), 0);
    }
    assert_int_equal(CALLS(w, 1, CALL_clock_gettime, 99, DATA), -EINVAL);
    assert_int_equal(CALLS(w, 1, CALL_clock_gettime, 0, 0x1000), -EFAULT);
    assert_int_equal(CALLS(w, 1, CALL_time, 0), 1700000007);
    assert_int_equal(CALLS(w, 1, CALL_gettimeofday, DATA, 0), 0);
    assert_true(world_peek(w, 1, DATA, &v, sizeof v));
    assert_int_equal(v.tv_sec, 1700000007);
    assert_int_equal(CALLS(w, 1, CALL_times, DATA), 700);
    assert_true(world_peek(w, 1, DATA, &tms, sizeof tms));
    assert_int_equal(tms.tms_stime, 200);
    assert_int_equal(CALLS(w, 1, CALL_getrusage, 5, DATA), -EINVAL);
    assert_int_equal(CALLS(w, 1, CALL_getrusage, RUSAGE_SELF, DATA), 0);
    world_end(w);
}

static void put_timespec(struct world *w, uint64_t at, long seconds, long ns)
{
    struct timespec t = {seconds, ns};

    assert_true(world_poke(w, 1, at, &t, sizeof t));
}

static void sleeping(void **state)
{
    struct world *w = world_with_proc();
    struct call sleep = {.nr = CALL_nanosleep, .pid = 1, .arg = {DATA, DATA + 64}};
    struct call absolute = {.nr = CALL_clock_nanosleep, .pid = 1, .arg = {CLOCK_REALTIME, TIMER_ABSTIME, DATA}};
    struct timespec rest;

    put_timespec(w, DATA, 2, 5);
    w->now = 1000;
    assert_int_equal(world_call(w, &sleep), CALL_WAIT);
    assert_int_equal(sleep.until, 2 * SECOND + 1005);
    assert_int_equal(sleep.channel, 0);
    w->now = SECOND + 1005;
    assert_int_equal(world_call(w, &sleep), CALL_WAIT);
    assert_int_equal(sleep.until, 2 * SECOND + 1005); /* the deadline stays */
    sleep.flags = CALL_INTERRUPTED;
    assert_int_equal(world_call(w, &sleep), -516);
    assert_true(world_peek(w, 1, DATA + 64, &rest, sizeof rest));
    assert_int_equal(rest.tv_sec, 1);
    assert_int_equal(rest.tv_nsec, 0);
    w->now = 2 * SECOND + 1005;
    sleep = (struct call){.nr = CALL_nanosleep, .pid = 1, .arg = {DATA, DATA + 64}}; /* restarted: the old deadline */
    assert_int_equal(world_call(w, &sleep), 0);
    put_timespec(w, DATA, 0, (long)SECOND);
    assert_int_equal(CALLS(w, 1, CALL_nanosleep, DATA), -EINVAL);
    put_timespec(w, DATA, 1700000009, 0);
    assert_int_equal(world_call(w, &absolute), CALL_WAIT);
    assert_int_equal(absolute.until, 9 * SECOND);
    put_timespec(w, DATA, 1, 0);
    assert_int_equal(CALLS(w, 1, CALL_clock_nanosleep, CLOCK_MONOTONIC, TIMER_ABSTIME, DATA), 0); /* past */
    assert_int_equal(CALLS(w, 1, CALL_clock_nanosleep, 99, 0, DATA), -EINVAL);
    world_end(w);
}

static void futexes(void **state)
{
    struct world *w = world_with_proc();
    int child = world_fork(w, 1);
    uint32_t value = 1;
    struct call a = {.nr = CALL_futex, .pid = 1, .arg = {DATA, FUTEX_WAIT, 1}};
    struct call b = {.nr = CALL_futex, .pid = 1, .arg = {DATA, FUTEX_WAIT | FUTEX_PRIVATE_FLAG, 1, DATA + 64}};

    assert_true(world_poke(w, 1, DATA, &value, sizeof value));
    assert_true(world_poke(w, child, DATA, &value, sizeof value));
    assert_int_equal(CALLS(w, 1, CALL_futex, DATA, FUTEX_WAIT, 2), -EAGAIN);
    assert_int_equal(CALLS(w, 1, CALL_futex, DATA + 1, FUTEX_WAIT, 1), -EINVAL);
    assert_int_equal(CALLS(w, 1, CALL_futex, DATA, 99, 1), -ENOSYS);
    assert_int_equal(CALLS(w, 1, CALL_futex, DATA, FUTEX_WAKE, 1), 0);
    assert_int_equal(world_call(w, &a), CALL_WAIT);
    assert_int_equal(world_call(w, &a), CALL_WAIT); /* spurious */
    assert_int_equal(CALLS(w, child, CALL_futex, DATA + 4, FUTEX_WAKE, 1), 0);
    assert_int_equal(CALLS(w, child, CALL_futex, DATA, FUTEX_WAKE, 1), 1);
    assert_int_equal(w->woken[(w->wakes - 1) % 64], a.channel);
    assert_int_equal(world_call(w, &a), 0);
    put_timespec(w, DATA + 64, 1, 0);
    assert_int_equal(world_call(w, &b), CALL_WAIT);
    assert_int_equal(CALLS(w, child, CALL_futex, DATA, FUTEX_WAKE | FUTEX_PRIVATE_FLAG, 1), 0); /* another space */
    w->now += 2 * SECOND;
    assert_int_equal(world_call(w, &b), -ETIMEDOUT);
    a = (struct call){.nr = CALL_futex, .pid = 1, .arg = {DATA, FUTEX_WAIT, 1}};
    assert_int_equal(world_call(w, &a), CALL_WAIT);
    a.flags = CALL_INTERRUPTED;
    assert_int_equal(world_call(w, &a), -ERESTART);
    assert_int_equal(CALLS(w, child, CALL_futex, DATA, FUTEX_WAKE, 1), 0); /* it waits no more */
    world_end(w);
}

/* A process ends with two locks held, one just being taken, and one that is another's: in memory shared with its parent. */
static void locks_of_the_dead(void **state)
{
    for (long k = NEVER; k < 12; k++) {
        struct world *w = world_with_proc();
        uint64_t shared = (uint64_t)CALLS(w, 1, CALL_mmap, 0, 4096, 3, 0x21, -1ul, 0);
        uint64_t a = shared + 64, b = shared + 128, taken = shared + 192, other = shared + 256;
        uint64_t head[3] = {a, 32, taken}, to_b = b, to_other = other, to_head = shared;
        uint32_t mine = 2 | FUTEX_WAITERS, not_mine = 1;
        struct call wait = {.nr = CALL_futex, .pid = 1, .arg = {b + 32, FUTEX_WAIT, 2 | FUTEX_WAITERS}};

        assert_true(world_poke(w, 1, shared, head, sizeof head));
        assert_true(world_poke(w, 1, a, &to_b, 8) && world_poke(w, 1, b, &to_other, 8));
        assert_true(world_poke(w, 1, other, &to_head, 8) && world_poke(w, 1, other + 32, &not_mine, 4));
        assert_true(world_poke(w, 1, a + 32, &mine, 4) && world_poke(w, 1, b + 32, &mine, 4));
        assert_true(world_poke(w, 1, taken + 32, &mine, 4));
        assert_int_equal(world_fork(w, 1), 2);
        assert_int_equal(CALLS(w, 2, CALL_set_robust_list, shared, 24), 0);
        assert_int_equal(world_call(w, &wait), CALL_WAIT);
        world_quiet(w);
        w->wait_at = k;
        exit_process(w, 2, 0);
        world_quiet(w);
        assert_int_equal(word_at(w, 1, a + 32), FUTEX_OWNER_DIED | FUTEX_WAITERS);
        assert_int_equal(word_at(w, 1, b + 32), FUTEX_OWNER_DIED | FUTEX_WAITERS);
        assert_int_equal(word_at(w, 1, taken + 32), FUTEX_OWNER_DIED | FUTEX_WAITERS);
        assert_int_equal(word_at(w, 1, other + 32), 1);
        assert_int_equal(world_call(w, &wait), 0); /* woken */
        world_end(w);
    }
}

/* A list that goes in a circle, or nowhere. */
static void a_hostile_list_ends(void **state)
{
    struct world *w = world_with_proc();
    uint64_t circle[3] = {DATA + 64, 32, 0}, itself = DATA + 64, nowhere[3] = {0x1000, -1ul, 0x2000};

    assert_true(world_poke(w, 1, DATA, circle, sizeof circle) && world_poke(w, 1, DATA + 64, &itself, 8));
    assert_int_equal(world_fork(w, 1), 2);
    assert_int_equal(CALLS(w, 2, CALL_set_robust_list, DATA, 24), 0);
    exit_process(w, 2, 0);
    assert_int_equal(CALLS(w, 1, CALL_wait4, -1ul, 0, 0, 0), 2);
    assert_true(world_poke(w, 1, DATA, nowhere, sizeof nowhere));
    assert_int_equal(CALLS(w, 1, CALL_set_robust_list, DATA, 24), 0);
    world_end(w);
}

static void random_bytes(void **state)
{
    uint8_t first[200], second[200], child_bytes[200];
    struct world *w = world_with_proc(), *v = world_with_proc();
    int child = world_fork(w, 1);

    assert_int_equal(CALLS(w, 1, CALL_getrandom, DATA, 200, 0), 200);
    assert_true(world_peek(w, 1, DATA, first, 200));
    assert_int_equal(CALLS(w, child, CALL_getrandom, DATA, 200, 0), 200);
    assert_true(world_peek(w, child, DATA, child_bytes, 200));
    assert_int_equal(CALLS(v, 1, CALL_getrandom, DATA, 200, 0), 200);
    assert_true(world_peek(v, 1, DATA, second, 200));
    assert_memory_equal(first, second, 200); /* the same machine */
    assert_memory_not_equal(first, child_bytes, 200);
    assert_memory_not_equal(first, first + 64, 64);
    assert_int_equal(CALLS(w, 1, CALL_getrandom, DATA, 10, 0x100), -EINVAL);
    assert_int_equal(CALLS(w, 1, CALL_getrandom, 0x1000, 10, 0), -EFAULT);
    world_end(w);
    world_end(v);
}

static void system_names(void **state)
{
    struct world *w = world_with_proc();
    struct utsname name;
    char comm[16];
    uint64_t base;

    assert_int_equal(CALLS(w, 1, CALL_uname, DATA), 0);
    assert_true(world_peek(w, 1, DATA, &name, sizeof name));
    assert_string_equal(name.sysname, "Linux");
    assert_string_equal(name.release, "6.1.0-ringside");
    assert_string_equal(name.machine, "x86_64");
    assert_string_equal(name.version, "#1 test");
    assert_int_equal(CALLS(w, 1, CALL_prctl, 16, DATA), 0); /* PR_GET_NAME */
    assert_true(world_peek(w, 1, DATA, comm, 16));
    assert_string_equal(comm, "init");
    assert_true(world_poke(w, 1, DATA + 0x3ffd, "ab", 3)); /* at the very end of mapped memory */
    assert_int_equal(CALLS(w, 1, CALL_prctl, 15, DATA + 0x3ffd), 0);
    assert_int_equal(CALLS(w, 1, CALL_prctl, 16, DATA), 0);
    assert_true(world_peek(w, 1, DATA, comm, 16));
    assert_string_equal(comm, "ab");
    assert_int_equal(CALLS(w, 1, CALL_prctl, 77), -EINVAL);
    assert_int_equal(CALLS(w, 1, CALL_arch_prctl, 0x1002, 0x1234), 0);
    assert_int_equal(w->thread[1].context.fs_base, 0x1234);
    assert_int_equal(CALLS(w, 1, CALL_arch_prctl, 0x1003, DATA), 0);
    assert_true(world_peek(w, 1, DATA, &base, 8));
    assert_int_equal(base, 0x1234);
    assert_int_equal(CALLS(w, 1, CALL_arch_prctl, 0x1002, 1ul << 63), -EPERM);
    assert_int_equal(CALLS(w, 1, CALL_sched_yield), 0);
    assert_int_equal(w->yields, 1);
    assert_int_equal(CALLS(w, 1, CALL_sched_getaffinity, 0, 8, DATA), 8);
    assert_int_equal(word_at(w, 1, DATA), 1);
    assert_int_equal(CALLS(w, 1, CALL_sysinfo, DATA), 0);
    world_end(w);
}

static void limits(void **state)
{
    struct world *w = world_with_proc();
    struct rlimit limit = {5, 6};
    int child;

    assert_int_equal(CALLS(w, 1, CALL_getrlimit, RLIMIT_STACK, DATA), 0);
    assert_true(world_peek(w, 1, DATA, &limit, sizeof limit));
    assert_int_equal(limit.rlim_cur, 8 << 20);
    limit = (struct rlimit){50, 60};
    assert_true(world_poke(w, 1, DATA, &limit, sizeof limit));
    assert_int_equal(CALLS(w, 1, CALL_prlimit64, 0, RLIMIT_NOFILE, DATA, DATA + 64), 0);
    assert_int_equal(word_at(w, 1, DATA + 64), 1024);
    assert_int_equal(w->fs_limit, 50); /* who has the descriptors is told */
    child = world_fork(w, 1);
    assert_int_equal(CALLS(w, 1, CALL_prlimit64, (uint64_t)child, RLIMIT_NOFILE, 0, DATA + 64), 0);
    assert_int_equal(word_at(w, 1, DATA + 64), 50);
    limit = (struct rlimit){7, 6};
    assert_true(world_poke(w, 1, DATA, &limit, sizeof limit));
    assert_int_equal(CALLS(w, 1, CALL_setrlimit, RLIMIT_NOFILE, DATA), -EINVAL);
    limit = (struct rlimit){7, RLIM_INFINITY};
    assert_true(world_poke(w, 1, DATA, &limit, sizeof limit));
    assert_int_equal(CALLS(w, 1, CALL_setrlimit, RLIMIT_NOFILE, DATA), -EPERM); /* beyond fs.nr_open, even for root */
    assert_int_equal(w->fs_limit, 50);
    assert_int_equal(CALLS(w, 1, CALL_setrlimit, RLIMIT_AS, DATA), 0);
    assert_int_equal(CALLS(w, 1, CALL_mmap, 0, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1ul, 0), -ENOMEM);
    assert_int_equal(CALLS(w, 1, CALL_getrlimit, 16, DATA), -EINVAL);
    assert_int_equal(CALLS(w, 1, CALL_prlimit64, 99, 0, 0, 0), -ESRCH);
    world_end(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(identities),
        cmocka_unit_test(groups_and_sessions),
        cmocka_unit_test(wait_reports_and_reaps),
        cmocka_unit_test(wait_selects),
        cmocka_unit_test(orphans_go_to_the_first_process),
        cmocka_unit_test(the_first_process_takes_all_along),
        cmocka_unit_test(ignored_children_reap_themselves),
        cmocka_unit_test(fork_copies_memory_and_context),
        cmocka_unit_test(vfork_waits_for_exit),
        cmocka_unit_test(clone_flags),
        cmocka_unit_test(a_failed_fork_leaves_nothing),
        cmocka_unit_test(fork_fails_when_fs_does),
        cmocka_unit_test(fork_trees),
        cmocka_unit_test(pids_are_not_used_twice),
        cmocka_unit_test(clocks),
        cmocka_unit_test(sleeping),
        cmocka_unit_test(futexes),
        cmocka_unit_test(locks_of_the_dead),
        cmocka_unit_test(a_hostile_list_ends),
        cmocka_unit_test(random_bytes),
        cmocka_unit_test(system_names),
        cmocka_unit_test(limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
