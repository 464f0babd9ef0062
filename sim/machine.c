/* SPDX-License-Identifier: MIT
 *
 * sim/machine.c: making a machine, loading it, its boot environment (abi/boot.h), ending it.
 */
#include "sim/machine.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "sim/inside.h"

#define DEFAULT_RAM (128ul << 20)
#define RAM_MAX (3ul << 30)

static bool refuse(char error[MACHINE_ERROR_MAX], const char *what)
{
    snprintf(error, MACHINE_ERROR_MAX, "%s", what);
    return false;
}

static uint64_t ram_of_each(const struct machine_config *c)
{
    return c->ram_bytes ? c->ram_bytes : DEFAULT_RAM;
}

/* Where the memory of guests begins. */
static uint64_t free_end(const struct machine_config *c)
{
    return c->guests ? BOOT_MONITOR_RAM(c->guests) : ram_of_each(c);
}

static uint64_t all_ram(const struct machine_config *c)
{
    return free_end(c) + c->guests * ram_of_each(c);
}

static bool check_config(const struct machine_config *c, char error[MACHINE_ERROR_MAX])
{
    if (c->cpus < 1 || c->cpus > MACHINE_CPUS_MAX)
        return refuse(error, "a machine has 1 to 8 CPUs");
    if (c->guests > BOOT_GUESTS_MAX)
        return refuse(error, "a machine has at most 8 guests");
    if (c->ram_bytes % (2ul << 20) || c->ram_bytes > RAM_MAX || all_ram(c) > RAM_MAX)
        return refuse(error, "RAM is a multiple of 2 MiB and at most 3 GiB, that of all guests together");
    if (c->disk && (c->disk_bytes == 0 || c->disk_bytes % 512))
        return refuse(error, "a disk is a multiple of 512 bytes");
    if (c->disk && c->disk_slices && c->disk_bytes % (512ul * c->disk_slices))
        return refuse(error, "each slice of a disk is a multiple of 512 bytes");
    if (c->trace && c->model != MODEL_TIMING)
        return refuse(error, "only the timing model records");
    if (c->cpu->l1d.line != 64 || c->cpu->l1i.line != 64)
        return refuse(error, "cache lines are of 64 bytes: set line = 64 in the CPU's file");
    return true;
}

static bool open_cpu(struct machine *m, unsigned index, char error[MACHINE_ERROR_MAX])
{
    struct cpu *cpu = &m->cpus[index];
    char why[ENGINE_ERROR_MAX];

    cpu->machine = m;
    cpu->index = index;
    cpu->blocks = cpu->before = block_all(m->blocks);
    cpu->plans = block_plan(m->blocks, cpu->blocks);
    cpu->soft_epoch = 1;
    cpu->key_epoch = MACHINE_CPUS_MAX + index;
    cpu->tlb = tlb_create(&m->model);
    cpu->lapic = calloc(1, sizeof *cpu->lapic);
    if (!cpu->tlb || !cpu->lapic)
        return refuse(error, "no memory on the host for a CPU");
    cpu->tlb_epoch = tlb_epoch(cpu->tlb);
    cpu->filter_code = cache_filter(m->caches, index, CACHE_CODE, false, &cpu->filter_code_mask);
    cpu->filter_read = cache_filter(m->caches, index, CACHE_DATA, false, &cpu->filter_data_mask);
    cpu->filter_write = cache_filter(m->caches, index, CACHE_DATA, true, &cpu->filter_data_mask);
    cache_keep_front(m->caches, index, &cpu->front);
    tlb_keep_front(cpu->tlb, &cpu->front);
    if (engine_open(&cpu->engine, why))
        return refuse(error, why);
    return access_open(cpu, error) && ram_map(cpu, error) && board_attach(cpu, error) && execute_install(cpu, error) && trap_install(cpu, error);
}

static bool open_all(struct machine *m, char error[MACHINE_ERROR_MAX])
{
    m->caches = cache_system_create(&m->model, m->cpu_count);
    m->blocks = block_table_create();
    m->decoder = decoder_create(&m->model);
    m->plan = malloc(sizeof *m->plan);
    m->warnings = calloc(MACHINE_WARNINGS_MAX, sizeof *m->warnings);
    if (!m->caches || !m->blocks || !m->decoder || !m->plan || !m->warnings || !inject_open(m) || !trace_open(m))
        return refuse(error, "no memory on the host for the machine");
    if (!ram_open(m, error))
        return false;
    m->boot = (struct boot_info *)(m->ram + BOARD_BOOT_INFO);
    m->load_end = 1ul << 20;
    for (unsigned i = 0; i < m->cpu_count; i++)
        if (!open_cpu(m, i, error))
            return false;
    return board_open(m, error);
}

struct machine *machine_create(const struct machine_config *config, char error[MACHINE_ERROR_MAX])
{
    struct machine *m;

    if (!check_config(config, error))
        return NULL;
    m = calloc(1, sizeof *m);
    if (!m) {
        refuse(error, "no memory on the host for the machine");
        return NULL;
    }
    m->config = *config;
    m->model = *config->cpu;
    m->timing = config->model == MODEL_TIMING;
    m->cpu_count = config->cpus;
    m->ram_bytes = all_ram(config);
    if (open_all(m, error))
        return m;
    machine_destroy(m);
    return NULL;
}

