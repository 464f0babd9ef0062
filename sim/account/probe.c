/* SPDX-License-Identifier: MIT
 *
 * sim/account/probe.c: CPUID: what the modelled processor says of itself, and the probes of
 * abi/probe.h behind a leaf of their own. The host's CPUID never reaches a guest.
 */
#include "abi/probe.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "sim/inside.h"

static uint64_t probe_host_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* A guest's string, cut to fit; what is not printable becomes '?'. */
static void probe_text(const struct cpu *cpu, uint64_t address, char *text, size_t bytes)
{
    memset(text, 0, bytes);
    for (size_t i = 0; i < bytes - 1; i++)
        if (!mmu_read(cpu, address + i, text + i, 1) || text[i] == 0)
            break;
    for (char *c = text; *c; c++)
        if (*c < 0x20 || *c > 0x7e)
            *c = '?';
}

/* Ring 0, or what a guest takes for it. */
static bool is_kernel(struct cpu *cpu)
{
    return cpu->cpl == 0 || (cpu->cpl == 3 && account_guest(cpu)->guest && account_guest(cpu)->kernel);
}

/* Of several guests only the first one's programs are measured. */
static bool is_measured(struct cpu *cpu)
{
    return cpu->cpl == 0 || account_guest(cpu)->guest <= 1;
}

static void probe_guest_root(struct cpu *cpu, uint64_t root, uint64_t who, uint64_t space)
{
    uint64_t guest = who & ~(uint64_t)GUEST_KERNEL;

    if (cpu->cpl == 0 && guest <= PROBE_GUESTS_MAX)
        account_guest_root(cpu, &(struct guest_root){.root = root & ROOT_MASK,
                                                     .space = space & ROOT_MASK,
                                                     .guest = (uint16_t)guest,
                                                     .kernel = guest && who & GUEST_KERNEL});
}

/* The kernel that manages the machine knows best; without its word, the first guest's. */
static void probe_free_frames(struct cpu *cpu, uint64_t frames, bool after)
{
    struct machine_result *r = &cpu->machine->result;

    if (!is_kernel(cpu) || !is_measured(cpu) || (cpu->cpl != 0 && cpu->machine->frames_by_ring0))
        return;
    if (cpu->cpl == 0 && !cpu->machine->frames_by_ring0)
        r->free_frames_before = r->free_frames_after = 0;
    cpu->machine->frames_by_ring0 |= cpu->cpl == 0;
    *(after ? &r->free_frames_after : &r->free_frames_before) = frames;
}

static void probe_name(struct cpu *cpu, uint64_t space, uint64_t name_address, uint64_t ring)
{
    char name[32];

    probe_text(cpu, name_address, name, sizeof name);
    if (is_kernel(cpu) && *name && (ring == 0 || ring == 3))
        account_name(cpu, space, (unsigned)ring, name);
}

/* Linux's name, whether Ringside knows the call or not; NULL: the host's header has none. */
static const char *call_name(uint64_t number)
{
    switch (number) {
#define LINUX_CALL(nr, name) \
    case nr: \
        return #name;
#include "linux_calls.def"
#undef LINUX_CALL
    default:
        return NULL;
    }
}

static void probe_warn(struct cpu *cpu, uint64_t warning, uint64_t value)
{
    const char *name = call_name(value);

    if (warning == PROBE_WARN_ENOSYS && name)
        account_warn(cpu->machine, "system call %s (%" PRIu64 ") is not implemented: answered ENOSYS", name, value);
    else if (warning == PROBE_WARN_ENOSYS)
        account_warn(cpu->machine, "system call %" PRIu64 " is not implemented: answered ENOSYS", value);
    else if (warning == PROBE_WARN_NOT_APPLICABLE && is_measured(cpu)) {
        cpu->machine->result.not_applicable = true;
        account_warn(cpu->machine, "not applicable on this architecture");
    }
}

static void probe_booted(struct machine *m)
{
    if (m->result.boot_host_ns)
        return;
    m->result.boot_cycles = m->cpus[0].now.clock;
    m->result.boot_host_ns = probe_host_ns() - m->started_host_ns;
}

