/* SPDX-License-Identifier: MIT
 *
 * arch-vmm/kernel.h: a trap-and-emulate virtual machine monitor (Popek and Goldberg, CACM 1974) of type 1: it runs the
 * image of the monolithic kernel, unmodified, in ring 3.
 *
 * Files, as in other architectures: kernel.c starts and ends the guests, calls.c is a guest's SYSCALL, faults.c decides
 * what an exception is (the monitor's own affair, an instruction to emulate, or the guest's), tasks.c is virtual CPUs
 * as threads, memory.c the guest's memory as the guest addresses it, disk.c and console.c the devices behind the
 * virtual ones. Here alone: boot.c puts a kernel into a guest's memory, save.c takes a guest out of the machine and
 * back into one; decode.c and emulate*.c are the instructions that trap, deliver.c is the virtual CPU's interrupts and
 * exceptions, shadow*.c its page tables, dev_*.c its devices' registers.
 *
 * A guest's kernel and its programs both run in ring 3, under two root tables for each address space of the guest: so
 * programs cannot reach their kernel's memory. The monitor is in all of these tables, out of ring 3's reach, and where
 * the guest's kernel has nothing (guest/layout.h).
 */
#ifndef RINGSIDE_ARCH_VMM_KERNEL_H
#define RINGSIDE_ARCH_VMM_KERNEL_H

#include "abi/boot.h"
#include "abi/devices.h"
#include "arch-vmm/decode.h"
#include "guest/alarm.h"
#include "guest/cpu.h"
#include "guest/frames.h"
#include "guest/kernel.h"
#include "guest/sched.h"
#include "guest/tables.h"
#include "guest/thread.h"
#include "guest/trap.h"
#include "sim/devices/bus.h"
#include "sim/devices/lapic.h"
#include "sim/devices/virtio.h"

#define GUESTS_MAX 8
#define SECTOR_BYTES 512

#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)

#define VECTOR_UNDEFINED 6
#define VECTOR_TASK_SEGMENT 10
#define VECTOR_NOT_PRESENT 11
#define VECTOR_PROTECTION 13
#define EFER_SCE 0x1ul

struct guest;
struct shadow;
struct shadow_page;

/* GDTR, IDTR, and where TR points. */
struct table_register {
    uint64_t base;
    uint32_t limit;
};

/* A processor as its guest believes it to be. What is not here is in the real registers: general registers, RIP, RSP, the
 * flags that ring 3 may set, FPU, FS and GS bases. */
struct vcpu {
    struct thread thread; /* first: the scheduler's pointer is ours */
    struct guest *guest;
    bool kernel;     /* its CPL is 0; else 3 */
    bool interrupts; /* RFLAGS.IF */
    bool halted;
    uint64_t flags; /* RFLAGS: NT and IOPL, and AC at CPL 0, where it is SMAP's */
    uint16_t cs, ss, tr;
    uint64_t cr0, cr2, cr3, cr4;
    uint64_t efer, star, lstar, fmask;
    uint64_t kernel_gs; /* MSR_KERNEL_GS_BASE: the GS base that is not in use */
    struct table_register gdt, idt, tss;
    int64_t bias; /* ns, added to its CPU time: a sleeper saves up no more than a slice */
    struct lapic lapic;
    struct alarm timer;           /* when the APIC's expires */
    struct shadow_page *root[2];  /* of cr3: at CPL 3, at CPL 0 */
};

/* Requests of the guest for its disk, in the order in which it made them. */
struct disk_request {
    struct virtio_chain chain;
    unsigned begun, ended;   /* segments of data */
    uint64_t ticket[VIRTIO_QUEUE_SIZE_MAX]; /* of each segment; 0: not in flight */
    uint32_t type;
    uint64_t sector; /* of the next segment, in the guest's slice */
    uint32_t written;
    uint8_t status;
};

struct vm_disk {
    struct virtio virtio;
    struct virtio_model model;
    uint64_t first, sectors; /* its slice of the machine's disk */
    struct disk_request *request; /* VIRTIO_QUEUE_SIZE_MAX of them: a ring */
    unsigned oldest, count;
};

struct vm_console {
    struct virtio virtio;
    struct virtio_model model;
    struct guest *guest;
    unsigned line; /* 0: standard input and output, 1: standard error */
    struct virtio_chain receive; /* the buffer that waits for input */
    struct virtio_chain send;    /* the request that is being printed */
    bool receiving, sending;
    bool stale; /* a reset came while it was: it is not given back */
};

#define LOG_LINE_BYTES 240

struct guest {
    unsigned number; /* from 1 */
    uint64_t base, bytes; /* its physical memory: address 0 is at `base` of the machine's */
    struct vcpu cpu;
    struct shadow *shadow;
    struct bus bus; /* what its devices may do */
    struct vm_disk disk;
    struct vm_console console[2];
    int64_t clock_offset; /* cycles: its clock less the machine's */
    char log[LOG_LINE_BYTES];
    unsigned log_used;
    bool ended, crashed;
    int status;
};

