/* SPDX-License-Identifier: MIT
 *
 * tests/sim/test_random_code.c: random instruction streams at ring 3 and ring 0: whatever they do is done to the guest,
 * never to the simulator.
 *
 * Ring 3: one machine runs thousands of streams. Each starts with random registers; an exception, a system call or the
 * timer ends it, and the guest goes on with the next. All must end so: nothing at ring 3 may stop the machine or change
 * what ring 0 sees. Ring 0: a stream may destroy its kernel, so each has a machine of its own; any end is good but a
 * crash or a hang of the simulator itself.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/sim/guest.h"
#include "tests/sim/random.h"

#define STREAM_BYTES 64
#define STREAMS 2048 /* of one machine, at GUEST_FREE … */
#define STREAM_FRAMES (STREAMS * STREAM_BYTES)
#define SCRATCH (GUEST_USER + 0x100000)
#define SCRATCH_FRAME (GUEST_FREE + 0x40000)
#define SCRATCH_PAGES 16

/* PARAM: 0 streams, 8 ended, 24 further rounds of all. R14 counts. Each: timer of 8000 cycles, then ring 3. */
SNIPPET(run_streams,
        "mov edi, 0xfee00000; mov dword ptr [rdi + 0xf0], 0x1ff; mov dword ptr [rdi + 0x3e0], 0xb; mov dword ptr [rdi + 0x320], 0x41;"
        "xor r14, r14;"
        "again: mov edi, 0xfee00000; mov dword ptr [rdi + 0xb0], 0;"
        "lea rax, [rip + ended]; mov [" AT(GUEST_CONTROL) "], rax; mov [" AT(GUEST_CONTROL) " + 8], rsp; mov [" AT(GUEST_PARAM) " + 16], r14;"
        "mov dword ptr [rdi + 0x380], 8000;"
        "push " AT(GUEST_USER_SS) "; movabs rax, " AT(SCRATCH) " + 0x8000; push rax; push 0x202; push " AT(GUEST_USER_CS) ";"
        "mov rax, r14; shl rax, 6; movabs rcx, " AT(GUEST_USER) "; add rax, rcx; push rax;"
        "movabs rsi, " AT(SCRATCH) " + 0x1000; movabs rdi, " AT(SCRATCH) " + 0x3000; mov rbx, rsi; mov rbp, rdi; mov ecx, 100; mov edx, 0x3f8;"
        "mov r8, rsi; mov r9, rdi; mov r10, rcx; mov r11, -1; mov r12, rsi; mov r13, r14; mov r15, rdi; xor eax, eax; iretq;"
        "ended: cli; cld; mov r14, [" AT(GUEST_PARAM) " + 16]; inc r14; mov [" AT(GUEST_PARAM) " + 8], r14;"
        "cmp r14, [" AT(GUEST_PARAM) "]; jb again; xor r14, r14; dec qword ptr [" AT(GUEST_PARAM) " + 24]; jns again; xor r15, r15; xor eax, eax; ret;");

static void random_bytes(struct random *random, uint8_t *to, unsigned bytes)
{
    for (unsigned i = 0; i < bytes; i++)
        to[i] = (uint8_t)random_next(random);
}

/* Mostly decodable: prefixes, an opcode of the one-, two- or three-byte map, ModRM, displacement and immediate. */
static unsigned random_instruction(struct random *random, uint8_t *to)
{
    static const uint8_t prefixes[] = {0x66, 0xf2, 0xf3, 0xf0, 0x64, 0x65, 0x2e, 0x67};
    static const uint8_t system[] = {0x00, 0x01, 0x05, 0x07, 0x08, 0x09, 0x20, 0x22, 0x23, 0x30, 0x31, 0x32, 0xa2, 0xae, 0xc7};
    unsigned n = 0;
    if (!random_below(random, 4))
        to[n++] = prefixes[random_below(random, sizeof prefixes)];
    if (random_below(random, 2))
        to[n++] = (uint8_t)(0x40 + random_below(random, 16));
    switch (random_below(random, 8)) {
    case 0:
        to[n++] = 0x0f;
        to[n++] = system[random_below(random, sizeof system)];
        break;
    case 1:
    case 2:
        to[n++] = 0x0f;
        to[n++] = (uint8_t)random_next(random);
        break;
    case 3:
        to[n++] = 0x0f;
        to[n++] = random_below(random, 2) ? 0x38 : 0x3a;
        to[n++] = (uint8_t)random_next(random);
        break;
    default:
        to[n++] = (uint8_t)random_next(random);
    }
    to[n++] = (uint8_t)(random_below(random, 3) ? 0xc0 | random_next(random) : random_next(random));
    for (unsigned rest = random_below(random, 3) * 2; rest > 0; rest--)
        to[n++] = random_below(random, 2) ? 0 : (uint8_t)random_next(random);
    return n;
}

static void random_stream(struct random *random, uint8_t to[STREAM_BYTES])
{
    uint8_t one[16];
    unsigned used = 0;
    if (!random_below(random, 4)) {
        random_bytes(random, to, STREAM_BYTES);
        return;
    }
    for (;;) {
        unsigned bytes = random_instruction(random, one);
        if (used + bytes > STREAM_BYTES)
            break;
        memcpy(to + used, one, bytes);
        used += bytes;
    }
    random_bytes(random, to + used, STREAM_BYTES - used);
}