/* The kernel, or one of its servers, by the name that the kernel gave it. */
static bool is_system(const struct cpu *cpu)
{
    const struct machine *m = cpu->machine;

    if (cpu->cpl == 0)
        return true;
    for (size_t i = 0; i < m->program_count; i++)
        if (m->programs[i].module && strcmp(m->programs[i].domain, cpu->domain->name) == 0)
            return true;
    return false;
}

static void probe_died(struct cpu *cpu, uint64_t name_address, uint64_t cause)
{
    char name[32];

    probe_text(cpu, name_address, name, sizeof name);
    inject_died(cpu, name, cause);
}

static void probe_back(struct cpu *cpu, uint64_t name_address, uint64_t calls_failed, uint64_t lost_address)
{
    char name[32], lost[96] = "";

    probe_text(cpu, name_address, name, sizeof name);
    if (lost_address)
        probe_text(cpu, lost_address, lost, sizeof lost);
    inject_back(cpu, name, calls_failed, lost);
}

/* One that ended by force is not a visible one, whatever was given back before. */
static void probe_revoked(struct machine *m, uint64_t given, uint64_t taken)
{
    struct revocation_result *r = &m->result.revocations;

    *(taken ? &r->forced : &r->visible) += 1;
    r->visible_frames += given;
    r->forced_frames += taken;
}

static uint64_t probe_answer(struct cpu *cpu, uint32_t number, uint64_t rdx, uint64_t rsi, uint64_t rdi)
{
    struct machine *m = cpu->machine;

    switch (number) {
    case PROBE_PRESENT:
        return 1;
    case PROBE_DOMAIN:
        probe_name(cpu, rdx, rsi, rdi);
        return 0;
    case PROBE_REGION_BEGIN:
        if (is_measured(cpu))
            account_region_begin(cpu);
        return 0;
    case PROBE_REGION_END:
        if (is_measured(cpu))
            account_region_end(m, rdx);
        return 0;
    case PROBE_WARN:
        probe_warn(cpu, rdx, rsi);
        return 0;
    case PROBE_FREE_FRAMES:
        probe_free_frames(cpu, rdx, rsi != 0);
        return 0;
    case PROBE_SPACE_GONE:
        if (is_kernel(cpu))
            account_space_gone(cpu, rdx);
        return 0;
    case PROBE_BOOTED:
        if (is_measured(cpu))
            probe_booted(m);
        return 0;
    case PROBE_DOMAIN_DIED:
        if (is_system(cpu))
            probe_died(cpu, rsi, rdx);
        return 0;
    case PROBE_DOMAIN_BACK:
        if (is_system(cpu))
            probe_back(cpu, rsi, rdx, rdi);
        return 0;
    case PROBE_GUEST_ROOT:
        probe_guest_root(cpu, rdx, rsi, rdi);
        return 0;
    case PROBE_REVOKED:
        if (cpu->cpl == 0)
            probe_revoked(m, rdx, rdi);
        return 0;
    default:
        return 0;
    }
}

/* ---- the processor's own leaves (Intel SDM vol. 2A, CPUID) ---- */

struct leaf {
    uint32_t eax, ebx, ecx, edx;
};

/* Feature bits that the machine models or Unicorn executes. No AVX (TCG has none), no XSAVE, no RDRAND, no FSGSBASE. */
enum {
    LEAF1_EDX = 1 << 0 /*FPU*/ | 1 << 3 /*PSE*/ | 1 << 4 /*TSC*/ | 1 << 5 /*MSR*/ | 1 << 6 /*PAE*/ | 1 << 8 /*CX8*/ |
                1 << 9 /*APIC*/ | 1 << 13 /*PGE*/ | 1 << 15 /*CMOV*/ | 1 << 19 /*CLFSH*/ | 1 << 23 /*MMX*/ |
                1 << 24 /*FXSR*/ | 1 << 25 /*SSE*/ | 1 << 26 /*SSE2*/,
    LEAF1_ECX = 1 << 0 /*SSE3*/ | 1 << 9 /*SSSE3*/ | 1 << 13 /*CX16*/ | 1 << 19 /*SSE4.1*/ | 1 << 20 /*SSE4.2*/ |
                1 << 22 /*MOVBE*/ | 1 << 23 /*POPCNT*/,
    LEAF1_ECX_PCID = 1 << 17,
    LEAF7_EBX = 1 << 3 /*BMI1*/ | 1 << 7 /*SMEP*/ | 1 << 8 /*BMI2*/ | 1 << 9 /*ERMS*/ | 1 << 10 /*INVPCID*/ |
                1 << 20 /*SMAP*/,
    LEAF81_EDX = 1 << 11 /*SYSCALL*/ | 1 << 20 /*NX*/ | 1 << 26 /*1 GiB pages*/ | 1 << 29 /*LM*/,
    LEAF81_ECX = 1 << 0 /*LAHF*/,
};

