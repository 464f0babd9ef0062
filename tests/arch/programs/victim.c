/* SPDX-License-Identifier: MIT
 *
 * victim fsd | ttyd N | vmd: calls a hostile server (tests/arch/images) until it has tried all its attacks, and looks
 * after each one whether its memory is what it was. A bystander works with a file and a pipe meanwhile.
 *
 * victim silence | deaf: calls a hostile fsd that does not answer.
 */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/arch/images/hostile.h"
#include "tests/arch/programs/stand_by.h"

#define PAGE 4096
#define GRANTED 2048
#define HANDLES 1024

static char memory[3 * PAGE] __attribute__((aligned(PAGE)));
static char secret[64];
static char *const granted = memory + PAGE + 256;
static volatile int *stop;
static unsigned nap_us = 500; /* of the bystander */
static unsigned number;       /* of ttyd's attack */

static long hostile(long nr, uint64_t offset)
{
    return syscall(nr, HOSTILE_FD, granted, GRANTED, offset, secret);
}

static void fill(void)
{
    memset(memory, 's', sizeof memory);
    memset(secret, 's', sizeof secret);
    memset(granted, 'g', GRANTED);
}

/* What was not granted for writing is as it was. */
static int is_whole(int granted_too)
{
    int whole = 1;

    for (size_t i = 0; i < sizeof memory; i++)
        if (memory + i >= granted && memory + i < granted + GRANTED)
            whole &= !granted_too || memory[i] == 'g';
        else
            whole &= memory[i] == 's';
    for (size_t i = 0; i < sizeof secret; i++)
        whole &= secret[i] == 's';
    return whole;
}

static unsigned all_attacks(long nr)
{
    unsigned damaged = 0;

    for (uint64_t n = 0;; n++) {
        long result;

        fill();
        result = hostile(nr, n);
        if (result < 0 && errno == ENOENT)
            return damaged;
        damaged += result != 0 || !is_whole(nr == SYS_pwrite64);
    }
}

/* ---- the bystander ---- */

static void stand_by(void)
{
    unsigned round = 0;

    do {
        if (!file_is_right(round) || !pipe_is_right(round))
            _exit(1);
        usleep(nap_us);
    } while (round++, !*stop);
    _exit(round > 2 ? 0 : 2);
}

/* ---- handles of the dead ---- */

static void child_calls(uint64_t offset)
{
    hostile(SYS_pwrite64, offset);
    _exit(0);
}

static void leave(int signo)
{
    (void)signo;
    _exit(9);
}

/* Tells whether its handle is this one; if so, waits for SIGUSR1. */
static void have_handle(long handle, int tell)
{
    char yes = hostile(SYS_pwrite64, HOSTILE_WHO) == handle;

    signal(SIGUSR1, leave);
    if (write(tell, &yes, 1) != 1 || !yes)
        _exit(0);
    for (;;)
        pause();
}

/* Processes until one has that handle. */
static pid_t reuse(long handle)
{
    int ends[2];
    char yes = 0;

    if (pipe(ends))
        return -1;
    for (unsigned n = 0; n < 2 * HANDLES; n++) {
        pid_t child = fork();

        if (child == 0)
            have_handle(handle, ends[1]);
        if (child < 0 || read(ends[0], &yes, 1) != 1)
            return -1;
        if (yes)
            return child;
        waitpid(child, NULL, 0);
    }
    return -1;
}

/* A call that is never answered: who waits can be killed, and its handle then is nobody's, also when it is another's.
 */
static void stale_handle(void)
{
    pid_t child = fork(), other;
    long handle;
    int status;

    if (child == 0)
        child_calls(HOSTILE_HOLD);
    usleep(2000);
    kill(child, SIGKILL);
    waitpid(child, &status, 0);
    handle = hostile(SYS_pwrite64, HOSTILE_STALE);
    printf("never answered: %s, its handle %s\n", WIFSIGNALED(status) ? "killed" : "lives",
           handle > 2 ? "is stale" : "works");
    other = reuse(handle);
    printf("the handle again: %s\n", other < 0                                        ? "never"
                                     : hostile(SYS_pwrite64, HOSTILE_STALE) == handle ? "another's, stale"
                                                                                      : "works");
    if (other < 0)
        return;
    usleep(1000);
    kill(other, SIGUSR1);
    waitpid(other, &status, 0);
    printf("whose it is now: exit %d\n", WEXITSTATUS(status));
}

static void report(pid_t by)
{
    int status;

    *stop = 1;
    waitpid(by, &status, 0);
    printf("bystander: %s\n", WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "all right" : "disturbed");
}

/* ---- silence ---- */

static void say_result(const char *what, long result)
{
    printf("%s: %s\n", what, result >= 0 ? "done" : errno == EIO ? "EIO" : strerror(errno));
}

