/* SPDX-License-Identifier: MIT
 *
 * guest/selftest/selftest.c: a kernel without services that exercises guest/ on the machine.
 *
 * It boots like any kernel, runs one check after the other, prints "ok NAME" or "FAILED NAME: what" for each, and
 * switches off with the number of failures as exit status. `--set overflow=on` overruns a kernel stack instead: the
 * guard page must turn that into a double fault, not into silence.
 */
#include "abi/devices.h"
#include "guest/clock.h"
#include "guest/cpu.h"
#include "guest/frames.h"
#include "guest/heap.h"
#include "guest/kernel.h"
#include "guest/layout.h"
#include "guest/paging.h"
#include "guest/print.h"
#include "guest/sched.h"
#include "guest/settings.h"
#include "guest/thread.h"
#include "guest/trap.h"
#include "guest/x86.h"

#define MS 1000000ul
#define CODE 0x400000ul
#define DATA 0x600000ul
#define CHANNEL_A 77

static unsigned failures;

static void check(const char *name, bool ok)
{
    print("%s %s\n", ok ? "ok" : "FAILED", name);
    failures += !ok;
}

/* ---- memory ---- */

static void check_frames(void)
{
    size_t before = frames_available();
    uint64_t one = frame_alloc(), run = frames_alloc(5), big = frames_alloc(300);

    check("frames: aligned", one && run && big && !(one % PAGE_BYTES) && !(run % PAGE_BYTES));
    check("frames: disjoint",
          (one < run || one >= run + 5 * PAGE_BYTES) && (run + 5 * PAGE_BYTES <= big || run >= big));
    check("frames: counted", before - frames_available() == 306);
    check("frames: too much", frames_alloc(frames_total() + 1) == 0 && frames_available() == before - 306);
    frame_free(one);
    frames_free(big, 300);
    for (unsigned i = 0; i < 5; i++)
        frame_free(run + i * PAGE_BYTES);
    check("frames: all back", frames_available() == before);
}

static void check_ends(const struct boot_info *boot)
{
    uint64_t *last = direct(boot->ram_bytes - sizeof(*last)), before = *last;

    print("guests: %u of %lu MiB above %lu\n", boot->guests, boot->guest_ram_bytes >> 20, boot->free_end >> 20);
    check("frames: end where they are to end", frames_total() * PAGE_BYTES == boot->free_end);
    *last = ~before;
    check("ram: mapped to its end", *last == ~before && boot->ram_bytes == boot->free_end + boot->guests * boot->guest_ram_bytes);
    *last = before;
}

/* Every frame once, then all back: the buddies must join again to give a large run. */
static void check_exhaustion(void)
{
    size_t before = frames_available(), taken = 0;
    uint64_t list = 0, frame, run;

    while ((frame = frame_alloc())) {
        *(uint64_t *)direct(frame) = list;
        list = frame;
        taken++;
    }
    check("frames: exhausted", taken == before && frames_available() == 0 && !heap_alloc(100) && !heap_alloc(10000));
    while (list) {
        frame = *(uint64_t *)direct(list);
        frame_free(list);
        list = frame;
    }
    run = frames_alloc(1024);
    check("frames: joined again", frames_available() == before - 1024 && run);
    frames_free(run, 1024);
}

static void check_heap(void)
{
    static const size_t sizes[] = {1, 16, 17, 100, 1000, 2016, 2017, 4096, 5000, 70000};
    enum { COUNT = sizeof(sizes) / sizeof(sizes[0]) };
    size_t before = frames_available();
    char *block[COUNT][3];
    bool zero = true, aligned = true, paged = true;

    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < COUNT * 3; i++) {
            size_t bytes = sizes[i / 3];
            char *p = block[i / 3][i % 3] = heap_alloc(bytes);

            for (size_t b = 0; b < bytes; b++)
                zero = zero && !p[b];
            aligned = aligned && !((uint64_t)p % 16);
            paged = paged && (bytes < 4096 || !((uint64_t)p % PAGE_BYTES));
            __builtin_memset(p, 0xa5, bytes);
        }
        for (unsigned i = 0; i < COUNT * 3; i++)
            heap_free(block[i / 3][i % 3], sizes[i / 3]);
    }
    heap_shrink();
    check("heap: zeroed", zero);
    check("heap: aligned", aligned && paged);
    check("heap: nothing lost", frames_available() == before);
}

