/* SPDX-License-Identifier: MIT
 *
 * sim/cpu.h: the inside of a machine: struct machine and struct cpu, for sim/ only.
 *
 * How one CPU runs (rules before code):
 *  - Unicorn executes translated blocks. The block hook fires before each: it first
 *    *settles* the previous block (applies what its last instruction did to the modelled
 *    state: MOV CR3, IRETQ, INVLPG, …), then charges this one (instructions, base cost,
 *    instruction TLB and cache).
 *  - A block that faults in the middle was charged whole: the rest is given back by RIP,
 *    and its last instruction is not settled.
 *  - The memory hook (timing model only) charges data TLB and caches for each access.
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
#include "sim/block.h"
#include "sim/bus.h"
#include "sim/cache.h"
#include "sim/engine.h"
#include "sim/exits.h"
#include "sim/guard.h"
#include "sim/guest_roots.h"
#include "sim/image.h"
#include "sim/lapic.h"
#include "sim/machine.h"
#include "sim/tlb.h"

#define PAGE_BYTES 4096ul

/* What the machine puts into low RAM before it starts (abi/boot.h); all below BOARD_LOW_END. */
#define BOARD_BOOT_INFO 0x1000ul /* struct boot_info */
#define BOARD_STUB 0x8000ul
#define BOARD_GDT 0x8100ul
#define BOARD_GDTR 0x8200ul
#define BOARD_STACK_TOP 0xa000ul
#define BOARD_TABLES 0x10000ul   /* PML4, three PDPTs, four PDs */
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
 * ring 0), an I/O breakpoint must do: DR7 enables one from the start, on a port that does not exist; for a refused access DR0 is set to the port, and the
 * engine raises #DB behind the instruction. (Its arithmetic flags may be those of an earlier instruction.) */
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
    SLOT_DIRECT = 1,   /* BOOT_DIRECT_MAP */
    SLOT_KERNEL = 2,   /* BOOT_KERNEL_BASE */
    SLOT_REVERSE = 3,  /* first of the reverse slots */
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
/* Unicorn drops translations by virtual address only: while `dropping_code` is set, a physical page can be named in this
 * window, which no guest can reach (it is not canonical). */
#define DROP_WINDOW 0x4000000000000000ul

#define TRANSITIONS_KEPT 16

enum transition_kind { TRANSITION_SYSCALL, TRANSITION_EXCEPTION, TRANSITION_INTERRUPT, TRANSITION_RETURN, TRANSITION_CR3 };

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
    uint64_t space; /* physical address of the root table, of a guest's programs its own CR3; 0: in every space */
    uint16_t guest; /* it is in this virtual machine; 0: in none */
    bool guest_kernel; /* the virtual machine's kernel mode */
    bool gone;      /* its space was destroyed; the entry waits for a new space of the same name */
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
    /* the memory hook's own cache line: the page of the access before, by its alias (slot and frame) */
    uint64_t data_alias, data_epoch; /* valid while *tlb_epoch is data_epoch */
    const uint64_t *tlb_epoch;
    const uint64_t *filter_read, *filter_write;
    uint32_t filter_data_mask;
    bool data_dirty; /* its TLB entry is known to be dirty */
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
    uint64_t clock;     /* cycles since power on, halted ones included */
    uint64_t attention; /* the block hook takes the slow way when clock >= this */
    uint64_t domain_clock; /* count model: the clock up to which instructions were given to domains */
    uint32_t carry_256; /* 1/256 cycles not yet charged */
    bool started, halted;
    bool deaf; /* halted, or at a jump to itself: with interrupts off */

    /* the block being executed */
    struct block *block;  /* NULL: nothing to settle */
    struct block *before; /* the block that ran last; never NULL */
    struct block *blocks; /* all, by number */
    uint64_t block_pc;
    uint64_t rep_pc;  /* address of the REP instruction that is running, 0: none */
    uint64_t rep_left; /* elements of it that are still to come */
    bool rep_first;   /* its first element has not been settled */
    bool rep_single;  /* RCX was 0 or 1: the engine comes by once more if it was 1 */
    bool shadow;      /* interrupt shadow of STI, MOV SS */
    bool in_copy_routine;
    struct suspended_rep suspended[SUSPENDED_REPS];
    unsigned suspended_next;

    /* the current domain's account */
    struct domain *domain;
    uint64_t user_space; /* root table of the last user code */
    struct guest_root guest; /* of the root that was current last; used: it is known */

    /* filters: the last pages that hit, valid while *tlb_epoch is unchanged */
    uint64_t code_page, code_frame, code_epoch;
    struct {
        uint64_t page, frame;
        uint32_t epoch;
    } code_map[CODE_MAP]; /* count model: by soft_epoch */
    const uint64_t *filter_code;
    uint32_t filter_code_mask;

    /* soft TLB bookkeeping */
    uint32_t soft_epoch; /* counts its flushes */
    uint32_t key_epoch;  /* the same with the CPU's number, for block_key() */
    struct reverse_entry *reverse[REVERSE_SLOTS];
    uint64_t *fetched; /* by frame: the virtual page under which code was last fetched from it, for data among the code */
    bool flush_soft;  /* drop the soft TLB at the next block */
    uint64_t stale_code[STALE_CODE_PAGES]; /* frames whose translations must go before the next block */
    unsigned stale_code_count;
    bool stale_all_code; /* or all of them */
    bool dropping_code; /* the fill callback answers for DROP_WINDOW */
    bool port_refused; /* the engine stopped before an IN or OUT that is not allowed */
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
    uint64_t load_end; /* physical: the first free byte */
    struct save_request saved; /* after END_SAVED */
    uint64_t kernel_entry;
    struct boot_info *boot;

    struct guest_roots guest_roots;
    struct exits exits;
    struct counters counters;
    struct domain **domains;
    size_t domain_count;
    bool region_done;
    struct machine_result result;
    bool result_frozen; /* the region's figures are in result */
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
    cpu->clock += cycles;
    cpu->domain->cycles[cause] += cycles;
}

