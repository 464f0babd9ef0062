/* SPDX-License-Identifier: MIT
 *
 * arch-micro/server/rsd.c: the reincarnation server, as MINIX 3 calls it: sees servers fail and starts them again.
 *
 * Death is told by the kernel. Hanging is seen by a heartbeat: every BEAT_NS, a server that has received no message
 * since the beat before and has used the CPU for BEAT_NS meanwhile is sent a message; one that does not receive it for
 * MISSED_MAX times that is stopped. What counts is its own time: a server that others keep from the CPU, or that waits
 * for another server, does not hang. And nothing that it says counts, only what it receives.
 *
 * Silence is seen by an account: every ACCOUNT_BEATS beats each server is asked whose calls wait in it, and the kernel
 * answers the others with an error (supervise.c). Who takes the question and gives no answer is stopped.
 *
 * A dead server starts again with its memory if it finds that this can be trusted (main.c), else from nothing if what
 * it held can be had again: of procd, vmd and osd it cannot, so the machine stops. So it does for a server that dies
 * DEATHS_MAX times within a second.
 *
 * It serves nobody: who asks it for anything is refused, since it would wait for ever, and its callers with it.
 */
#include <stdbool.h>

#include "abi/boot.h"
#include "abi/probe.h"
#include "arch-micro/server/clock.h"
#include "arch-micro/server/kcall.h"
#include "guest/ring3/log.h"
#include "services/string.h"

#define BEAT_NS 10000000ul
#define MISSED_MAX 2
#define ACCOUNT_BEATS 100 /* a second */
#define EPERM 1
#define DEATHS_MAX 8
#define DEATHS_NS 1000000000ul

struct subject {
    uint64_t received; /* messages, at the last beat */
    uint64_t used;     /* ns of CPU time when it was last heard of or suspected */
    unsigned missed;   /* suspicions since it was asked; 0: it was not */
    unsigned deaths;   /* in the second since `first_death` */
    uint64_t first_death;
    bool keeps;   /* restarted with its memory: it may refuse that, once */
    bool returns; /* restarted, and not yet heard of */
    long failed;  /* calls in flight that were answered -EIO */
    const char *lost;
};

static struct {
    int number;
    const struct boot_info *boot;
    struct subject subject[SERVERS_MAX];
    unsigned beats; /* since the last account */
} rs;

/* Who can start from nothing, and what is lost by that. */
static const struct fresh {
    const char *name, *lost;
} can_start_fresh[] = {
    {"fsd", "descriptors, and what was not synced"},
    {"blkd", NULL}, /* fsd begins again what was in flight */
    {"ttyd", "input read ahead, terminal settings"},
};

void server_main(int number, enum server_why why, uint64_t died_at);

static const char *name_of(int n)
{
    return rs.boot->modules[n].name;
}

/* The supervisor's own death is the system's. */
static _Noreturn void give_up(int n, const char *why)
{
    panic("%s %s", name_of(n), why);
}

/* ---- heartbeat ---- */

static void stop(int n)
{
    rs.subject[n].missed = 0;
    kcall(IPC_SERVER_STOP, (uint64_t)n, 0, 0);
}

static void beat(int n)
{
    struct subject *s = &rs.subject[n];
    uint64_t used, state = kcall6(IPC_SERVER_STATE, (uint64_t)n, 0, 0, 0, 0, &used), received = state >> 8;

    if ((state & 0xff) != SERVER_BUSY || received != s->received) {
        s->received = received;
        s->used = used;
        s->missed = 0;
    } else if (used - s->used >= BEAT_NS) {
        s->used = used;
        if (s->missed == MISSED_MAX)
            stop(n);
        else if (s->missed++ == 0)
            kcall(IPC_NOTIFY, CAP_SERVER(n), NOTIFY_BEAT, 0);
    }
}

static void account(int n)
{
    long forgotten = kcall(IPC_SERVER_BEAT, (uint64_t)n, 0, 0);

    if (forgotten > 0)
        log_line("%s has forgotten %ld calls: they failed", name_of(n), forgotten);
    if (forgotten < 0)
        stop(n);
}

static void each(void (*what)(int n))
{
    for (int n = 0; n < (int)rs.boot->module_count && n < SERVERS_MAX; n++)
        if (n != rs.number)
            what(n);
}

static void beat_all(void)
{
    each(beat);
    if (++rs.beats < ACCOUNT_BEATS)
        return;
    rs.beats = 0;
    each(account);
}

/* ---- death ---- */

static const struct fresh *fresh_start(int n)
{
    for (unsigned i = 0; i < sizeof(can_start_fresh) / sizeof(*can_start_fresh); i++)
        if (str_eq(name_of(n), can_start_fresh[i].name))
            return &can_start_fresh[i];
    return NULL;
}

static void count_death(int n)
{
    struct subject *s = &rs.subject[n];
    uint64_t time = server_now();

    if (!s->deaths || time - s->first_death > DEATHS_NS) {
        s->deaths = 0;
        s->first_death = time;
    }
    if (++s->deaths == DEATHS_MAX)
        give_up(n, "dies again and again");
}

static void restart(int n, unsigned how, const char *lost)
{
    struct subject *s = &rs.subject[n];
    long failed = kcall(IPC_SERVER_RESTART, (uint64_t)n, how, 0);

    if (failed < 0)
        give_up(n, "cannot be started again");
    s->keeps = how == RESTART_KEEP;
    s->returns = true;
    s->missed = 0;
    s->failed = failed;
    s->lost = lost;
}

static void restart_fresh(int n)
{
    const struct fresh *fresh = fresh_start(n);

    if (!fresh)
        give_up(n, "died, and its state with it");
    restart(n, RESTART_FRESH, fresh->lost);
}

static void death(int n, uint64_t vector)
{
    bool refused = vector == SERVER_REFUSED;

    if (!refused || !rs.subject[n].keeps) {
        probe(PROBE_DOMAIN_DIED, vector, (uint64_t)name_of(n), 0);
        count_death(n);
    }
    if (refused)
        restart_fresh(n);
    else
        restart(n, RESTART_KEEP, NULL);
}

/* ---- messages ---- */

static void alive(int n)
{
    struct subject *s = &rs.subject[n];

    if (s->returns)
        probe(PROBE_DOMAIN_BACK, (uint64_t)s->failed, (uint64_t)name_of(n), (uint64_t)s->lost);
    s->returns = false;
    s->keeps = false;
}

static void notified(uint64_t bits)
{
    for (int n = 0; n < SERVERS_MAX; n++)
        if (bits & NOTIFY_ALIVE(n))
            alive(n);
    if (bits & NOTIFY_ALARM) {
        beat_all();
        kcall(IPC_ALARM, server_now() + BEAT_NS, 0, 0);
    }
}

/* The handle of who waits for an answer, which is no. */
static uint64_t refuse(uint64_t label)
{
    ((volatile struct message *)SERVER_MESSAGE_PAGE)->result = -EPERM;
    return LABEL_HANDLE(label);
}

void server_main(int number, enum server_why why, uint64_t died_at)
{
    uint64_t asker = 0;

    rs.number = number;
    rs.boot = (const struct boot_info *)SERVER_BOOT_INFO;
    kcall(IPC_ALARM, server_now() + BEAT_NS, 0, 0);
    for (;;) {
        uint64_t word[6], label = ipc_reply_wait(asker, -EPERM, word);

        asker = refuse(label);
        if (LABEL_KIND(label) == MSG_NOTIFY)
            notified(word[0]);
        else if (LABEL_KIND(label) == MSG_DEATH)
            death((int)LABEL_NR(label) % SERVERS_MAX, word[0]);
    }
}
