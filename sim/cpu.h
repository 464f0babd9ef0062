/* SPDX-License-Identifier: MIT
 *
 * sim/cpu.h: the state of a machine: struct machine and struct cpu, for sim/ only (inside.h). And what every charge
 * goes through.
 *
 * How one CPU runs (rules before code):
 *  - Unicorn executes translated blocks. The block hook fires before each: it first
 *    *settles* the previous block (applies what its last instruction did to the modelled
 *    state: MOV CR3, IRETQ, INVLPG, …), then charges this one (instructions, base cost,
 *    instruction TLB and cache).
 *  - A block that faults in the middle was charged whole: the rest is given back by RIP,
 *    and its last instruction is not settled.
 *  - The accesses of a block are listed when it begins (access.c), and charge data TLB and caches
 *    when it has run, or as far as it has come when something looks (timing model only).
 *  - The TLB fill callback is the MMU: it answers what the modelled TLB holds or the page
 *    tables say, or it refuses; then the engine stops and we deliver #PF.
 *  - Anything that cannot be done inside a callback is asked for with `attention`
 *    and done by the CPU's loop (run.c) while the engine stands still.
 *
 * The soft TLB is Unicorn's own cache of fills. It is not modelled; it only must never
 * allow what the modelled state would not: a store to a page table, a change of CR3 or
 * of rights drops it.
 */
#ifndef RINGSIDE_SIM_CPU_H
#define RINGSIDE_SIM_CPU_H

#include <stdbool.h>
#include <stdint.h>
#include <ucontext.h>

#include "abi/boot.h"
#include "abi/save.h"
#include "sim/account/exits.h"
#include "sim/account/guest_roots.h"
#include "sim/devices/bus.h"
#include "sim/devices/lapic.h"
#include "sim/execute/access.h"
#include "sim/execute/block.h"
#include "sim/execute/decode.h"
#include "sim/execute/engine.h"
#include "sim/execute/guard.h"
#include "sim/execute/in_place.h"
#include "sim/native/native.h"
#include "sim/files/image.h"
#include "sim/machine.h"
#include "sim/memory/cache.h"
#include "sim/memory/tlb.h"

#define PAGE_BYTES 4096ul

/* What the machine puts into low RAM before it starts (abi/boot.h); all below BOARD_LOW_END. */
#define BOARD_BOOT_INFO 0x1000ul /* struct boot_info */
#define BOARD_STUB 0x8000ul
#define BOARD_GDT 0x8100ul
#define BOARD_GDTR 0x8200ul
#define BOARD_STACK_TOP 0xa000ul
#define BOARD_TABLES 0x10000ul /* PML4, three PDPTs, four PDs */
#define BOARD_LOW_END 0x20000ul
#define PAGE_MASK (~(PAGE_BYTES - 1))
#define ROOT_MASK 0x000ffffffffff000ul /* CR3: the physical address of the root table */

/* CR0, CR4, EFER, RFLAGS, page-table bits: Intel SDM vol. 3A §2.5, §2.2.1, §4.5. */
enum {
    CR0_WP = 1 << 16,
    CR0_PG = 1u << 31,
    CR4_TSD = 1 << 2,
    CR4_PGE = 1 << 7,
    CR4_PCIDE = 1 << 17,
    CR4_SMEP = 1 << 20,
    CR4_SMAP = 1 << 21,
    EFER_SCE = 1 << 0,
    EFER_NXE = 1 << 11,
    FLAG_TF = 1 << 8,
    FLAG_IF = 1 << 9,
    FLAG_DF = 1 << 10,
    FLAG_IOPL = 3 << 12,
    FLAG_NT = 1 << 14,
    FLAG_RF = 1 << 16,
    FLAG_AC = 1 << 18,
};

enum {
    MSR_EFER = 0xc0000080,
    MSR_STAR = 0xc0000081,
    MSR_LSTAR = 0xc0000082,
    MSR_FMASK = 0xc0000084,
};

enum vector {
    VECTOR_DE = 0,
    VECTOR_DB = 1,
    VECTOR_UD = 6,
    VECTOR_DF = 8,
    VECTOR_TS = 10,
    VECTOR_NP = 11,
    VECTOR_SS = 12,
    VECTOR_GP = 13,
    VECTOR_PF = 14,
};