/* A loop of 100 turns, of loads and stores by pointers. Memory and registers hold addresses in SCRATCH or one of its
 * aliases, until a store that is not aligned breaks one. */
#define ALIASES 8 /* each 16 pages further: in the same sets of a TLB */

static void put_access(struct random *random, uint8_t *to, unsigned *used)
{
    static const uint8_t pointers[] = {3, 5, 6, 7, 8, 9, 15}, others[] = {0, 2, 10, 11};
    const unsigned base = pointers[random_below(random, sizeof pointers)], kind = random_below(random, 8);
    const bool loads_pointer = kind < 2;
    const unsigned reg = loads_pointer || (kind & 1) ? pointers[2 + random_below(random, 4)] : others[random_below(random, 4)];
    int32_t disp = (int32_t)(random_below(random, 64) * 8 + random_below(random, 4) * 0x400);

    if (!random_below(random, 6))
        disp += (int32_t)random_below(random, 8);
    if (!random_below(random, 3) && (base == 3 || base == 5))
        disp += (int32_t)(random_below(random, ALIASES) << 16);
    to[(*used)++] = (uint8_t)(0x40 | (kind != 7 || loads_pointer) << 3 | (reg >> 3) << 2 | base >> 3);
    to[(*used)++] = kind == 2 || kind == 4 || loads_pointer ? 0x8b : kind == 6 ? 0x63 : 0x89;
    to[(*used)++] = (uint8_t)(0x80 | (reg & 7) << 3 | (base & 7));
    memcpy(to + *used, &disp, sizeof disp);
    *used += sizeof disp;
}

static void random_loop(struct random *random, uint8_t to[STREAM_BYTES])
{
    unsigned used = 0;

    while (used < STREAM_BYTES - 16) {
        if (random_below(random, 6)) {
            put_access(random, to, &used);
            continue;
        }
        switch (random_below(random, 3)) {
        case 0:
            memcpy(to + used, "\xeb", 2), used += 2; /* jmp to the next: another block */
            break;
        case 1:
            memcpy(to + used, "\x56\x5e", 2), used += 2; /* push rsi; pop rsi */
            break;
        default:
            memcpy(to + used, "\x48\x8b\x44\xcb\x40", 5), used += 5; /* mov rax, [rbx + rcx * 8 + 64] */
        }
    }
    memcpy(to + used, "\xff\xc9\x75", 3); /* dec ecx; jnz */
    to[used + 3] = (uint8_t)-(used + 4);
    memcpy(to + used + 4, "\x0f\x0b", 2); /* ud2 */
}

static void fill_scratch(struct random *random, struct guest *guest)
{
    for (uint64_t at = 0; at < SCRATCH_PAGES * 4096; at += 8)
        guest_put(guest, SCRATCH_FRAME + at,
                  SCRATCH + 0x1000 + random_below(random, 0xc00) * 8 + ((uint64_t)random_below(random, ALIASES) << 16));
    for (uint64_t page = 0; page < SCRATCH_PAGES * (ALIASES + 1); page++)
        guest_map(guest, SCRATCH + page * 4096, SCRATCH_FRAME + page % SCRATCH_PAGES * 4096, PAGE_4K, PAGE_ALL);
}

static void map_user(struct guest *guest)
{
    for (uint64_t at = 0; at < STREAM_FRAMES; at += 4096)
        guest_map(guest, GUEST_USER + at, GUEST_FREE + at, PAGE_4K, PAGE_ALL);
    for (uint64_t page = 0; page < SCRATCH_PAGES; page++)
        guest_map(guest, SCRATCH + page * 4096, SCRATCH_FRAME + page * 4096, PAGE_4K, PAGE_ALL);
}

static void fail_stream(const struct guest *guest, uint64_t seed, enum machine_end end)
{
    uint64_t stream = guest_word(guest, GUEST_PARAM + 16);
    machine_report(guest->machine, stderr);
    fail_msg("seed %llu, stream %llu: the run ended with %d", (unsigned long long)seed, (unsigned long long)stream, end);
}

/* What the handler finds in each frame: no flag that ring 3 cannot have. */
static void check_records(const struct guest *guest, uint64_t seed)
{
    for (uint64_t i = 0; i < guest_logged(guest); i++) {
        struct guest_record r = guest_record(guest, i);
        if ((r.rflags & ~0x254dd5ull) != 0x202 || (r.cs & 3) != 3)
            fail_msg("seed %llu, vector %llu at %#llx: RFLAGS %#llx, CS %#llx", (unsigned long long)seed,
                     (unsigned long long)r.vector, (unsigned long long)r.rip, (unsigned long long)r.rflags,
                     (unsigned long long)r.cs);
    }
}

