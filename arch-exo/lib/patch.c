/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/patch.c: makes a SYSCALL of a program a jump to the library.
 *
 *     site  0F 05   SYSCALL  becomes  EB d         JMP rel8 to the gap, or to a hop: another JMP rel8 in a smaller gap
 *     gap   padding          becomes  E9 d d d d   JMP rel32 to the stub
 *     stub                            48 8D 0D …   LEA RCX, [address behind the SYSCALL]
 *                                     FF 25 …      JMP [lib_call]
 *
 * SYSCALL is two bytes. A CALL through a register is too (FF D0, zpoline), but lands at the call's number: memory must
 * be mapped at address 0, and then reading NULL succeeds, which it does not under Linux. The gap is dead padding
 * between functions or blocks within reach of a JMP rel8 (patch_window.c says when padding is dead). So no byte
 * changes but the SYSCALL's own and padding: a jump to any instruction of the program still finds it there, and no
 * instruction has to be moved. This is the idea of E9Patch (Duck, Gao, Roychoudhury: Binary Rewriting without Control
 * Flow Recovery, PLDI 2020), with jumps to padding in the place of punned ones.
 *
 * Site, hop and gap are on one page and are written by one request: a page that goes back to what the file has (it
 * may, by madvise) is whole. Stubs are in an area that vm reserves for the space (VM_RESERVE: sealed, inherited by
 * fork, gone with exec). Its first slot says how many are in use: what is known of a space is in that space, so that
 * nothing has to be done here when processes fork, exec and exit. What is kept here is the same for all processes that
 * run the same program: refusals by address and the bytes before it (a wrong guess leaves a site reflected, no more),
 * and plans by the whole window that they were made from.
 */
#include "arch-exo/lib/patch.h"
#include "arch-exo/lib/patch_window.h"
#include "services/requests.h"

#define PAGE_BYTES 4096ul
#define PROT_STUBS 5u /* read and execute */
#define SLOT_BYTES 16u
#define SLOTS 1024u /* the first is the head */
#define STUBS_BYTES (SLOTS * SLOT_BYTES)
#define SYSCALL_BYTES 2u
#define JUMP8_BYTES 2u
#define JUMP32_BYTES 5u
#define SITE_BEFORE 448u   /* of the window is before the site */
#define CALLEES_DEEP 3u    /* a function that ends in one that ends in one that does not return */
#define KNOWN 256u
#define SYSCALL_CODE 0x050ful /* as a little-endian number */
#define FNV_PRIME 0x100000001b3ul

struct stub_head {
    uint64_t lib_call;
    uint32_t used; /* slots, without the head */
    uint32_t unused;
};

_Static_assert(sizeof(struct stub_head) == SLOT_BYTES, "the head is a slot");

/* What is to be written for a site, as offsets in the window. */
struct plan {
    uint32_t site, slot, slot_end;
    uint32_t hop, hop_end; /* 0, 0: none */
};

/* A site that was looked at, in whatever process. */
struct known {
    uint64_t rip, bytes; /* the 8 before it */
    bool refused;        /* else: */
    uint64_t window;     /* fingerprint of what the plan was made from; 0: there is none */
    struct plan plan;
};

static struct {
    const struct host *host;
    uint64_t lib_call;
    struct known known[KNOWN];
} patch;

void patch_init(const struct host *host, uint64_t lib_call)
{
    patch.host = host;
    patch.lib_call = lib_call;
    __builtin_memset(patch.known, 0, sizeof patch.known);
}

static struct known *known_of(uint64_t rip)
{
    return &patch.known[(rip ^ rip >> 8 ^ rip >> 16) % KNOWN];
}

static long read_program(int pid, void *to, uint64_t from, size_t bytes)
{
    struct call call = {.nr = CALL_FAULT, .pid = pid};

    return patch.host->copy_in(patch.host->ctx, &call, to, from, bytes);
}

static long ask_vm(int pid, struct request *rq)
{
    struct call call = {.nr = CALL_FAULT, .pid = pid};

    rq->service = SERVICE_VM;
    rq->pid = pid;
    rq->call = &call;
    return patch.host->ask(patch.host->ctx, rq);
}