/* The engine does not check ports (MACHINE.md), and a port hook cannot stop a block in its middle. So each IN or OUT in
 * code of ring 3 gets a code hook of its own before it first runs. Should one run without (its code was first seen at
 * ring 0), an I/O breakpoint must do: DR7 enables one from the start, on a port that does not exist; for a refused
 * access DR0 is set to the port, and the engine raises #DB behind the instruction. (Its arithmetic flags may be those
 * of an earlier instruction.) */
#define PORT_GUARDS 128
#define PORT_REGISTERS 4
#define BOARD_NO_PORT 0x10000ul
#define BOARD_DR7 0x20403ul /* breakpoint 0: local, global, I/O read or write, 1 byte */

/* Flags of a physical page. */
enum page_flag {
    PAGE_IS_CODE = 1 << 0,  /* some engine may hold translations of it */
    PAGE_IS_DATA = 1 << 1,  /* some soft TLB may hold it writable */
    PAGE_IS_TABLE = 1 << 2, /* a page walk read it */
};

/* Alias slots: the same RAM at several Unicorn-physical bases, so that the address a memory hook gets tells the
 * virtual page. Slot 0 is for code, devices and physical reads; LINEAR slots have a constant distance; REVERSE slots
 * a table. */
enum {
    SLOT_SHIFT = 40,
    SLOT_PLAIN = 0,
    SLOT_DIRECT = 1,  /* BOOT_DIRECT_MAP */
    SLOT_KERNEL = 2,  /* BOOT_KERNEL_BASE */
    SLOT_REVERSE = 3, /* first of the reverse slots */
    SLOT_COUNT = 8,
    REVERSE_SLOTS = SLOT_COUNT - SLOT_REVERSE,
};
#define SLOT_BASE(slot) ((uint64_t)(slot) << SLOT_SHIFT)
#define SLOT_OFFSET_MASK ((1ul << SLOT_SHIFT) - 1)

struct reverse_entry {
    uint64_t page; /* virtual address >> 12 */
    uint32_t epoch;
};

#define CODE_MAP 256
#define STALE_CODE_PAGES 32
/* Unicorn drops translations by virtual address only: while `dropping_code` is set, a physical page can be named in
 * this window, which no guest can reach (it is not canonical). */
#define DROP_WINDOW 0x4000000000000000ul

#define TRANSITIONS_KEPT 16

enum transition_kind {
    TRANSITION_SYSCALL,
    TRANSITION_EXCEPTION,
    TRANSITION_INTERRUPT,
    TRANSITION_RETURN,
    TRANSITION_CR3
};

struct transition {
    enum transition_kind kind;
    uint8_t from_cpl, to_cpl;
    uint16_t vector;
    uint64_t from_rip, to_rip, cycles, detail; /* detail: call number, error code, CR3 */
};

/* Cycles and instructions of one domain. */
#define DOMAIN_NAME_MAX 32

struct domain {
    char name[DOMAIN_NAME_MAX];
    unsigned ring;
    uint64_t space;    /* physical address of the root table, of a guest's programs its own CR3; 0: in every space */
    uint16_t guest;    /* it is in this virtual machine; 0: in none */
    bool guest_kernel; /* the virtual machine's kernel mode */
    bool gone;         /* its space was destroyed; the entry waits for a new space of the same name */
    uint64_t number;
    uint64_t instructions;
    uint64_t cycles[CAUSE_COUNT];
    struct symbols *symbols;
};

/* A REP string run that an exception or interrupt interrupted. */
struct suspended_rep {
    uint64_t pc, rcx, rdi, cr3;
};
#define SUSPENDED_REPS 8

struct cpu {
    /* the page of the access before: its virtual page; with a memory hook its alias, slot and frame */
    uint64_t data_page, data_epoch; /* valid while *tlb_epoch is data_epoch */
    uint64_t data_frame;
    const uint64_t *tlb_epoch;
    const uint64_t *filter_read, *filter_write;
    uint32_t filter_data_mask;
    bool data_dirty; /* its TLB entry is known to be dirty */
    bool data_held;  /* a first-level TLB holds it; else it is looked up for each access */
    bool data_table; /* it holds paging structures */

    struct machine *machine;
    unsigned index;
    struct engine engine;
    struct tlb *tlb;
    struct lapic *lapic;