static int end_of(pid_t child)
{
    int status;

    waitpid(child, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

/* It asks procd for a child, and procd asks fsd. */
static void forgotten_request(void)
{
    pid_t child;

    hostile(SYS_pwrite64, HOSTILE_FORGETS_REQUEST);
    child = fork();
    if (child == 0)
        _exit(0);
    say_result("a request is forgotten", child);
}

/* SIGTERM is for the server to hear of, which does nothing. */
static void kept_for_ever(void)
{
    pid_t child = fork();

    if (child == 0)
        child_calls(HOSTILE_SILENT);
    usleep(3000000);
    kill(child, SIGTERM);
    usleep(3000000);
    printf("a call is kept for ever: %s", waitpid(child, NULL, WNOHANG) == 0 ? "waits" : "ended");
    kill(child, SIGKILL);
    printf(", signal %d\n", end_of(child));
}

static void be_kept_waiting(void)
{
    say_result("a call is forgotten", hostile(SYS_pwrite64, HOSTILE_FORGETS));
    forgotten_request();
    kept_for_ever();
    hostile(SYS_pwrite64, HOSTILE_LEAVES);
}

/* Nothing can be printed any more. */
static int call_the_deaf(void)
{
    return hostile(SYS_pwrite64, HOSTILE_DEAF) < 0 && errno == EIO && write(1, "x", 1) < 0 && errno == EIO ? 0 : 3;
}

/* ---- the whole ---- */

static void be_attacked_by_fsd(void)
{
    printf("damaged: %u\n", all_attacks(SYS_pwrite64));
    printf("damaged: %u\n", all_attacks(SYS_pread64));
    fflush(stdout);
    stale_handle();
}

/* What the call says does not matter, only that it comes back, and that there is a terminal afterwards. */
static void be_attacked_by_ttyd(void)
{
    fill();
    usleep(3000); /* so that the bystander is at work */
    syscall(SYS_ioctl, 1, HOSTILE_IOCTL | number, granted);
    printf("damaged: %u\n", !is_whole(0));
    usleep(3000);
}

/* Maps two pages, writes a SYSCALL into them, and goes there. Nothing of the program's own text is needed for it. */
static void *code_elsewhere(void)
{
    static const uint8_t code[] = {
        0xb8, 9,    0,    0,    0,                      /* mov $SYS_mmap, %eax; the arguments are loaded */
        0x0f, 0x05,                                     /* syscall */
        0x66, 0x41, 0xc7, 0x44, 0x24, 0xfe, 0x0f, 0x05, /* movw $0x050f, -2(%r12): a SYSCALL that ends at `where` */
        0xb8, 11,   0,    0,    0,                      /* mov $SYS_munmap, %eax */
        0x4c, 0x89, 0xef,                               /* mov %r13, %rdi */
        0x4c, 0x89, 0xf6,                               /* mov %r14, %rsi */
        0xff, 0xe3,                                     /* jmp *%rbx */
    };
    void *page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    return memcpy(page, code, sizeof code);
}

/* The call that takes the space away returns to `where`, which may be in the program's own text. */
static void lose_space_before(long where)
{
    void *code = code_elsewhere();
    register long page __asm__("rdi") = (where - 2) & -PAGE;
    register long bytes __asm__("rsi") = 2 * PAGE;
    register long prot __asm__("rdx") = PROT_READ | PROT_WRITE | PROT_EXEC;
    register long flags __asm__("r10") = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    register long fd __asm__("r8") = -1;
    register long offset __asm__("r9") = 0;
    register long target __asm__("r12") = where;
    register long address __asm__("r13") = HOSTILE_ADDRESS;
    register long number __asm__("r14") = HOSTILE_DESTROY + 1;
    register long jump __asm__("rbx") = where - 2;

    __asm__ volatile("jmp *%0"
                     :
                     : "a"(code), "r"(page), "r"(bytes), "r"(prot), "r"(flags), "r"(fd), "r"(offset), "r"(target),
                       "r"(address), "r"(number), "r"(jump)
                     : "memory");
}

/* Who has no space does nothing until it is killed, or dies of that; it does not run in vmd's. */
static void be_attacked_by_vmd(void)
{
    long where = syscall(SYS_munmap, HOSTILE_ADDRESS, HOSTILE_WHERE + 1);
    pid_t child;
    int signal;

    for (uint64_t n = 0; syscall(SYS_munmap, HOSTILE_ADDRESS, n + 1) == 0; n++)
        ;
    child = fork();
    if (child == 0) {
        usleep(1000);
        lose_space_before(where);
    }
    usleep(3000);
    kill(child, SIGKILL);
    signal = end_of(child);
    printf("without a space: %s\n", signal == SIGSEGV || signal == SIGKILL ? "ended" : "ran");
}

static const struct {
    const char *name;
    void (*be)(void);
} modes[] = {
    {"fsd", be_attacked_by_fsd},
    {"ttyd", be_attacked_by_ttyd},
    {"vmd", be_attacked_by_vmd},
    {"silence", be_kept_waiting},
};

static void be(const char *name)
{
    for (size_t i = 0; i < sizeof modes / sizeof *modes; i++)
        if (strcmp(name, modes[i].name) == 0)
            modes[i].be();
}

int main(int argc, char **argv)
{
    pid_t by;

    setvbuf(stdout, NULL, _IONBF, 0);
    if (argc < 2)
        return 2;
    if (strcmp(argv[1], "deaf") == 0)
        return call_the_deaf();
    if (strcmp(argv[1], "silence") == 0)
        nap_us = 50000;
    number = argc > 2 ? (unsigned)atoi(argv[2]) : 0;
    stop = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    by = fork();
    if (by == 0)
        stand_by();
    be(argv[1]);
    report(by);
    return 0;
}