static long poke(int pid, uint64_t address, const void *bytes, size_t count, uint64_t flags)
{
    return ask_vm(pid, &(struct request){.op = VM_POKE, .arg = {address, flags}, .data = (void *)bytes, .size = count});
}

static uint32_t read_text(void *ctx, uint64_t address, void *to, uint32_t count)
{
    uint32_t done = 0;

    while (done < count) {
        uint64_t at = address + done, left = PAGE_BYTES - at % PAGE_BYTES;
        uint32_t bytes = left < count - done ? (uint32_t)left : count - done;

        if (read_program(*(int *)ctx, (char *)to + done, at, bytes) != 0)
            break;
        done += bytes;
    }
    return done;
}

/* ---- choosing a gap ---- */

/* A JMP rel8 at `from` reaches `to`, on the same page. */
static bool reaches(const struct window *w, uint32_t from, uint32_t to, uint32_t bytes)
{
    int32_t displacement = (int32_t)to - (int32_t)(from + JUMP8_BYTES);

    return displacement >= -128 && displacement <= 127 &&
           ((w->base + from) ^ (w->base + to)) < PAGE_BYTES && (w->base + to) % PAGE_BYTES + bytes <= PAGE_BYTES;
}

/* The smallest gap with room for `bytes` that a JMP at `from` reaches; NULL: none. */
static const struct gap *best_gap(const struct window *w, uint32_t from, uint32_t bytes)
{
    const struct gap *best = NULL;

    for (uint32_t i = 0; i < w->gap_count; i++) {
        const struct gap *gap = &w->gap[i];

        if (gap->end - gap->free < (int)bytes || !reaches(w, from, gap->free, bytes))
            continue;
        if (best && gap->end - gap->free >= best->end - best->free)
            continue;
        if (!window_branch_into(w, gap->start, gap->end))
            best = gap;
    }
    return best;
}

/* By another gap, which is too short for more: those with room were tried. */
static bool plan_hop(const struct window *w, struct plan *plan)
{
    for (uint32_t i = 0; i < w->gap_count; i++) {
        const struct gap *hop = &w->gap[i], *gap;

        if (hop->end - hop->free < (int)JUMP8_BYTES || !reaches(w, plan->site, hop->free, JUMP8_BYTES) ||
            window_branch_into(w, hop->start, hop->end))
            continue;
        gap = best_gap(w, hop->free, JUMP32_BYTES);
        if (!gap)
            continue;
        plan->hop = hop->free;
        plan->hop_end = hop->end;
        plan->slot = gap->free;
        plan->slot_end = gap->end;
        return true;
    }
    return false;
}

static bool make_plan(const struct window *w, uint64_t rip, struct plan *plan)
{
    const struct gap *gap;

    *plan = (struct plan){.site = (uint32_t)(rip - w->base - SYSCALL_BYTES)};
    if (w->conflict)
        return false;
    gap = best_gap(w, plan->site, JUMP32_BYTES);
    if (!gap)
        return plan_hop(w, plan);
    plan->slot = gap->free;
    plan->slot_end = gap->end;
    return true;
}

/* ---- writing ---- */

static bool fits(int64_t displacement)
{
    return displacement == (int32_t)displacement;
}

static void put_displacement(uint8_t *at, uint64_t to, uint64_t from)
{
    int32_t displacement = (int32_t)(to - from);

    __builtin_memcpy(at, &displacement, sizeof displacement);
}

/* The stub for `rip` in the first free slot. The slot is used from now on, whatever becomes of the site. */
static long write_stub(int pid, uint64_t stubs, struct stub_head *head, uint64_t rip)
{
    uint64_t at = stubs + ++head->used * SLOT_BYTES;
    uint8_t stub[SLOT_BYTES] = {0x48, 0x8d, 0x0d, 0, 0, 0, 0, 0xff, 0x25, 0, 0, 0, 0, INT3, INT3, INT3};
    long r;

    put_displacement(stub + 3, rip, at + 7);
    put_displacement(stub + 9, stubs, at + 13);
    head->lib_call = patch.lib_call;
    r = poke(pid, at, stub, sizeof stub, 0);
    return r < 0 ? r : poke(pid, stubs, head, sizeof *head, 0);
}