/* Instructions were retired (or, negative, taken back). The count model's clock is its instructions: domains get them
 * when they change (account_enter). */
static inline void retire(struct cpu *cpu, int64_t instructions)
{
    if (cpu->machine->timing)
        cpu->domain->instructions += (uint64_t)instructions;
    else
        cpu->clock += (uint64_t)instructions;
}

/* Time passes without instructions. */
static inline void pass_time(struct cpu *cpu, uint64_t cycles)
{
    cpu->clock += cycles;
    cpu->domain_clock += cycles;
}

/* Charges only in the timing model: the count model's clock is its instructions. */
static inline void charge_timing(struct cpu *cpu, enum cause cause, uint64_t cycles)
{
    if (cpu->machine->timing)
        charge(cpu, cause, cycles);
}

/* ram.c */
static inline uint64_t ram_word(const struct machine *m, uint64_t address)
{
    return *(const uint64_t *)(m->ram + address);
}
bool ram_open(struct machine *m, char error[MACHINE_ERROR_MAX]);
void ram_close(struct machine *m);
bool ram_map(struct cpu *cpu, char error[MACHINE_ERROR_MAX]);
/* A device or the loader changes RAM: caches and translations of it are dropped. */
bool ram_dma_write(struct machine *m, uint64_t address, const void *from, size_t bytes);
bool ram_dma_read(struct machine *m, uint64_t address, void *to, size_t bytes);

/* mmu.c */
enum access { ACCESS_READ = 0, ACCESS_WRITE = 1, ACCESS_FETCH = 2 };
/* UNCHECKED: the access is being made, its rights were checked by the soft TLB. */
enum privilege { AS_USER, AS_SUPERVISOR, UNCHECKED };
/* A translation for an access by `cpu`. Counted: TLBs, walks and their
 * cost. false: *error is the #PF error code. */
bool mmu_translate(struct cpu *cpu, uint64_t address, enum access access, enum privilege privilege, struct translation *out, uint32_t *error);
/* The same without effect on counters, TLBs or A/D bits: what the page tables say now. */
bool mmu_peek(const struct cpu *cpu, uint64_t address, struct translation *out);
bool mmu_canonical(uint64_t address);
/* SDM 4.6: may this access be made under these rights? ac: RFLAGS.AC */
bool mmu_allowed(const struct cpu *cpu, uint8_t flags, enum access access, enum privilege privilege, bool ac);
/* An instruction fetch, without effect: the block hook makes the counted look-up when the code runs. */
bool mmu_translate_fetch(struct cpu *cpu, uint64_t address, struct translation *out, uint32_t *error);
void mmu_describe_walk(const struct cpu *cpu, uint64_t address, FILE *out);
/* Reads guest memory by virtual address without effects; false if not mapped. */
bool mmu_read(const struct cpu *cpu, uint64_t address, void *to, size_t bytes);
/* The physical address that `address`, in this page, means. */
static inline uint64_t translation_address(const struct translation *t, uint64_t address)
{
    return (t->frame + ((address >> 12) - t->page)) << 12 | (address & (PAGE_BYTES - 1));
}