/* What it counted. */
static struct machine_result run_user(uint64_t seed, enum machine_model model, enum machine_accesses accesses, unsigned streams,
                                      unsigned rounds, bool loops)
{
    struct random random = {.state = seed};
    struct machine_result result;
    struct guest guest;
    guest_open(&guest, seed % 2 ? "skylake" : "tiny");
    guest.model = model;
    guest.accesses = accesses;
    guest.time_limit = 4000000000;
    map_user(&guest);
    for (unsigned i = 0; i < streams; i++)
        (loops ? random_loop : random_stream)(&random, guest_memory(&guest, GUEST_FREE + i * STREAM_BYTES));
    if (loops)
        fill_scratch(&random, &guest);
    guest_put(&guest, GUEST_PARAM, streams);
    guest_put(&guest, GUEST_PARAM + 24, rounds - 1);
    enum machine_end end = guest_run(&guest, run_streams, run_streams_end);
    if (end != END_POWER_OFF || guest_word(&guest, GUEST_PARAM + 8) != streams)
        fail_stream(&guest, seed, end);
    assert_true(guest_logged(&guest) > streams * rounds / 2);
    check_records(&guest, seed);
    result = *machine_result(guest.machine);
    for (uint64_t at = GUEST_GDT; at < GUEST_CONTROL; at += 8) {
        uint64_t before;
        memcpy(&before, guest_memory(&guest, at), sizeof before);
        if (guest_word(&guest, at) != before && (at < GUEST_GDT + GUEST_TSS_SELECTOR || at > GUEST_GDT + GUEST_TSS_SELECTOR + 8))
            assert_in_range(at, GUEST_GDT, GUEST_GDT + 0x2f); /* accessed bits of segment descriptors */
    }
    guest_close(&guest);
    return result;
}

static unsigned scale(unsigned usual)
{
    const char *factor = getenv("RINGSIDE_RANDOM"); /* multiplies the work, for long runs by hand */
    return usual * (factor ? (unsigned)atoi(factor) : 1);
}

static void test_ring_3(void **state)
{
    for (uint64_t seed = 1; seed <= scale(5); seed++)
        run_user(seed, seed % 3 ? MODEL_TIMING : MODEL_COUNT, ACCESSES_PLANNED, STREAMS, 1, false);
}

/* Each access that the engine makes was planned, and the other way round. */
static void test_planned_accesses(void **state)
{
    for (uint64_t seed = 1; seed <= scale(5); seed++)
        run_user(seed, MODEL_TIMING, ACCESSES_VERIFIED, STREAMS, 1, false);
}

/* With host code for hot blocks (native.c, in_place.c), and without. */
static void compare_host_code(uint64_t seed, unsigned streams, unsigned rounds, bool loops)
{
    const enum machine_model model = seed % 4 ? MODEL_TIMING : MODEL_COUNT;
    const enum machine_accesses without = model == MODEL_TIMING ? ACCESSES_LISTED : ACCESSES_HOOKED;
    struct machine_result a = run_user(seed, model, ACCESSES_PLANNED, streams, rounds, loops);
    struct machine_result b = run_user(seed, model, without, streams, rounds, loops);

    for (unsigned i = 0; i < COUNTER_COUNT; i++)
        if (a.counters.value[i] != b.counters.value[i])
            fail_msg("seed %llu: counter %u is %llu, without host code %llu", (unsigned long long)seed, i,
                     (unsigned long long)a.counters.value[i], (unsigned long long)b.counters.value[i]);
    assert_memory_equal(a.causes, b.causes, sizeof a.causes);
    assert_int_equal(a.total_cycles, b.total_cycles);
}

/* So often that blocks are hot. */
static void test_many_rounds(void **state)
{
    for (uint64_t seed = 1; seed <= scale(4); seed++)
        compare_host_code(seed, 256, 60, false);
}

static void test_loops(void **state)
{
    for (uint64_t seed = 1; seed <= scale(4); seed++)
        compare_host_code(seed, STREAMS, 1, true);
}

/* Ring 0: the stream is the test itself. */
static void run_kernel(uint64_t seed)
{
    struct random random = {.state = seed * 1000003};
    uint8_t stream[STREAM_BYTES * 4];
    struct guest guest;
    guest_open(&guest, "tiny");
    guest.model = seed % 3 ? MODEL_TIMING : MODEL_COUNT;
    guest.cpus = seed % 5 ? 1 : 2;
    guest.time_limit = 300000;
    map_user(&guest);
    for (unsigned i = 0; i < 4; i++)
        random_stream(&random, stream + i * STREAM_BYTES);
    enum machine_end end = guest_run(&guest, stream, stream + sizeof stream);
    assert_true(end == END_POWER_OFF || end == END_CRASH || end == END_TIME_LIMIT);
    if (end == END_CRASH) {
        FILE *nowhere = fopen("/dev/null", "w");
        machine_report(guest.machine, nowhere);
        fclose(nowhere);
    }
    guest_close(&guest);
}

static void test_ring_0(void **state)
{
    for (uint64_t seed = 1; seed <= scale(300); seed++)
        run_kernel(seed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ring_3),
        cmocka_unit_test(test_planned_accesses),
        cmocka_unit_test(test_many_rounds),
        cmocka_unit_test(test_loops),
        cmocka_unit_test(test_ring_0),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