static void close_cpu(struct cpu *cpu)
{
    access_close(cpu);
    in_place_close(cpu);
    native_close(cpu);
    engine_close(&cpu->engine);
    tlb_destroy(cpu->tlb);
    free(cpu->lapic);
    for (unsigned i = 0; i < REVERSE_SLOTS; i++)
        free(cpu->reverse[i]);
    free(cpu->fetched);
    if (cpu->stack)
        munmap(cpu->stack, cpu->stack_bytes);
}

void machine_destroy(struct machine *machine)
{
    if (!machine)
        return;
    board_close(machine);
    for (unsigned i = 0; i < machine->cpu_count; i++)
        if (machine->cpus[i].machine)
            close_cpu(&machine->cpus[i]);
    if (machine->caches)
        cache_system_destroy(machine->caches);
    block_table_destroy(machine->blocks);
    decoder_destroy(machine->decoder);
    free(machine->plan);
    inject_close(machine);
    trace_close(machine);
    account_close(machine);
    symbols_free(machine->kernel_symbols);
    for (size_t i = 0; i < machine->program_count; i++)
        symbols_free(machine->programs[i].symbols);
    free(machine->warnings);
    ram_close(machine);
    free(machine);
}

/* ---- loading ---- */

static uint64_t page_up(uint64_t address)
{
    return (address + PAGE_BYTES - 1) & PAGE_MASK;
}

static bool place_segment(struct machine *m, const struct image_segment *s, const void *elf, const char *path,
                          char error[MACHINE_ERROR_MAX])
{
    if (s->physical < BOARD_LOW_END || s->physical + s->memory_bytes > free_end(&m->config)) {
        snprintf(error, MACHINE_ERROR_MAX, "%s: a segment at physical %#llx does not fit into RAM", path,
                 (unsigned long long)s->physical);
        return false;
    }
    ram_dma_write(m, s->physical, (const char *)elf + s->offset, s->file_bytes);
    if (s->physical + s->memory_bytes > m->load_end)
        m->load_end = page_up(s->physical + s->memory_bytes);
    return true;
}

int machine_load_kernel(struct machine *m, const char *path, char error[MACHINE_ERROR_MAX])
{
    struct image image;
    char why[IMAGE_ERROR_MAX];
    size_t bytes;
    void *elf = image_read_file(path, &bytes, why);
    bool ok = elf != NULL;

    if (!ok) {
        snprintf(error, MACHINE_ERROR_MAX, "%s", why);
    } else if (image_parse(&image, elf, bytes, why)) {
        snprintf(error, MACHINE_ERROR_MAX, "%s: %s", path, why);
        ok = false;
    }
    for (size_t i = 0; ok && i < image.segment_count; i++)
        ok = place_segment(m, &image.segments[i], elf, path, error);
    if (ok) {
        m->kernel_entry = image.entry;
        m->kernel_symbols = symbols_read(elf, bytes);
        inject_image(m, NULL, elf, bytes);
        trace_image(m, "kernel", m->kernel_symbols, elf, bytes);
    }
    free(elf);
    return ok ? 0 : -1;
}