/* fill.c: the MMU under the engine, and its soft TLB */
bool mmu_fill(uc_engine *uc, uint64_t address, uc_mem_type type, uc_tlb_entry *out, void *user);
void mmu_flush_soft(struct cpu *cpu);
void mmu_soft_flushed(struct cpu *cpu); /* the engine's soft TLB is empty */
/* This entry is being used: counts and warns if the tables no longer say the same. */
void mmu_check_stale(struct cpu *cpu, uint64_t address, const struct translation *used);

/* execute.c: the block hook */
bool execute_install(struct cpu *cpu, char error[MACHINE_ERROR_MAX]);

/* data.c: the memory hook, and accesses that the machine itself makes (page walks, delivery) */
void data_hook(uc_engine *uc, uc_mem_type type, uint64_t address, int size, int64_t value, void *user);
void data_access(struct cpu *cpu, uint64_t physical, unsigned bytes, bool write, enum cause miss_cause);
void data_cache_line(struct cpu *cpu, enum cache_port port, uint64_t physical, bool write, enum cause cause);

/* rep.c: REP string instructions */
void rep_begin(struct cpu *cpu, const struct block *b, uint64_t pc);
void rep_again(struct cpu *cpu, const struct block *b); /* the engine comes by for the next element */
void rep_settle(struct cpu *cpu, const struct block *b);
void rep_suspend(struct cpu *cpu); /* an interrupt or fault in the middle: remember the run */

/* settle.c: after a block */
void settle_block(struct cpu *cpu);
/* The current block stopped before the instruction at `rip`: give back what was charged beyond it. */
void settle_cancel(struct cpu *cpu, uint64_t rip);
void settle_drop_filters(struct cpu *cpu); /* another address space, or another PCID */

/* operands.c: the memory operands of the instruction at `rip` */
size_t operands_at(struct cpu *cpu, uint64_t rip, struct operand out[OPERANDS_MAX]);

/* deliver.c: ways into ring 0 */
void deliver_syscall(struct cpu *cpu, unsigned length);
unsigned deliver_syscall_length(struct cpu *cpu, uint64_t rip, bool *vex);
void deliver_exception(struct cpu *cpu, unsigned vector, uint32_t error, bool software);
void deliver_page_fault(struct cpu *cpu, uint64_t address, uint32_t error);
void deliver_interrupt(struct cpu *cpu, unsigned vector);
void deliver_return(struct cpu *cpu, uint64_t from_rip, bool sysret); /* settles IRETQ, SYSRET, RETF */
void deliver_reload(struct cpu *cpu); /* re-reads control registers, MSRs and tables from the engine */

/* trap.c: Unicorn's hooks for them */
bool trap_install(struct cpu *cpu, char error[MACHINE_ERROR_MAX]);

/* spin.c: a jump to itself */
/* One turn of it was charged; charges all further ones that come before the hook's next `attention`, or ends the run. */
void spin_forward(struct cpu *cpu, const struct block *b);
/* Every CPU stands still, and nothing can change that. */
bool spin_is_for_ever(const struct machine *m);

/* inject.c: faults in services */
bool inject_open(struct machine *m); /* false: no memory */
void inject_close(struct machine *m);
/* An image was loaded: a module, for ring 3 of the domain of this name; NULL: the kernel. */
void inject_image(struct machine *m, const char *domain, const void *elf, size_t bytes);
/* The block at pc is about to run, and was charged. Only called if there is a struct inject. */
void inject_block(struct cpu *cpu, uint64_t pc);
void inject_died(struct cpu *cpu, const char *domain, uint64_t cause);
void inject_back(struct cpu *cpu, const char *domain, uint64_t calls_failed, const char *lost);
void inject_finish(struct machine *m); /* warnings and results */
void inject_report(const struct machine *m, FILE *out);