static uint32_t text4(const char *text)
{
    uint32_t word;

    memcpy(&word, text, 4);
    return word;
}

static uint32_t signature(const struct cpu_model *m)
{
    uint32_t base = m->family > 15 ? 15 : m->family;

    return m->stepping | (m->model & 15) << 4 | base << 8 | (m->model >> 4) << 16 | (m->family - base) << 20;
}

static struct leaf brand(const struct cpu_model *m, uint32_t part)
{
    char text[49] = "";

    memcpy(text, m->title, strnlen(m->title, 48));
    part = (part - 0x80000002u) * 16;
    return (struct leaf){text4(text + part), text4(text + part + 4), text4(text + part + 8), text4(text + part + 12)};
}

static struct leaf cpuid_leaf(const struct cpu *cpu, uint32_t eax, uint32_t ecx)
{
    const struct cpu_model *m = &cpu->machine->model;

    switch (eax) {
    case 0:
        return (struct leaf){7, text4(m->vendor), text4(m->vendor + 8), text4(m->vendor + 4)};
    case 1:
        return (struct leaf){signature(m), cpu->index << 24 | cpu->machine->cpu_count << 16 | 8 << 8,
                             LEAF1_ECX | (m->pcids ? LEAF1_ECX_PCID : 0u), LEAF1_EDX};
    case 7:
        return (struct leaf){0, ecx == 0 ? LEAF7_EBX : 0u, 0, 0};
    case 0x80000000u:
        return (struct leaf){0x80000008u, 0, 0, 0};
    case 0x80000001u:
        return (struct leaf){signature(m), 0, LEAF81_ECX, LEAF81_EDX};
    case 0x80000002u:
    case 0x80000003u:
    case 0x80000004u:
        return brand(m, eax);
    case 0x80000008u:
        return (struct leaf){40 | 48 << 8, 0, 0, 0};
    default:
        return (struct leaf){0, 0, 0, 0};
    }
}

int probe_cpuid(uc_engine *uc, void *user)
{
    struct cpu *cpu = user;
    uint32_t eax = (uint32_t)engine_get(&cpu->engine, UC_X86_REG_EAX), ecx = (uint32_t)engine_get(&cpu->engine, UC_X86_REG_ECX);
    struct leaf leaf;

    (void)uc;
    in_place_take(cpu);
    access_reached_barrier(cpu);
    if (eax == PROBE_LEAF) {
        uint64_t rdx = engine_get(&cpu->engine, UC_X86_REG_RDX), rsi = engine_get(&cpu->engine, UC_X86_REG_RSI);
        uint64_t rdi = engine_get(&cpu->engine, UC_X86_REG_RDI);

        engine_set(&cpu->engine, UC_X86_REG_RDX, probe_answer(cpu, ecx, rdx, rsi, rdi));
        return 1;
    }
    charge_timing(cpu, CAUSE_work, cpu->machine->model.cpuid_cost);
    leaf = cpuid_leaf(cpu, eax, ecx);
    engine_set(&cpu->engine, UC_X86_REG_RAX, leaf.eax);
    engine_set(&cpu->engine, UC_X86_REG_RBX, leaf.ebx);
    engine_set(&cpu->engine, UC_X86_REG_RCX, leaf.ecx);
    engine_set(&cpu->engine, UC_X86_REG_RDX, leaf.edx);
    return 1;
}