static void put_jump8(struct window *w, uint32_t from, uint32_t to)
{
    w->byte[from] = 0xeb;
    w->byte[from + 1] = (uint8_t)(to - (from + JUMP8_BYTES));
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t most(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

/* Site, hop and gap by one request. What is left of a gap becomes INT3: still padding, and the next site finds it. */
static long write_site(int pid, struct window *w, const struct plan *plan, uint64_t stub)
{
    uint32_t first = least(plan->site, plan->slot), end = most(plan->site + JUMP8_BYTES, plan->slot_end);

    __builtin_memset(w->byte + plan->slot, INT3, plan->slot_end - plan->slot);
    w->byte[plan->slot] = 0xe9;
    put_displacement(w->byte + plan->slot + 1, stub, w->base + plan->slot + JUMP32_BYTES);
    if (plan->hop) {
        __builtin_memset(w->byte + plan->hop, INT3, plan->hop_end - plan->hop);
        put_jump8(w, plan->hop, plan->slot);
        first = least(first, plan->hop);
        end = most(end, plan->hop_end);
    }
    put_jump8(w, plan->site, plan->hop ? plan->hop : plan->slot);
    return poke(pid, w->base + first, w->byte + first, end - first, VM_POKE_TEXT);
}

/* ---- a site ---- */

/* The window's contents and what else a plan depends on, as a number. */
static uint64_t fingerprint(const struct window *w)
{
    uint64_t sum = w->text->stubs ^ w->base ^ w->count, word;

    for (uint32_t at = 0; at + sizeof word <= w->count; at += sizeof word) {
        __builtin_memcpy(&word, w->byte + at, sizeof word);
        sum = (sum ^ word) * FNV_PRIME;
        sum ^= sum >> 29;
    }
    return sum;
}

static bool find_plan(struct window *w, uint64_t rip, struct plan *plan)
{
    window_follow(w, rip - SYSCALL_BYTES, CALLEES_DEEP);
    if (make_plan(w, rip, plan))
        return true;
    window_survey(w, rip - SYSCALL_BYTES, CALLEES_DEEP);
    return make_plan(w, rip, plan);
}

/* 0: patched; -errno: cannot be; CALL_WAIT or -ENOMEM: not now. */
static long patch_with(int pid, uint64_t rip, uint64_t stubs, struct stub_head *head, struct known *known)
{
    struct text text = {.ctx = &pid, .read = read_text, .stubs = stubs, .stubs_end = stubs + STUBS_BYTES};
    struct window w;
    uint64_t sum;
    long r;

    window_read(&w, &text, rip, SITE_BEFORE);
    if (rip > w.base + w.count)
        return CALL_WAIT;
    sum = fingerprint(&w);
    if (known->window != sum && !find_plan(&w, rip, &known->plan))
        return -EOPNOTSUPP;
    known->window = sum;
    r = write_stub(pid, stubs, head, rip);
    return r < 0 ? r : write_site(pid, &w, &known->plan, stubs + head->used * SLOT_BYTES);
}

static long try_site(int pid, uint64_t rip, struct known *known)
{
    struct stub_head head;
    long stubs = ask_vm(pid, &(struct request){.op = VM_RESERVE, .arg = {rip, STUBS_BYTES, PROT_STUBS}});

    if (stubs < 0)
        return stubs;
    if (!fits((int64_t)rip - stubs) || !fits((int64_t)rip - stubs - (int64_t)STUBS_BYTES))
        return -ERANGE;
    if (read_program(pid, &head, (uint64_t)stubs, sizeof head) != 0 || head.used + 1 >= SLOTS)
        return -ENOMEM;
    return patch_with(pid, rip, (uint64_t)stubs, &head, known);
}

void patch_site(int pid, uint64_t rip)
{
    struct known *known = known_of(rip);
    uint64_t bytes;
    long r;

    if (rip % PAGE_BYTES < sizeof bytes || read_program(pid, &bytes, rip - sizeof bytes, sizeof bytes) != 0)
        return;
    if (bytes >> 48 != SYSCALL_CODE || (known->refused && known->rip == rip && known->bytes == bytes))
        return;
    if (known->rip != rip || known->bytes != bytes)
        *known = (struct known){.rip = rip, .bytes = bytes};
    r = try_site(pid, rip, known);
    known->refused = r < 0 && r != CALL_WAIT && r != -ENOMEM;
}