/* account.c: domains, regions, results */
void account_enter(struct cpu *cpu); /* CPL or CR3 changed: find the current domain */
/* Whose the current root table is; guest 0: no guest's. */
const struct guest_root *account_guest(struct cpu *cpu);
/* As the kernel that runs means it: ring 0, or a guest's. space 0: the current one. */
void account_name(struct cpu *cpu, uint64_t space, unsigned ring, const char *name);
void account_space_gone(struct cpu *cpu, uint64_t space);
void account_guest_root(struct cpu *cpu, const struct guest_root *root);
void account_user_resumes(struct cpu *cpu);
void account_region_begin(struct cpu *cpu);
void account_region_end(struct machine *m, uint64_t ops);
uint64_t account_instructions(struct machine *m); /* since the books were opened */
void account_result(struct machine *m);
void account_warn(struct machine *m, const char *format, ...) __attribute__((format(printf, 2, 3)));
void account_close(struct machine *m);

/* exits.c: CPL 3 is being left for ring 0 */
void exits_syscall(struct cpu *cpu);
void exits_interrupt(struct cpu *cpu);
void exits_exception(struct cpu *cpu, unsigned vector, bool software, uint64_t rip);
const char *exits_exception_name(unsigned vector);

/* trace.c: the recording. What happens is about to happen on this CPU; all do nothing if nothing is recorded, but those
 * for blocks are only called if something is. */
bool trace_open(struct machine *m); /* false: no memory */
void trace_close(struct machine *m);
/* A file whose code may run, and its symbols as the machine knows them. */
void trace_image(struct machine *m, const char *name, const struct symbols *symbols, const void *elf, size_t bytes);
void trace_block_ends(struct cpu *cpu); /* before another one is charged */
void trace_block_begins(struct cpu *cpu, const struct block *b, uint64_t pc); /* it was charged */
void trace_leave(struct cpu *cpu); /* the domain is about to change, or another CPU to run */
void trace_enter(struct cpu *cpu); /* the domain has changed */
void trace_resume(struct cpu *cpu); /* this CPU runs again */
void trace_syscall(struct cpu *cpu);
void trace_exception(struct cpu *cpu, unsigned vector);
void trace_interrupt(struct cpu *cpu, unsigned vector);
void trace_exit(struct cpu *cpu, const char *reason); /* what was told last left a guest */
void trace_return(struct cpu *cpu, unsigned cpl);
void trace_user(struct cpu *cpu, bool other); /* user code resumes, in another space */
void trace_cr3(struct cpu *cpu);
void trace_flush(struct cpu *cpu, const char *what);
void trace_fault(struct cpu *cpu, const char *what);
void trace_region_begin(struct cpu *cpu); /* all sums are 0 */
void trace_finish(struct machine *m); /* the region or the run is over */

/* probe.c */
int probe_cpuid(uc_engine *uc, void *user);

/* events.c */
bool event_at(struct machine *m, uint64_t when, void (*fire)(void *self), void *self);
void event_run(struct machine *m, uint64_t now);
uint64_t event_next(const struct machine *m); /* UINT64_MAX: none */

/* run.c: the loop of a CPU, and the scheduler of the fibers */
enum machine_end run_all(struct machine *m);
void run_yield(struct cpu *cpu);
/* A page that was translated changes: all engines forget its translations before their next block. */
void run_drop_code(struct machine *m, uint64_t frame);
void run_poll(struct cpu *cpu); /* time limit, stop from outside, progress */
void run_set_attention(struct cpu *cpu);
void run_end(struct machine *m, enum machine_end end);
void run_crash(struct cpu *cpu, const char *format, ...) __attribute__((format(printf, 2, 3)));
bool run_start_cpu(struct cpu *cpu, uint64_t entry, char error[MACHINE_ERROR_MAX]);

/* saved.c: the monitor's OUT to PORT_SAVE. Nothing happens if nobody asked for it, or what it names is not in RAM. */
void saved_request(struct cpu *cpu, uint32_t frame);

/* board.c: devices on the bus, ports, APICs */
bool board_open(struct machine *m, char error[MACHINE_ERROR_MAX]);
void board_close(struct machine *m);
bool board_attach(struct cpu *cpu, char error[MACHINE_ERROR_MAX]);
/* This #DB is the end of a refused port access: the registers are put back, #GP(0) is due. */
bool board_refuse_port(struct cpu *cpu);
/* Code of ring 3 that was just decoded: guards its port instructions. true: there are new guards, so it must be
 * translated again before it runs. */
bool board_guard_ports(struct cpu *cpu, uint64_t pc, uint64_t physical, const uint8_t *code, uint32_t size);

#endif
