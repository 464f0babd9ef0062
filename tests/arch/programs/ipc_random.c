/* SPDX-License-Identifier: MIT
 *
 * ipc_random CALLS SEED: at least so many random kernel calls of a microkernel, by several processes at once that share
 * endpoints: forged capabilities and handles, bad addresses and lengths, calls that only servers may make, numbers
 * beyond the table; and among them proper ones: endpoints made, closed, used up and inherited, calls that are answered,
 * answered late or never, receivers that die while they serve, callers that are killed while they wait, two receivers
 * at one endpoint.
 *
 * Every answer is held against what abi/ipc.h allows. Nobody waits for ever: a timer interrupts each worker again and
 * again. Meanwhile a bystander works with a file and a pipe and looks at what it gets. What is printed is the same for
 * every seed, if all is well.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/arch/programs/kernel_call.h"
#include "tests/arch/programs/stand_by.h"

#define WORKERS 4
#define SHARED_ENDPOINTS 3
#define TURN 24 /* calls of a worker between two looks at the end */
#define TICK_US 1000
#define CHANCE 0x7777 /* an answer to a handle that was guessed */

/* Seen by all processes. */
static struct shared {
    volatile unsigned long calls, wanted, strange, received, answered, interrupted, broken, killed, used_up, forks;
    volatile unsigned long strange_nr, strange_result; /* the last one */
    volatile int stop, bystander;
} * shared;

static uint64_t state;

