/* SPDX-License-Identifier: MIT
 *
 * arch-vmm/save.c: a guest leaves the machine between two of its instructions, and goes on in another one.
 *
 * All there is of a guest is its memory, its part of the disk, and what this file writes down: registers, the virtual CPU, the
 * registers of its devices. Shadow tables are derived and are left behind. A guest is saved when nothing of it is under way
 * in the machine's devices; its clock stands still until it is restored.
 *
 * The machine writes all of that to a file (PORT_SAVE) and ends. In the machine that restores it, memory and disk are in their places
 * at power on, and the state is the boot module "saved".
 */
#include "abi/save.h"
#include "arch-vmm/kernel.h"
#include "guest/clock.h"
#include "guest/heap.h"
#include "guest/print.h"
#include "guest/x86.h"
#include "services/string.h"

#define SAVED_MAGIC 0x4445564153545347ul
#define CONSOLES 2

struct saved {
    uint64_t magic, bytes; /* of this structure: another monitor's has another size */
    uint64_t memory_bytes, sectors, clock;
    struct user_context context;
    struct vcpu cpu;
    struct virtio disk, console[CONSOLES];
    struct virtio_chain receive[CONSOLES];
    bool receiving[CONSOLES];
    char log[LOG_LINE_BYTES];
    unsigned log_used;
};

static struct alarm save_alarm;

/* ---- away ---- */

static bool is_quiet(const struct guest *guest)
{
    return !guest->disk.count && !guest->console[0].sending && !guest->console[1].sending;
}

static void write_down(struct guest *guest, struct saved *s)
{
    struct user_context *context = guest->cpu.thread.context;

    s->magic = SAVED_MAGIC;
    s->bytes = sizeof(*s);
    s->memory_bytes = guest->bytes;
    s->sectors = guest->disk.sectors;
    s->clock = guest_clock(guest);
    thread_context_read(&guest->cpu.thread);
    if (monitor.bases_of == &guest->cpu) {
        context->fs_base = read_msr(MSR_FS_BASE);
        context->gs_base = vcpu_gs();
    }
    s->context = *context;
    s->cpu = guest->cpu;
    s->disk = guest->disk.virtio;
    for (unsigned i = 0; i < CONSOLES; i++) {
        s->console[i] = guest->console[i].virtio;
        s->receiving[i] = guest->console[i].receiving;
        s->receive[i] = guest->console[i].receive;
    }
    memcpy(s->log, guest->log, sizeof(s->log));
    s->log_used = guest->log_used;
}

static _Noreturn void save(struct guest *guest)
{
    struct saved *state = heap_alloc(sizeof(*state));
    struct save_request *request = heap_alloc(PAGE_BYTES);

    if (!state || !request)
        panic("not enough memory to save guest %u", guest->number);
    if (monitor.task_switched)
        clear_task_switched();
    console_stop_input();
    write_down(guest, state);
    *request = (struct save_request){physical(state), sizeof(*state)};
    out32(PORT_SAVE, (uint32_t)(physical(request) / PAGE_BYTES));
    panic("the machine does not save guest %u", guest->number);
}

void guest_save_if_due(struct guest *guest)
{
    if (monitor.save_due && is_quiet(guest))
        save(guest);
}

static void save_time(struct alarm *alarm)
{
    monitor.save_due = true;
    vcpu_wake(&monitor.guest[0]->cpu);
}

void save_init(void)
{
    if (!monitor.boot->save_at_ns)
        return;
    if (monitor.guests != 1)
        panic("only a guest that is alone can be saved");
    alarm_init(&save_alarm, save_time);
    alarm_set(&save_alarm, monitor.boot->save_at_ns);
}

void save_end(void)
{
    if (monitor.boot->save_at_ns)
        alarm_cancel(&save_alarm);
}

/* ---- and back ---- */

static void restore_virtio(struct virtio *virtio, const struct virtio *saved)
{
    const struct virtio fresh = *virtio;

    *virtio = *saved;
    virtio->bus = fresh.bus;
    virtio->model = fresh.model;
    virtio->self = fresh.self;
}

static void restore_cpu(struct vcpu *v, const struct saved *s)
{
    struct vcpu fresh = *v;

    *v = s->cpu;
    v->thread = fresh.thread;
    v->guest = fresh.guest;
    v->timer = fresh.timer;
    v->lapic.send = fresh.lapic.send;
    v->lapic.ctx = fresh.lapic.ctx;
    v->root[0] = v->root[1] = NULL;
    alarm_init(&v->timer, fresh.timer.expired);
    *v->thread.context = s->context;
}

void guest_restore(struct guest *guest, const struct boot_module *module)
{
    const struct saved *s = direct(module->address);

    if (module->size < sizeof(*s) || s->magic != SAVED_MAGIC || s->bytes != sizeof(*s))
        panic("the saved guest is another monitor's");
    if (s->memory_bytes != guest->bytes || s->sectors != guest->disk.sectors)
        panic("the saved guest has %lu bytes of memory and %lu sectors; here are %lu and %lu", s->memory_bytes, s->sectors,
              guest->bytes, guest->disk.sectors);
    restore_cpu(&guest->cpu, s);
    guest->clock_offset = (int64_t)(s->clock - clock_cycles());
    restore_virtio(&guest->disk.virtio, &s->disk);
    for (unsigned i = 0; i < CONSOLES; i++) {
        restore_virtio(&guest->console[i].virtio, &s->console[i]);
        guest->console[i].receiving = s->receiving[i];
        guest->console[i].receive = s->receive[i];
        if (s->receiving[i] && guest->number == 1)
            console_receive(&guest->console[i]);
    }
    memcpy(guest->log, s->log, sizeof(guest->log));
    guest->log_used = s->log_used;
    vcpu_timer_update(&guest->cpu);
}