    /* architectural state, mirrored from the engine when it changes */
    uint64_t cr0, cr3, cr4, efer, star, lstar, fmask;
    uint64_t table_base[3], table_limit[3]; /* GDT, IDT, TSS: see enum descriptor_table */
    uint16_t pcid;
    uint8_t cpl;
    uint64_t user_flags; /* IOPL and IF with which ring 3 was last entered: it cannot change IOPL */

    /* clock */
    struct in_place now;   /* among them the clock: cycles since power on, halted ones included */
    uint64_t attention;    /* the block hook takes the slow way when the clock >= this; see attend() */
    uint64_t domain_clock; /* count model: the clock up to which instructions were given to domains */
    uint32_t carry_256;    /* 1/256 cycles not yet charged */
    bool started, halted;
    bool deaf; /* halted, or at a jump to itself: with interrupts off */

    /* the block being executed */
    struct block *block;            /* NULL: nothing to settle */
    struct block *before;           /* the block that ran last; never NULL */
    struct block *blocks;           /* all, by number */
    const struct block_plan *plans; /* of all, by number */
    uint64_t block_pc;
    uint64_t rep_pc;   /* address of the REP instruction that is running, 0: none */
    uint64_t rep_left; /* elements of it that are still to come */
    uint32_t rep_cost_256; /* 1/256 cycles of an element */
    bool rep_first;    /* its first element has not been settled */
    bool rep_single;   /* RCX was 0 or 1: the engine comes by once more if it was 1 */
    bool shadow;       /* interrupt shadow of STI, MOV SS */
    bool in_copy_routine;
    struct suspended_rep suspended[SUSPENDED_REPS];
    unsigned suspended_next;

    /* the current domain's account */
    struct domain *domain;
    uint64_t user_space;     /* root table of the last user code */
    struct guest_root guest; /* of the root that was current last; used: it is known */

    /* filters: the last pages that hit, valid while *tlb_epoch is unchanged */
    uint64_t code_page, code_frame, code_epoch;
    struct {
        uint64_t page, frame;
        uint32_t epoch;
    } code_map[CODE_MAP]; /* count model: by soft_epoch */
    const uint64_t *filter_code;
    uint32_t filter_code_mask;

    struct front front; /* timing model */
    struct accesses *access; /* of the block being executed */
    struct code_place *places;    /* in_place.c; NULL: none yet */
    unsigned place_count;
    struct native *native;                              /* native.c; NULL: none yet */
    uint64_t *bulk;                                     /* count model: the engine's registers, for bulk.c; NULL: it makes nothing */
    uint64_t native_value[VALUES_MAX - VALUE_TEMPORARY]; /* its routines' temporaries, */
    uint64_t native_store[NATIVE_STEPS_MAX];            /* and the lines of a block's stores */

    /* soft TLB bookkeeping */
    uint32_t soft_epoch; /* counts its flushes */
    uint32_t key_epoch;  /* the same with the CPU's number, for block_key() */
    struct reverse_entry *reverse[REVERSE_SLOTS];
    uint64_t
        *fetched;    /* by frame: the virtual page under which code was last fetched from it, for data among the code */
    bool flush_soft; /* drop the soft TLB at the next block */
    uint64_t stale_code[STALE_CODE_PAGES]; /* frames whose translations must go before the next block */
    unsigned stale_code_count;
    bool stale_all_code; /* or all of them */
    uint64_t translated; /* bytes of the engine's code buffer that may be used: an estimate from above */
    bool dropping_code;  /* the fill callback answers for DROP_WINDOW */
    uint8_t refused;     /* an exception: the engine stopped at an instruction that must raise it; 0: it did not */
    uint64_t refused_at; /* where */
    /* one without a guard: its registers before it; the #DB that follows becomes #GP */
    struct {
        bool valid;
        uint64_t registers[PORT_REGISTERS];
    } refused_port;

    /* a fault found by the fill callback, delivered by the loop */
    struct {
        bool valid;
        uint64_t page; /* address without its low 12 bits */
        uint32_t error;
        bool fetch, write;
        bool canonical; /* false: #GP, not #PF (SDM vol. 1 §3.3.7.1) */
    } fault;

    /* fiber */
    ucontext_t fiber;
    void *stack;
    size_t stack_bytes;
    void *asan_fake_stack;
    struct guard guard;

    struct transition transitions[TRANSITIONS_KEPT];
    uint64_t transition_count;
};

enum descriptor_table { TABLE_GDT, TABLE_IDT, TABLE_TSS };

struct event {
    uint64_t when, order;
    void (*fire)(void *self);
    void *self;
};