static uint64_t random_word(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

static unsigned below(unsigned n)
{
    return (unsigned)(random_word() >> 20) % n;
}

static void tick(int signo)
{
    (void)signo;
}

static void be_interrupted(void)
{
    struct sigaction action = {.sa_handler = tick};
    struct itimerval timer = {{0, TICK_US}, {0, TICK_US}};

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
}

static void check(int good, uint64_t nr, long result)
{
    shared->calls++;
    if (good)
        return;
    shared->strange++;
    shared->strange_nr = nr;
    shared->strange_result = (unsigned long)result;
}

/* ---- values ---- */

static uint64_t wild_address(void)
{
    static char memory[4096];
    static const uint64_t addresses[] = {0,
                                         1,
                                         0x400000,
                                         0x10001000,
                                         0x10010000,
                                         0x20000000,
                                         0x7ffffffff000,
                                         0x7fffffffeff8,
                                         0x800000000000,
                                         0x8000000000000000,
                                         0xffff800000000000,
                                         0xffffffff80100000,
                                         -1ul,
                                         -8ul};
    unsigned n = below(sizeof addresses / sizeof *addresses + 2);

    return n < sizeof addresses / sizeof *addresses ? addresses[n] : (uint64_t)memory + below(4096);
}

static uint64_t wild_number(void)
{
    static const uint64_t numbers[] = {0,
                                       1,
                                       2,
                                       7,
                                       8,
                                       9,
                                       16,
                                       17,
                                       18,
                                       31,
                                       32,
                                       255,
                                       1023,
                                       1024,
                                       4096,
                                       65535,
                                       1ul << 31,
                                       1ul << 32,
                                       (1ul << 32) + 1,
                                       1ul << 63,
                                       -1ul,
                                       -2ul,
                                       -4096ul};

    switch (below(3)) {
    case 0:
        return random_word();
    case 1:
        return below(1100);
    default:
        return numbers[below(sizeof numbers / sizeof *numbers)];
    }
}

static struct words wild_words(void)
{
    struct words words;

    for (unsigned i = 0; i < 6; i++)
        words.w[i] = below(3) ? wild_number() : wild_address();
    return words;
}

/* Endpoints of the parent's and own ones are small numbers. */
static uint64_t endpoint(void)
{
    return below(12) ? 1 + below(below(4) ? SHARED_ENDPOINTS : 7) : wild_number();
}

/* ---- calls that must be refused ---- */

static void privileged(void)
{
    static const uint16_t first_last[][2] = {{IPC_REQUEST - IPC_CALL_BASE, IPC_DMA_OF - IPC_CALL_BASE},
                                             {IPC_FRAMES_TAKE - IPC_CALL_BASE, IPC_PROTECT - IPC_CALL_BASE},
                                             {IPC_TASK_CREATE - IPC_CALL_BASE, IPC_POWER_OFF - IPC_CALL_BASE},
                                             {IPC_SERVER_STATE - IPC_CALL_BASE, IPC_SERVER_BEAT - IPC_CALL_BASE}};
    unsigned n = below(4);
    uint64_t nr = IPC_CALL_BASE + first_last[n][0] + below(first_last[n][1] - first_last[n][0] + 1u);
    struct words words = wild_words();
    long r = kernel_call(nr, &words);

    check(r == -EBADF, nr, r);
}

static void unknown(void)
{
    static const uint64_t numbers[] = {IPC_NOTIFY + 1,
                                       IPC_DMA_OF + 1,
                                       IPC_PROTECT + 1,
                                       IPC_POWER_OFF + 1,
                                       IPC_CALLS_END,
                                       IPC_CALLS_END + 1,
                                       0x7fffffff,
                                       0x80000000,
                                       0xffffffff,
                                       0xffffffff00010000,
                                       (1ul << 32) | IPC_EXIT,
                                       (1ul << 32) | IPC_NOTIFY};
    uint64_t nr = numbers[below(sizeof numbers / sizeof *numbers)];
    struct words words = wild_words();
    long r = kernel_call(nr, &words);

    check(r == -ENOSYS, nr, r);
}

static void forged(void)
{
    static const uint64_t calls[] = {IPC_CALL, IPC_WAIT, IPC_CLOSE, IPC_NOTIFY};
    uint64_t nr = calls[below(4)];
    struct words words = wild_words();
    long r;

    words.w[0] = below(2) ? 8 + below(100000) : 0;
    r = kernel_call(nr, &words);
    check(r == -EBADF, nr, r);
}

static void reply_to_nobody(void)
{
    struct words words = wild_words();
    long r;

    words.w[1] = CHANCE;
    r = kernel_call(IPC_REPLY, &words);
    check(r == -ESRCH || r == 0, IPC_REPLY, r); /* 0: by chance somebody whom this process serves */
}

/* ---- proper ones ---- */

static void notify(void)
{
    long r = kernel_call3(IPC_NOTIFY, endpoint(), below(8) ? random_word() : 0, 0);

    check(r == 0 || r == -EBADF, IPC_NOTIFY, r);
}

static void make_endpoint(void)
{
    long r = kernel_call3(IPC_ENDPOINT, 0, 0, 0);

    check((r > 0 && r < 8) || r == -ENFILE, IPC_ENDPOINT, r);
}

static void close_endpoint(void)
{
    long r = kernel_call3(IPC_CLOSE, SHARED_ENDPOINTS + 1 + below(5), 0, 0);

    check(r == 0 || r == -EBADF, IPC_CLOSE, r);
}

static void use_endpoints_up(void)
{
    long r;

    while ((r = kernel_call3(IPC_ENDPOINT, 0, 0, 0)) > 0)
        check(r < 8, IPC_ENDPOINT, r);
    check(r == -ENFILE, IPC_ENDPOINT, r);
    shared->used_up++;
    for (uint64_t cap = SHARED_ENDPOINTS + 1; cap < 8; cap++) {
        r = kernel_call3(IPC_CLOSE, cap, 0, 0);
        check(r == 0, IPC_CLOSE, r);
    }
}

static void call(void)
{
    uint64_t question = random_word() >> 8;
    struct words words = {{endpoint(), question, 1, 2, 3, 4}};
    long r = kernel_call(IPC_CALL, &words);

    shared->answered += r == (long)question;
    shared->interrupted += r == -EINTR;
    shared->broken += r == -EPIPE;
    check(r == (long)question || r == CHANCE || r == -EBADF || r == -EINTR || r == -EPIPE, IPC_CALL, r);
}

/* What to do with a message: nothing, die of it, or answer it in one of three ways. */
static long handle_message(long label, const struct words *message)
{
    uint64_t handle = LABEL_HANDLE(label);

    shared->received++;
    switch (below(12)) {
    case 0:
        return 0;
    case 1:
        if (below(4) == 0)
            _exit(0);
        return 0;
    case 2:
        return kernel_call3(IPC_REPLY, handle, message->w[0], below(4));
    case 3:
        kernel_call3(IPC_CLOSE, SHARED_ENDPOINTS + 1 + below(5), 0, 0);
        return kernel_call3(IPC_REPLY, handle, message->w[0], 0) || kernel_call3(IPC_REPLY, handle, 0, 0) != -ESRCH;
    default:
        return kernel_call3(IPC_REPLY, handle, message->w[0], 0);
    }
}

/* A caller that was killed or interrupted meanwhile has no handle any more. */
static void receive(void)
{
    struct words words = {{endpoint(), 0, 0, 0, 0, 0}};
    long r = kernel_call(IPC_WAIT, &words), answer;

    check(r > 0 || r == -EBADF || r == -EBUSY || r == -EINTR, IPC_WAIT, r);
    while (r > 0) {
        if (LABEL_KIND(r) != MSG_PLAIN) {
            check(LABEL_KIND(r) == MSG_NOTIFY && LABEL_HANDLE(r) == 0, IPC_WAIT, r);
            return;
        }
        if (below(3)) {
            answer = handle_message(r, &words);
            check(answer == 0 || answer == -ESRCH, IPC_REPLY, answer);
            return;
        }
        shared->received++;
        words = (struct words){{LABEL_HANDLE(r), words.w[0], endpoint(), 0, 0, 0}};
        r = kernel_call(IPC_REPLY_WAIT, &words);
        check(r > 0 || r == -EBADF || r == -EBUSY || r == -EINTR, IPC_REPLY_WAIT, r);
    }
}

static void turn(unsigned calls);

/* It inherits the endpoints, works a little, and ends or is killed, perhaps in a call that nobody answers. */
static void fork_once(void)
{
    uint64_t seed = random_word(), wait_us = below(2000);
    pid_t child = fork();

    if (child == 0) {
        state = seed;
        be_interrupted();
        turn(8);
        _exit(0);
    }
    if (child < 0)
        return;
    shared->forks++;
    if (wait_us < 1000) {
        usleep(wait_us);
        kill(child, SIGKILL);
    }
    while (waitpid(child, NULL, 0) < 0 && errno == EINTR)
        ;
}

static void turn(unsigned calls)
{
    static void (*const wait_free[])(void) = {privileged,    privileged,     privileged,     unknown,
                                              unknown,       forged,         forged,         notify,
                                              make_endpoint, close_endpoint, reply_to_nobody};
    static void (*const waiting[])(void) = {call, call, receive, receive, receive};

    while (calls-- && !shared->stop)
        if (below(12))
            wait_free[below(sizeof wait_free / sizeof *wait_free)]();
        else
            waiting[below(sizeof waiting / sizeof *waiting)]();
}

static void work(uint64_t seed)
{
    state = seed;
    be_interrupted();
    while (!shared->stop) {
        turn(TURN);
        if (below(24) == 0)
            use_endpoints_up();
        if (below(24) == 0)
            fork_once();
    }
    _exit(0);
}

/* ---- the bystander ---- */

static void stand_by(void)
{
    unsigned round = 0;

    while (!shared->stop) {
        if (!file_is_right(round) || !pipe_is_right(round))
            _exit(1);
        round++;
        usleep(2000);
    }
    _exit(round > 10 ? 0 : 2);
}

/* ---- the whole ---- */

static pid_t start(void (*what)(uint64_t), uint64_t seed)
{
    pid_t child = fork();

    if (child == 0) {
        what(seed);
        _exit(3);
    }
    return child;
}

static void bystander(uint64_t seed)
{
    (void)seed;
    stand_by();
}

/* Kills one now and then and starts another in its place, also for those that ended by themselves. */
static void drive(uint64_t seed)
{
    pid_t worker[WORKERS];

    state = seed;
    for (unsigned n = 0; n < WORKERS; n++)
        worker[n] = start(work, random_word());
    while (shared->calls < shared->wanted) {
        unsigned n = below(WORKERS);
        int status;

        usleep(1000 + below(6000));
        if (below(2))
            kill(worker[n], SIGKILL);
        else if (waitpid(worker[n], NULL, WNOHANG) != worker[n])
            continue;
        else
            worker[n] = -1;
        if (worker[n] > 0 && waitpid(worker[n], &status, 0) == worker[n])
            shared->killed += WIFSIGNALED(status);
        worker[n] = start(work, random_word());
    }
    shared->stop = 1;
    for (unsigned n = 0; n < WORKERS; n++)
        waitpid(worker[n], NULL, 0);
}

static const char *some(unsigned long n)
{
    return n ? "some" : "none";
}

int main(int argc, char **argv)
{
    pid_t by;
    int status;

    if (argc != 3)
        return 2;
    shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    shared->wanted = strtoul(argv[1], NULL, 10);
    for (unsigned n = 0; n < SHARED_ENDPOINTS; n++)
        if (kernel_call3(IPC_ENDPOINT, 0, 0, 0) != (long)n + 1)
            return 3;
    by = start(bystander, 0);
    drive(strtoull(argv[2], NULL, 10) * 0x9e3779b97f4a7c15ul + 1);
    waitpid(by, &status, 0);
    printf("%lu calls wanted: %s made, %lu strange answers\n", shared->wanted,
           shared->calls >= shared->wanted ? "all" : "not all", shared->strange);
    if (shared->strange)
        printf("call %lx answered %ld\n", shared->strange_nr, (long)shared->strange_result);
    printf("messages: %s received, %s answered, %s interrupted, %s without receiver; endpoints used up: %s\n",
           some(shared->received), some(shared->answered), some(shared->interrupted), some(shared->broken),
           some(shared->used_up));
    printf("processes: %s forked, %s killed\n", some(shared->forks), some(shared->killed));
    printf("bystander: %s\n", WIFEXITED(status) && WEXITSTATUS(status) == 0 ? "all right" : "disturbed");
    return 0;
}