struct monitor {
    const struct boot_info *boot;
    struct guest *guest[GUESTS_MAX];
    unsigned guests, running;
    struct vcpu *bases_of; /* whose segment bases the registers hold; NULL: nobody's */
    bool task_switched;    /* the real CR0.TS is set */
    bool save_due;
    struct vcpu *hurried;  /* woken, and to run before the current one goes on; NULL: nobody */
};

extern struct monitor monitor;

#define CHANNEL_ENDED 1

static inline struct vcpu *vcpu_current(void)
{
    return (struct vcpu *)this_cpu()->current;
}

static inline struct user_regs *vcpu_regs(struct vcpu *v)
{
    return &v->thread.context->regs;
}

/* ---- kernel.c ---- */

/* A character of its kernel's log. */
void guest_log(struct guest *guest, char c);
/* The guest is no more; its virtual CPU's thread ends here. */
_Noreturn void guest_power_off(struct guest *guest, int status);
/* The same, against its will: says why, and where it was. */
_Noreturn void guest_crash(struct guest *guest, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* ---- boot.c ---- */

/* Puts the kernel and what abi/boot.h promises into the guest's memory; the virtual CPU is in that state. */
void guest_boot(struct guest *guest, const struct boot_module *kernel);

/* ---- tasks.c ---- */

void vcpu_init(struct vcpu *v, struct guest *guest);
/* It runs from now on. */
void vcpu_start(struct vcpu *v);
/* The last thing before ring 3: interrupts, the root table, the user state. */
void vcpu_leave(struct vcpu *v);
/* In the middle of something long, for the virtual CPU that runs: interrupts are taken, and others run whose turn it is. */
void vcpu_pause(struct vcpu *v);
/* HLT: sleeps until an interrupt waits. */
void vcpu_halt(struct vcpu *v);
/* An interrupt message for it: of a device, or its own timer. */
void vcpu_interrupt(struct vcpu *v, unsigned vector);
/* Its APIC was written to, or its timer expired. */
void vcpu_timer_update(struct vcpu *v);
/* Cycles, as the guest's clock says. */
uint64_t guest_clock(const struct guest *guest);
/* RFLAGS as the guest believes them to be. */
uint64_t vcpu_flags(struct vcpu *v);
/* Loads them, for the CPL that v->kernel says. */
void vcpu_set_flags(struct vcpu *v, uint64_t flags);
/* Its GS and FS bases. */
uint64_t vcpu_gs(void);
void vcpu_set_gs(uint64_t base);

/* It sleeps no more, for now. */
void vcpu_wake(struct vcpu *v);

/* ---- save.c ---- */

void save_init(void);
void save_end(void);
/* Does not return if it is time, and nothing of the guest is under way. */
void guest_save_if_due(struct guest *guest);
/* Instead of guest_boot. */
void guest_restore(struct guest *guest, const struct boot_module *saved);

/* ---- memory.c ---- */

enum vm_access { VM_LOAD, VM_STORE, VM_EXECUTE };

/* A walk through the guest's page tables (SDM vol. 3A §4.5): entries by level, 0 the page table's. */
struct walk {
    uint64_t entry[4];
    unsigned level;   /* of the entry that maps the page: 0, or 1 and 2 for large ones */
    uint64_t address; /* guest-physical, of the byte */
    bool user;        /* all entries have U/S set */
};

/* Bits 63 to 47 are equal (SDM vol. 1 §3.3.7.1). */
static inline bool is_canonical(uint64_t address)
{
    return (uint64_t)((int64_t)(address << 16) >> 16) == address;
}

/* The machine's memory behind guest-physical addresses, or NULL: not all of it is RAM. */
void *guest_memory(const struct guest *guest, uint64_t address, uint64_t bytes);
/* Sets accessed and dirty bits. 0, or an error: WALK_FAULT and the error code of the page fault that it is. */
#define WALK_FAULT (1u << 31)
uint32_t guest_walk(struct vcpu *v, uint64_t address, enum vm_access access, bool user, struct walk *walk);
/* Why a guest's own memory could not be reached on its behalf: what a processor would raise. */
struct trouble {
    uint64_t address;
    uint32_t error;
};
/* By virtual address. `user`: with the rights of CPL 3. */
bool guest_read(struct vcpu *v, uint64_t address, void *to, size_t bytes, bool user, struct trouble *trouble);
bool guest_write(struct vcpu *v, uint64_t address, const void *from, size_t bytes, bool user, struct trouble *trouble);
/* The code at RIP: how many bytes of it, at most INSTRUCTION_MAX, can be fetched. */
#define INSTRUCTION_MAX 15
#define CODE_BYTES 16
size_t guest_fetch(struct vcpu *v, uint8_t code[CODE_BYTES]);
/* A device writes to guest-physical memory: prepares that, and says where. NULL: not RAM. */
void *guest_memory_for_device(struct guest *guest, uint64_t address, uint64_t bytes);

/* ---- faults.c ---- */

trap_handler fault_any, fault_device;

/* ---- emulate.c ---- */

/* The instruction at RIP raised `vector` (#GP or #UD) with CPL 0: it is carried out. */
void emulate_privileged(struct vcpu *v, unsigned vector, uint32_t error);
/* With CPL 3: what a guest's program may do but cannot do here. False: the exception is the guest's. */
bool emulate_program(struct vcpu *v, uint32_t error);
/* The instruction at RIP accesses `address`, behind which is guest-physical memory that is no RAM. */
void emulate_device_access(struct vcpu *v, uint64_t address, uint64_t physical);
/* The same for a store into a guest's page table. False: no plain store; nothing was done. */
bool emulate_table_store(struct vcpu *v, uint64_t address, uint64_t physical);

/* ---- deliver.c ---- */

/* An exception or interrupt through the guest's own IDT. One that cannot be delivered is another exception, and in the end the
 * guest's crash. `length`: of the INT n, INT3 or INTO behind which RIP is. */
void deliver_exception(struct vcpu *v, unsigned vector, uint32_t error);
void deliver_page_fault(struct vcpu *v, uint64_t address, uint32_t error);
void deliver_software(struct vcpu *v, unsigned vector, unsigned length);
void deliver_interrupt(struct vcpu *v, unsigned vector);
/* The guest's SYSCALL, executed at either CPL; RIP is behind it. */
void deliver_syscall(struct vcpu *v);

/* ---- shadow.c ---- */

bool shadow_init(struct guest *guest);
void shadow_fini(struct guest *guest);
/* CR3 of the guest has changed; `keep`: its translations need not be flushed. */
void shadow_switch(struct vcpu *v, bool keep);
/* Loads the root for its CPL. */
void shadow_load(struct vcpu *v);
/* The page that `walk` found, RAM, becomes accessible as the guest's tables say. */
void shadow_fill(struct vcpu *v, uint64_t address, enum vm_access access, const struct walk *walk);
/* Whether a page of the guest's memory is one of its page tables, guarded against writes. */
bool shadow_guards(const struct guest *guest, uint64_t address);
/* The guest's memory there, 8 bytes at most, was written to. */
void shadow_wrote(struct guest *guest, uint64_t address);
/* The page is a page table no more, as far as the monitor cares. */
void shadow_release(struct guest *guest, uint64_t address);
/* All that was derived from the guest's tables goes: rights have another meaning. */
void shadow_forget(struct guest *guest);
/* What the guest asks for by INVLPG, and by other ways. */
void shadow_flush_page(struct vcpu *v, uint64_t address);
void shadow_flush_all(struct guest *guest);

/* ---- devices ---- */

/* dev_bus.c: registers by guest-physical address. */
void bus_init(struct guest *guest);
uint64_t bus_read(struct guest *guest, uint64_t address, unsigned width);
void bus_write(struct guest *guest, uint64_t address, unsigned width, uint64_t value);
void port_write(struct guest *guest, uint16_t port, unsigned width, uint32_t value);

/* dev_disk.c, dev_console.c: what is behind a guest's virtio devices. */
void vm_disk_init(struct guest *guest);
void vm_disk_fini(struct guest *guest);
/* Begins what can begin, ends what has ended. */
void vm_disk_pump(struct guest *guest);
/* What is under way still moves data, and has tickets: it is waited for, and then means nothing. */
void vm_disk_forget(struct guest *guest);
void vm_console_init(struct guest *guest, unsigned line);

/* disk.c: the machine's disk. A ticket > 0, 0: not now; ended: 0 or -EIO, 1: not yet. */
void disk_init(void);
void disk_end(void);
void disk_interrupt(void);
uint64_t disk_sectors(void);
uint64_t disk_begin(bool write, uint64_t sector, uint64_t bytes, uint64_t dma);
uint64_t disk_flush(void);
int disk_ended(uint64_t ticket);

/* console.c: the machine's consoles; the first guest's. */
void console_init(void);
void console_end(void);
void console_interrupt(void);
/* Before a guest is saved: input that is on its way arrives, and none comes any more. */
void console_stop_input(void);
/* Prints console->send; vm_console_sent() follows. */
void console_send(struct vm_console *console);
void vm_console_sent(struct vm_console *console);
/* Wants input for console->receive; vm_console_received() follows. */
void console_receive(struct vm_console *console);
void vm_console_received(struct vm_console *console, const void *bytes, uint32_t count);

#endif