static void find_library_entries(struct machine *m, const struct symbols *symbols)
{
#define LIBRARY_ROUTINE(routine, counted)                                                                              \
    if (symbols_value(symbols, #routine, &m->library_entry[LIBRARY_##routine].pc))                                     \
        m->library_entry[LIBRARY_##routine].counter = COUNTER_##counted;
#include "abi/library_routines.def"
#undef LIBRARY_ROUTINE
}

static void add_program(struct machine *m, const char *domain, bool module, const void *elf, size_t bytes)
{
    struct symbols *symbols = symbols_read(elf, bytes);

    if (!symbols || m->program_count == sizeof m->programs / sizeof m->programs[0]) {
        symbols_free(symbols);
        return;
    }
    snprintf(m->programs[m->program_count].domain, sizeof m->programs[0].domain, "%s", domain);
    m->programs[m->program_count].module = module;
    m->programs[m->program_count++].symbols = symbols;
    if (module)
        find_library_entries(m, symbols);
    trace_image(m, domain, symbols, elf, bytes);
}

int machine_load_data(struct machine *m, const void *data, size_t bytes, const char *name, const char *what,
                      char error[MACHINE_ERROR_MAX])
{
    struct boot_module *module = &m->boot->modules[m->boot->module_count];

    if (m->boot->module_count == BOOT_MODULES_MAX || bytes > free_end(&m->config) - m->load_end) {
        snprintf(error, MACHINE_ERROR_MAX, "%s: no room for this boot module", what);
        return -1;
    }
    ram_dma_write(m, m->load_end, data, bytes);
    snprintf(module->name, sizeof module->name, "%s", name);
    module->address = m->load_end;
    module->size = bytes;
    m->boot->module_count++;
    m->load_end = page_up(m->load_end + bytes);
    return 0;
}

int machine_load_module(struct machine *m, const char *path, const char *name, char error[MACHINE_ERROR_MAX])
{
    size_t bytes;
    void *elf = image_read_file(path, &bytes, error);

    if (!elf)
        return -1;
    if (machine_load_data(m, elf, bytes, name, path, error) != 0) {
        free(elf);
        return -1;
    }
    add_program(m, name, true, elf, bytes);
    inject_image(m, name, elf, bytes);
    free(elf);
    return 0;
}

void machine_add_symbols(struct machine *machine, const char *domain, const void *elf, size_t bytes)
{
    add_program(machine, domain, false, elf, bytes);
}

/* ---- the boot environment ---- */

static void put_word(struct machine *m, uint64_t address, uint64_t value)
{
    memcpy(m->ram + address, &value, sizeof value);
}

/* 4 GiB by 2 MiB pages at 0 and at BOOT_DIRECT_MAP; the first GiB at BOOT_KERNEL_BASE. */
static void make_boot_tables(struct machine *m)
{
    const uint64_t pml4 = BOARD_TABLES, low = pml4 + PAGE_BYTES, high = low + PAGE_BYTES, directories = high + PAGE_BYTES;

    memset(m->ram + BOARD_TABLES, 0, 7 * PAGE_BYTES);
    put_word(m, pml4, low | 3);
    put_word(m, pml4 + (BOOT_DIRECT_MAP >> 39 & 511) * 8, low | 3);
    put_word(m, pml4 + 511 * 8, high | 3);
    put_word(m, high + 510 * 8, directories | 3);
    for (uint64_t i = 0; i < 4; i++)
        put_word(m, low + i * 8, (directories + i * PAGE_BYTES) | 3);
    for (uint64_t i = 0; i < 4 * 512; i++)
        put_word(m, directories + i * 8, i << 21 | 0x83);
}

static void make_boot_gdt(struct machine *m)
{
    static const uint64_t gdt[] = {0, 0x00af9b000000ffff, 0x00cf93000000ffff};
    const uint16_t limit = sizeof gdt - 1;

    memcpy(m->ram + BOARD_GDT, gdt, sizeof gdt);
    memcpy(m->ram + BOARD_GDTR, &limit, sizeof limit);
    put_word(m, BOARD_GDTR + 2, BOARD_GDT);
}

static bool put_texts(struct boot_info *boot, const char *const *list, uint32_t *count, size_t *used)
{
    for (; list && *list; list++, (*count)++) {
        size_t n = strlen(*list) + 1;

        if (*used + n > sizeof boot->text)
            return false;
        memcpy(boot->text + *used, *list, n);
        *used += n;
    }
    return true;
}

static bool make_boot_info(struct machine *m)
{
    const struct machine_config *c = &m->config;
    struct boot_info *b = m->boot;
    size_t used = 0, path = c->argv && c->argv[0] ? strlen(c->argv[0]) + 1 : 0;

    b->magic = BOOT_MAGIC;
    b->ram_bytes = m->ram_bytes;
    b->free_start = m->load_end;
    b->free_end = free_end(c);
    b->guests = c->guests;
    b->guest_ram_bytes = c->guests ? ram_of_each(c) : 0;
    b->save_at_ns = c->save_at_ns;
    b->clock_hz = m->model.hz;
    b->wall_ns = c->wall_ns;
    b->seed = c->seed;
    b->disk_bytes = c->disk ? c->disk_bytes : 0;
    b->disk_slices = c->disk_slices ? c->disk_slices : 1;
    b->cpus = m->cpu_count;
    b->tty_mask = c->tty_mask;
    b->tty_rows = c->tty_rows;
    b->tty_columns = c->tty_columns;
    snprintf(b->settings, sizeof b->settings, "%s", c->settings ? c->settings : "");
    snprintf(b->cwd, sizeof b->cwd, "%s", c->cwd ? c->cwd : "/");
    if (path > sizeof b->text || (c->cwd && strlen(c->cwd) >= sizeof b->cwd))
        return false;
    memcpy(b->text, path ? c->argv[0] : "", path);
    used = path;
    return put_texts(b, c->argv, &b->argc, &used) && put_texts(b, c->envp, &b->envc, &used);
}

static uint64_t host_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

enum machine_end machine_run(struct machine *m)
{
    char error[MACHINE_ERROR_MAX] = "";

    make_boot_tables(m);
    make_boot_gdt(m);
    m->started_host_ns = host_ns();
    if (!make_boot_info(m))
        run_crash(&m->cpus[0], "the program's arguments, environment and directory do not fit into %d bytes", BOOT_TEXT_MAX);
    else if (!m->kernel_symbols && m->kernel_entry == 0)
        run_crash(&m->cpus[0], "no kernel was loaded");
    else if (!run_start_cpu(&m->cpus[0], m->kernel_entry, error))
        run_crash(&m->cpus[0], "%s", error);
    run_all(m);
    account_result(m);
    return m->end;
}

void machine_stop(struct machine *machine)
{
    machine->stop_wanted = true;
}

const struct machine_result *machine_result(struct machine *machine)
{
    return &machine->result;
}