enum {
#define LIBRARY_ROUTINE(routine, counter) LIBRARY_##routine,
#include "abi/library_routines.def"
#undef LIBRARY_ROUTINE
    LIBRARY_ENTRIES
};

struct machine {
    struct machine_config config;
    struct cpu_model model;
    bool timing;

    uint8_t *ram;
    uint64_t ram_bytes;
    uint8_t *page_flags; /* one for each physical page */

    struct cpu cpus[MACHINE_CPUS_MAX];
    unsigned cpu_count;
    unsigned current; /* whose fiber runs */
    struct cache_system *caches;
    struct block_table *blocks;
    struct decoder *decoder;
    struct plan_builder *plan; /* scratch */

    struct virtio_blk *blk;
    struct virtio_console *console, *stderr_console;
    struct bus bus;
    struct bus_device devices[16]; /* by page above MMIO_BASE; empty: reads 0 */
    struct event *events;          /* a binary heap by (when, order) */
    size_t event_count, event_room;
    uint64_t event_order;

    struct symbols *kernel_symbols;
    struct {
        char domain[32];
        bool module; /* a server, not a program */
        struct symbols *symbols;
    } programs[32];
    size_t program_count;
    struct port_guard {
        uint64_t pc, frame;
        uc_hook hooks[MACHINE_CPUS_MAX];
    } port_guards[PORT_GUARDS];
    unsigned port_guard_count;
    struct {
        uint64_t pc; /* 0: no module has it */
        enum counter counter;
    } library_entry[LIBRARY_ENTRIES]; /* abi/library_routines.def */
    uint64_t load_end;                /* physical: the first free byte */
    struct save_request saved;        /* after END_SAVED */
    uint64_t kernel_entry;
    struct boot_info *boot;

    struct guest_roots guest_roots;
    struct exits exits;
    struct counters counters;
    struct domain **domains;
    size_t domain_count;
    bool region_done;
    struct machine_result result;
    bool result_frozen;   /* the region's figures are in result */
    bool frames_by_ring0; /* ring 0 itself has told its free frames: guests' are not asked for */
    struct domain_result *result_domains;
    struct exits result_exits;
    char (*warnings)[160];
    size_t warning_count;
    uint64_t total_instructions, total_cycles; /* of what region begin reset */

    volatile bool stop_wanted;
    bool ended;
    enum machine_end end;
    char crash_reason[256];
    struct cpu *crashed;
    uint64_t crash_address; /* CR2 of a crash by page fault, else 0 */
    char log_line[512];
    size_t log_used;
    ucontext_t scheduler;
    void *asan_scheduler_stack;
    size_t asan_scheduler_bytes;
    const void *asan_scheduler_bottom;
    struct inject *inject; /* NULL: no faults were asked for */
    struct trace *trace;   /* NULL: nothing is recorded */
    uint64_t started_host_ns;
    uint64_t next_progress;
};

static inline void count(struct cpu *cpu, enum counter counter)
{
    cpu->machine->counters.value[counter]++;
}

static inline void count_n(struct cpu *cpu, enum counter counter, uint64_t n)
{
    cpu->machine->counters.value[counter] += n;
}

/* Every cycle goes through here: on the clock, and to a domain and a cause. */
static inline void charge(struct cpu *cpu, enum cause cause, uint64_t cycles)
{
    cpu->now.clock += cycles;
    cpu->domain->cycles[cause] += cycles;
}

/* Instructions were retired (or, negative, taken back). The count model's clock is its instructions: domains get them
 * when they change (account_enter). */
static inline void retire(struct cpu *cpu, int64_t instructions)
{
    if (cpu->machine->timing)
        cpu->domain->instructions += (uint64_t)instructions;
    else
        cpu->now.clock += (uint64_t)instructions;
}

/* The next block takes the slow way. */
static inline void attend(struct cpu *cpu)
{
    cpu->attention = 0;
    cpu->now.limit = 0;
}

/* Time passes without instructions. */
static inline void pass_time(struct cpu *cpu, uint64_t cycles)
{
    cpu->now.clock += cycles;
    cpu->domain_clock += cycles;
}

/* Charges only in the timing model: the count model's clock is its instructions. */
static inline void charge_timing(struct cpu *cpu, enum cause cause, uint64_t cycles)
{
    if (cpu->machine->timing)
        charge(cpu, cause, cycles);
}

#endif