static void check_strings(void)
{
    char a[200], b[200];
    bool ok = true;

    for (unsigned i = 0; i < sizeof(a); i++)
        a[i] = b[i] = (char)i;
    for (unsigned n = 0; n < 100; n++) {
        __builtin_memmove(a + 3, a, n);
        __builtin_memmove(a, a + 3, n);
        ok = ok && !__builtin_memcmp(a, b, n);
        __builtin_memcpy(a, b, sizeof(a));
        __builtin_memmove(a + 70, a + 60, n);
        ok = ok && !__builtin_memcmp(a + 70, b + 60, n) && !__builtin_memcmp(a, b, 70);
        __builtin_memcpy(a, b, sizeof(a));
    }
    check("strings: overlapping moves", ok);
    check("settings", settings_on("pcid=off a=on", "a", false) && !settings_on("x=on x=off", "x", true) &&
                          settings_on("pcidx=off", "pcid", true) && !settings_on("a=on", "aa", false));
}

/* ---- threads ---- */

static unsigned trace; /* one digit a step */
static unsigned released;
static struct thread thread_a, thread_b;

static void count_release(struct thread *thread)
{
    released++;
}

static void run_a(void *argument)
{
    for (unsigned i = 0; i < 3; i++) {
        trace = trace * 10 + 1;
        sched_yield();
    }
    sched_wake(CHANNEL_A);
    sched_exit();
}

static void run_b(void *argument)
{
    for (unsigned i = 0; i < 3; i++) {
        trace = trace * 10 + 2;
        sched_yield();
    }
    sched_sleep(CHANNEL_A + 1, SCHED_FOREVER, true);
    sched_exit();
}

static void check_threads(void)
{
    uint64_t begin;

    check("threads: made",
          thread_init(&thread_a, run_a, NULL, count_release) && thread_init(&thread_b, run_b, NULL, count_release));
    sched_ready(&thread_a);
    sched_ready(&thread_b);
    check("threads: woken by channel", sched_sleep(CHANNEL_A, SCHED_FOREVER, false) == WAKE_CHANNEL);
    check("threads: round robin", trace == 121212);
    begin = clock_ns();
    check("threads: woken by time", sched_sleep(CHANNEL_A, begin + 30 * MS, false) == WAKE_TIME);
    check("threads: in time", clock_ns() - begin >= 30 * MS && clock_ns() - begin < 31 * MS);
    check("threads: a past deadline", sched_sleep(0, 1, false) == WAKE_TIME);
    sched_kill(&thread_b);
    sched_sleep(0, clock_ns() + MS, false);
    check("threads: none left, stacks too", released == 2);
}

/* ---- ring 3 ---- */

/* Five steps: system calls around a computation that the time slice interrupts, a store that faults, and UD2. */
static const unsigned char program[] = {
    0x0f, 0x05,                                                 /* syscall */
    0xb9, 0x00, 0x00, 0x00, 0x04, 0xff, 0xc9, 0x75, 0xfc,       /* mov ecx, 1 << 26; 1: dec ecx; jnz 1b */
    0x0f, 0x05,                                                 /* syscall */
    0xc7, 0x04, 0x25, 0x00, 0x00, 0x60, 0x00, 0x05, 0,    0, 0, /* movl $5, DATA */
    0x48, 0xff, 0xc0,                                           /* inc rax */
    0x0f, 0x05,                                                 /* syscall */
    0x0f, 0x0b,                                                 /* ud2 */
};
#define STORE 13
#define AT_UD2 29

static struct {
    struct thread thread;
    unsigned calls, preempted, faults;
    uint64_t last_rip, last_rax, fault_rip, fault_error;
    bool short_way; /* kernel_syscall's answer */
} user;

static void user_begin(void *argument)
{
    struct user_context *context = thread_context_write(&user.thread);

    context->regs.rip = CODE;
    context->regs.rsp = 0x700000;
    context->regs.r15 = 15;
    context->fs_base = 0x1234000;
    thread_load_user_state();
    return_to_user(&user.thread.context->regs);
}

bool kernel_syscall(struct user_regs *regs)
{
    user.calls++;
    user.last_rip = regs->rip;
    user.last_rax = regs->rax;
    regs->rax = 41;
    while (this_cpu()->reschedule)
        sched_before_user();
    thread_load_user_state();
    user.short_way = !user.short_way;
    return user.short_way;
}

