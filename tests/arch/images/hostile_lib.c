/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/hostile_lib.c: see hostile_lib.h. When all is done it gives back what it took, and sleeps; or
 * switches the machine off, if it may.
 */
#include "tests/arch/images/hostile_lib.h"

#define LIST(list) static const struct attack list##_attacks[] = {
#define ATTACK(name, expected) {#name, attack_##name},
#define END                                                                                                            \
    }                                                                                                                  \
    ;
#include "tests/arch/images/exo_attacks.def"
#define COUNT(list) (sizeof(list) / sizeof(*(list)))

#define PATIENCE_NS 60000000ul /* for a deadly env */

struct hostile hostile;

bool is_taken(uint64_t frame)
{
    for (unsigned i = 0; i < COUNT(hostile.frame); i++)
        if (hostile.frame[i] == frame)
            return true;
    return false;
}

uint64_t now_ns(void)
{
    const volatile uint64_t *clock = (const volatile uint64_t *)(LIB_DEVICES + (MMIO_CLOCK - MMIO_BASE));

    return clock[CLOCK_CYCLES / 8] * 1000 / (clock[CLOCK_HZ / 8] / 1000000);
}

void sleep_ns(uint64_t ns)
{
    exo_call(EXO_SLEEP, now_ns() + ns, 0, 0);
}

_Noreturn void env_exit(void)
{
    for (;;)
        exo_call(EXO_ENV_EXIT, 0, 0, 0);
}

/* ---- upcalls ---- */

static void on_exception(void)
{
    hostile.outcome = (long)PRIVATE->context.regs.vector;
    env_exit();
}

/* Uses its stack, as any handler does. */
static void on_fault(void)
{
    volatile long vector = (long)PRIVATE->nested.vector;

    hostile.outcome = vector;
    env_exit();
}

static void on_call(void)
{
    hostile.outcome = SURVIVED;
    env_exit();
}

/* Back to spinning, as a program. */
static void on_interrupt(void)
{
    PRIVATE->pending = 0;
    PRIVATE->in_library = 0;
    for (;;)
        __asm__ volatile("");
}

void upcalls_reset(void)
{
    const struct exo_upcalls upcalls = {
        .syscall = (uint64_t)on_call,
        .exception = (uint64_t)on_exception,
        .fault = (uint64_t)on_fault,
        .interrupt = (uint64_t)on_interrupt,
    };

    exo_call(EXO_UPCALLS, (uint64_t)&upcalls, 0, 0);
}

/* ---- envs ---- */

long env_start(unsigned n, void (*rip)(void))
{
    const uint64_t *frame = &hostile.frame[n * ENV_FRAMES];
    long env = exo_call(EXO_ENV_CREATE, frame[0], (uint64_t)&frame[1], 0);

    if (env <= 0)
        return env;
    for (unsigned i = 0; i < PAGE / 8; i++)
        ((uint64_t *)(LIB_WINDOW + frame[0]))[i] = 0;
    exo_call(EXO_ENV_SPACE, (uint64_t)env, hostile.space, 0);
    return exo_call(EXO_ENV_START, (uint64_t)env, (uint64_t)rip, 0) ? 0 : env;
}

static void deadly_env(void)
{
    hostile.outcome = ABORTED;
    hostile.outcome = hostile.current->run();
    env_exit();
}

static long deadly(const struct attack *attack)
{
    uint64_t until = now_ns() + PATIENCE_NS;
    long env;

    hostile.current = attack;
    hostile.outcome = -1;
    hostile.row = 0;
    env = env_start(0, deadly_env);
    while (exo_call(EXO_ENV_ALIVE, (uint64_t)env, 0, 0) == 1 && now_ns() < until)
        sleep_ns(200000);
    if (exo_call(EXO_ENV_ALIVE, (uint64_t)env, 0, 0) == 1) {
        exo_call(EXO_ENV_EXIT, (uint64_t)env, 0, 0);
        hostile.outcome = KILLED;
    }
    for (unsigned i = 0; i < PARTNERS && hostile.partner[i]; i++) {
        exo_call(EXO_ENV_EXIT, hostile.partner[i], 0, 0);
        hostile.partner[i] = 0;
    }
    for (unsigned i = 0; hostile.row && i < ROW_FRAMES; i++)
        give(hostile.row + i * PAGE);
    upcalls_reset();
    return hostile.outcome;
}

/* ---- the whole ---- */

static void take_frames(void)
{
    for (unsigned i = 0; i < COUNT(hostile.frame); i++)
        hostile.frame[i] = take();
    hostile.space = (uint64_t)exo_call(EXO_SPACE_CREATE, 0, 0, 0);
}

/* All that was taken can be given back. */
static void give_frames(void)
{
    unsigned left = 0;

    exo_call(EXO_SPACE_DESTROY, hostile.space, 0, 0);
    sleep_ns(1000000);
    for (unsigned i = 0; i < COUNT(hostile.frame); i++)
        left += give(hostile.frame[i]) != 0;
    log_line("kept %u", left);
}

static void attack_all(const struct attack *attack, size_t count, long (*run)(const struct attack *))
{
    for (size_t i = 0; i < count; i++)
        log_line("attack %s: %ld", attack[i].name, run(&attack[i]));
}

static long directly(const struct attack *attack)
{
    return attack->run();
}

void _start(void);
void _start(void)
{
    hostile.boot = (const struct boot_info *)LIB_BOOT_INFO;
    hostile.self = PRIVATE->env;
    upcalls_reset();
    take_frames();
    if (hostile.boot->module_count > 1) {
        attack_all(call_attacks, COUNT(call_attacks), directly);
        attack_all(deadly_attacks, COUNT(deadly_attacks), deadly);
    } else {
        attack_all(disk_attacks, COUNT(disk_attacks), directly);
    }
    give_frames();
    if (hostile.boot->module_count == 1)
        exo_call(EXO_POWER_OFF, 0, 0, 0);
    for (;;)
        exo_call(EXO_SLEEP, UINT64_MAX, 0, 0);
}