void kernel_user_return(struct user_regs *regs)
{
    while (this_cpu()->reschedule) {
        user.preempted++;
        sched_before_user();
    }
    thread_load_user_state();
}

static void page_fault(struct user_regs *regs)
{
    uint64_t address = read_cr2();

    if (trap_in_user_access(regs) && address == DATA + PAGE_BYTES) {
        trap_abandon_user_access(regs);
        return;
    }
    if (address - DATA >= PAGE_BYTES || !(from_user(regs) || trap_in_user_access(regs)))
        trap_panic(regs);
    if (!user.faults++ && !user.fault_rip) {
        user.fault_rip = regs->rip;
        user.fault_error = regs->error;
    }
    space_map(user.thread.space, DATA, frame_alloc(), PAGE_WRITE);
}

static void check_user_copies(void)
{
    char text[32] = "";
    uint64_t value = 0;

    check("copy: from the program", copy_user(&value, (void *)DATA, 4) == 0 && value == 5);
    check("copy: to the program", copy_user((void *)(DATA + 16), "abc", 4) == 0 &&
                                      peek_user_string(text, (char *)DATA + 16, 3) == 2 && text[1] == 'b' && !text[2]);
    check("copy: stops at a hole", copy_user(text, (void *)(DATA + PAGE_BYTES - 5), 12) == 7 &&
                                       copy_user(text, (void *)(DATA + PAGE_BYTES - 8), 16) == 8);
    check("copy: no string in a hole", peek_user_string(text, (char *)DATA + PAGE_BYTES, 9) == -1);
    space_protect(user.thread.space, DATA, 1, 0);
    user.faults = 0;
    copy_user(&value, (void *)DATA, 8);
    check("paging: no access", user.faults == 1);
}

static void invalid_opcode(struct user_regs *regs)
{
    check("ring 3: invalid opcode", from_user(regs) && regs->rip == CODE + AT_UD2 && regs->r15 == 15);
    check_user_copies();
    sched_wake(CHANNEL_A);
    sched_exit();
}

trap_handler *const kernel_traps[256] = {
    [6] = invalid_opcode,
    [VECTOR_PAGE_FAULT] = page_fault,
};

static void user_create(void)
{
    uint64_t frame = frame_alloc();

    thread_init(&user.thread, user_begin, NULL, count_release);
    user.thread.space = space_create();
    __builtin_memcpy(direct(frame), program, sizeof(program));
    space_map(user.thread.space, CODE, frame, PAGE_READ | PAGE_EXEC);
}

/* Frames are freed by the caller of space_map: code, and data twice. */
static void check_ring3(void)
{
    size_t before, after;
    unsigned wakes = 0;

    thread_stacks_shrink();
    before = frames_available();
    user_create();
    sched_ready(&user.thread);
    while (user.calls < 2 && wakes++ < 10)
        sched_sleep(0, clock_ns() + 5 * MS, false);
    check("ring 3: preempted", user.preempted >= 1);
    if (user.thread.state != THREAD_DEAD)
        sched_sleep(CHANNEL_A, clock_ns() + 100 * MS, false);
    check("ring 3: three calls", user.calls == 3 && user.last_rip == CODE + AT_UD2 && user.last_rax == 42);
    check("ring 3: fault", user.fault_error == (FAULT_USER | FAULT_WRITE) && user.fault_rip == CODE + STORE);
    sched_sleep(0, clock_ns() + MS, false);
    space_unmap(user.thread.space, 0, USER_TOP / PAGE_BYTES, NULL);
    space_destroy(user.thread.space);
    thread_stacks_shrink();
    after = frames_available();
    check("ring 3: tables and stack freed", before - after == 3 && released == 3);
}

static int overflow(int n)
{
    volatile char page[2000];

    page[0] = (char)n;
    return n ? overflow(n - 1) + page[0] : 0;
}

void kernel_main(const struct boot_info *boot)
{
    if (settings_on(boot->settings, "overflow", false))
        overflow(100);
    check_ends(boot);
    check_frames();
    check_heap();
    check_exhaustion();
    check_strings();
    check_threads();
    check_ring3();
    print("%u failed\n", failures);
    power_off((int)failures);
}
