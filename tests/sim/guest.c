/* SPDX-License-Identifier: MIT
 *
 * tests/sim/guest.c: see guest.h. The kit's code is below as snippets; the rest builds tables in a memory image, wraps
 * the image into an ELF file and runs it.
 */
#include "tests/sim/guest.h"

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "sim/inside.h"

#define IMAGE_BYTES (GUEST_END - GUEST_BASE)

/* Entry of every CPU. R15 stays the CPU's number. */
SNIPPET(kit_start,
        "mov eax, " AT(GUEST_TABLES) "; mov cr3, rax;"
        "lgdt [" AT(GUEST_GDT) " + 0x800]; lidt [" AT(GUEST_GDT) " + 0x810];"
        "mov eax, 0xfee00020; mov r15d, [rax]; shr r15d, 24;"
        "mov eax, r15d; shl eax, 13; lea rsp, [rax + " AT(GUEST_STACKS) " + 0x2000];"
        "push " AT(GUEST_KERNEL_CS) "; lea rax, [rip + 1f]; push rax; retfq;"
        "1: mov eax, " AT(GUEST_KERNEL_SS) "; mov ds, eax; mov es, eax; mov ss, eax; xor eax, eax; mov fs, eax; mov gs, eax;"
        "mov eax, r15d; shl eax, 4; add eax, " AT(GUEST_TSS_SELECTOR) "; ltr ax;"
        "mov ecx, 0xc0000081; xor eax, eax; mov edx, 0x00180008; wrmsr;"
        "mov ecx, 0xc0000082; lea rax, [rip + kit_syscall]; xor edx, edx; wrmsr;"
        "mov ecx, 0xc0000084; mov eax, 0x44700; xor edx, edx; wrmsr;"
        "mov eax, " AT(GUEST_TEST) "; call rax;"
        "test r15d, r15d; jnz 2f; movzx eax, al; mov edx, 0xf4; out dx, ax;"
        "2: cli; hlt; jmp 2b;"

        "kit_syscall:"
        "mov [" AT(GUEST_CONTROL) " + " AT(GUEST_SYSCALL_RCX) "], rcx; mov [" AT(GUEST_CONTROL) " + " AT(GUEST_SYSCALL_R11) "], r11;"
        "mov [" AT(GUEST_CONTROL) " + " AT(GUEST_SYSCALL_RSP) "], rsp;"
        "mov ecx, cs; mov [" AT(GUEST_CONTROL) " + " AT(GUEST_SYSCALL_CS) "], rcx;"
        "mov rsp, [" AT(GUEST_CONTROL) " + " AT(GUEST_RESUME_RSP) "]; jmp [" AT(GUEST_CONTROL) " + " AT(GUEST_RESUME_RIP) "];");

/* Above vector and error code: RIP CS RFLAGS RSP SS. */
SNIPPET(kit_common,
        "push rax; push rcx; push rdx; push rbx; mov ebx, " AT(GUEST_CONTROL) ";"
        "mov eax, 1; lock xadd [rbx + " AT(GUEST_LOG_COUNT) "], rax; xor edx, edx; mov ecx, " AT(GUEST_LOG_MAX) "; div rcx;"
        "shl rdx, 6; lea rcx, [rdx + " AT(GUEST_LOG) "];"
        "mov rax, [rsp + 32]; mov [rcx], rax; mov rax, [rsp + 40]; mov [rcx + 8], rax; mov rax, [rsp + 48]; mov [rcx + 16], rax;"
        "mov rax, [rsp + 56]; mov [rcx + 24], rax; mov rax, [rsp + 64]; mov [rcx + 32], rax; mov rax, [rsp + 72]; mov [rcx + 40], rax;"
        "mov rax, cr2; mov [rcx + 48], rax; mov rax, [rsp + 80]; shl rax, 48; lea rdx, [rsp + 48]; or rax, rdx; mov [rcx + 56], rax;"
        "cmp qword ptr [rbx + " AT(GUEST_RESUME_RIP) "], 0; je 1f;"
        "mov rax, [rbx + " AT(GUEST_RESUME_RIP) "]; mov [rsp + 48], rax; mov qword ptr [rsp + 56], " AT(GUEST_KERNEL_CS) ";"
        "mov qword ptr [rsp + 64], 2; mov rax, [rbx + " AT(GUEST_RESUME_RSP) "]; mov [rsp + 72], rax;"
        "mov qword ptr [rsp + 80], " AT(GUEST_KERNEL_SS) "; jmp 2f;"
        "1: mov rax, [rsp + 32]; cmp eax, 0x20; jae 3f; cmp eax, 1; je 2f; cmp eax, 3; je 2f; cmp eax, 4; je 2f;"
        "mov eax, " AT(GUEST_LOST) "; mov edx, 0xf4; out dx, ax; cli; hlt;"
        "3: mov eax, 0xfee000b0; mov dword ptr [rax], 0;"
        "2: pop rbx; pop rdx; pop rcx; pop rax; add rsp, 16; iretq;");

void *guest_memory(struct guest *guest, uint64_t physical)
{
    assert_true(physical >= GUEST_BASE && physical < GUEST_END);
    return guest->image + (physical - GUEST_BASE);
}

void guest_put(struct guest *guest, uint64_t physical, uint64_t word)
{
    memcpy(guest_memory(guest, physical), &word, sizeof word);
}

void guest_code(struct guest *guest, uint64_t physical, const uint8_t *code, const uint8_t *end)
{
    memcpy(guest_memory(guest, physical), code, (size_t)(end - code));
}

static uint64_t image_word(struct guest *guest, uint64_t physical)
{
    uint64_t word;
    memcpy(&word, guest_memory(guest, physical), sizeof word);
    return word;
}

/* Page tables. */

#define FRAME 0x000ffffffffff000ull

uint64_t guest_entry(struct guest *guest, uint64_t virtual, unsigned level)
{
    uint64_t table = GUEST_TABLES;
    for (unsigned at = 3; at > level; at--)
        table = image_word(guest, table + (virtual >> (12 + 9 * at) & 511) * 8) & FRAME;
    return table + (virtual >> (12 + 9 * level) & 511) * 8;
}

uint64_t guest_map(struct guest *guest, uint64_t virtual, uint64_t physical, enum page_size size, uint64_t bits)
{
    for (unsigned level = 3; level > (unsigned)size; level--) {
        uint64_t entry = guest_entry(guest, virtual, level);
        if (image_word(guest, entry))
            continue;
        assert_true(guest->table_end < GUEST_FREE);
        guest_put(guest, entry, guest->table_end | PAGE_ALL);
        guest->table_end += 4096;
    }
    uint64_t leaf = guest_entry(guest, virtual, size);
    guest_put(guest, leaf, physical | bits | (size == PAGE_4K ? 0 : PAGE_PS));
    return leaf;
}

static void map_low_memory(struct guest *guest)
{
    guest->table_end = GUEST_TABLES + 4096;
    for (uint64_t page = 0; page < 2048; page++)
        guest_map(guest, page << 21, page << 21, PAGE_2M, PAGE_P | PAGE_W);
}

/* Descriptors. */

void guest_gate(struct guest *guest, unsigned vector, uint64_t target, uint16_t selector, unsigned ist, unsigned type,
                unsigned dpl, bool present)
{
    uint64_t access = (uint64_t)ist | (uint64_t)type << 8 | (uint64_t)dpl << 13 | (uint64_t)present << 15;
    guest_put(guest, GUEST_IDT + vector * 16ull,
              (target & 0xffff) | (uint64_t)selector << 16 | access << 32 | (target >> 16 & 0xffff) << 48);
    guest_put(guest, GUEST_IDT + vector * 16ull + 8, target >> 32);
}

static bool pushes_error(unsigned vector)
{
    return vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21;
}

/* [push 0]; push vector; jmp common */
static void make_stub(struct guest *guest, unsigned vector, uint64_t common)
{
    uint8_t stub[16] = {0x6a, 0x00, 0x68, (uint8_t)vector, 0, 0, 0, 0xe9};
    uint64_t at = GUEST_STUBS + vector * 16ull;
    int32_t distance = (int32_t)(common - (at + 12));
    memcpy(stub + 8, &distance, sizeof distance);
    if (pushes_error(vector)) /* the hardware's: nothing to push, two bytes of NOP */
        stub[0] = 0x66, stub[1] = 0x90;
    memcpy(guest_memory(guest, at), stub, sizeof stub);
}

static void make_idt(struct guest *guest)
{
    uint64_t common = GUEST_BASE + 0x1000;
    guest_code(guest, common, kit_common, kit_common_end);
    for (unsigned vector = 0; vector < 256; vector++) {
        unsigned dpl = vector == 3 || (vector >= 0x80 && vector < 0xf0) ? 3 : 0;
        make_stub(guest, vector, common);
        guest_gate(guest, vector, GUEST_STUBS + vector * 16ull, GUEST_KERNEL_CS, 0, 14, dpl, true);
    }
}

static void put_pseudo_descriptor(struct guest *guest, uint64_t at, uint64_t base, uint16_t limit)
{
    memcpy(guest_memory(guest, at), &limit, sizeof limit);
    guest_put(guest, at + 2, base);
}

static void make_gdt(struct guest *guest)
{
    static const uint64_t segments[] = {0,
                                        0x00af9b000000ffff,  /* 0x08 code, ring 0 */
                                        0x00cf93000000ffff,  /* 0x10 data, ring 0 */
                                        0x00cffb000000ffff,  /* 0x18 32-bit code, ring 3 */
                                        0x00cff3000000ffff,  /* 0x20 data, ring 3 */
                                        0x00affb000000ffff}; /* 0x28 code, ring 3 */
    memcpy(guest_memory(guest, GUEST_GDT), segments, sizeof segments);
    for (uint64_t cpu = 0; cpu < MACHINE_CPUS_MAX; cpu++) {
        uint64_t tss = GUEST_TSS + cpu * 128, at = GUEST_GDT + GUEST_TSS_SELECTOR + cpu * 16;
        guest_put(guest, at, 0x67 | (tss & 0xffffff) << 16 | 0x89ull << 40 | (tss >> 24 & 0xff) << 56);
        guest_put(guest, at + 8, 0);
        guest_put(guest, tss + 4, GUEST_STACKS + cpu * 0x2000 + 0x1000); /* RSP0: the middle */
        for (uint64_t ist = 1; ist <= 7; ist++)
            guest_put(guest, tss + 36 + (ist - 1) * 8, GUEST_ISTS + ist * 4096);
    }
    put_pseudo_descriptor(guest, GUEST_GDT + 0x800, GUEST_GDT, 0x30 + 8 * 16 - 1);
    put_pseudo_descriptor(guest, GUEST_GDT + 0x810, GUEST_IDT, 0xfff);
}

/* Life. */

void guest_open(struct guest *guest, const char *cpu)
{
    char path[128], error[CPU_MODEL_ERROR_MAX];
    memset(guest, 0, sizeof *guest);
    snprintf(path, sizeof path, "sim/cpus/%s.ini", cpu);
    if (cpu_model_read(&guest->cpu, path, error))
        fail_msg("%s", error);
    guest->image = calloc(1, IMAGE_BYTES);
    guest->cpus = 1;
    guest->model = MODEL_TIMING;
    guest->ram_bytes = 8ull << 20;
    guest->time_limit = 2000000000;
    guest_code(guest, GUEST_BASE, kit_start, kit_start_end);
    map_low_memory(guest);
    make_gdt(guest);
    make_idt(guest);
}

void guest_close(struct guest *guest)
{
    machine_destroy(guest->machine);
    free(guest->image);
}

/* Running. */

static void keep_log(void *ctx, const char *line)
{
    struct guest *guest = ctx;
    size_t used = strlen(guest->log);
    snprintf(guest->log + used, sizeof guest->log - used, "%s\n", line);
}

void guest_symbol(struct guest *guest, const char *name, uint64_t value, uint64_t size, bool object)
{
    assert_true(guest->symbol_count < GUEST_SYMBOLS_MAX);
    guest->symbols[guest->symbol_count++] = (struct guest_symbol){name, value, size, object};
}

/* Behind the image: sections, symbols, names. */
struct elf_tail {
    Elf64_Shdr section[4]; /* none, the image, symbols, names */
    Elf64_Sym symbol[GUEST_SYMBOLS_MAX + 1];
    char names[GUEST_SYMBOLS_MAX * 32];
};

static void make_tail(const struct guest *guest, struct elf_tail *tail)
{
    const uint64_t at = 4096 + IMAGE_BYTES;
    size_t used = 1;
    memset(tail, 0, sizeof *tail);
    tail->section[1] = (Elf64_Shdr){.sh_type = SHT_PROGBITS, .sh_flags = SHF_ALLOC | SHF_EXECINSTR, .sh_addr = GUEST_BASE,
                                    .sh_offset = 4096, .sh_size = IMAGE_BYTES, .sh_addralign = 4096};
    tail->section[2] = (Elf64_Shdr){.sh_type = SHT_SYMTAB, .sh_offset = at + offsetof(struct elf_tail, symbol),
                                    .sh_size = (guest->symbol_count + 1) * sizeof(Elf64_Sym), .sh_link = 3,
                                    .sh_entsize = sizeof(Elf64_Sym), .sh_addralign = 8};
    tail->section[3] = (Elf64_Shdr){.sh_type = SHT_STRTAB, .sh_offset = at + offsetof(struct elf_tail, names),
                                    .sh_size = sizeof tail->names, .sh_addralign = 1};
    for (size_t i = 0; i < guest->symbol_count; i++) {
        const struct guest_symbol *s = &guest->symbols[i];
        tail->symbol[i + 1] = (Elf64_Sym){.st_name = (Elf64_Word)used, .st_info = ELF64_ST_INFO(STB_GLOBAL, s->object ? STT_OBJECT : STT_FUNC),
                                          .st_shndx = 1, .st_value = s->value, .st_size = s->size};
        used += (size_t)snprintf(tail->names + used, sizeof tail->names - used, "%s", s->name) + 1;
        assert_true(used < sizeof tail->names);
    }
}

static void write_elf(const struct guest *guest, int file)
{
    struct elf_tail tail;
    Elf64_Ehdr header = {.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
                         .e_type = ET_EXEC,
                         .e_machine = EM_X86_64,
                         .e_version = EV_CURRENT,
                         .e_entry = GUEST_BASE,
                         .e_phoff = sizeof header,
                         .e_ehsize = sizeof header,
                         .e_phentsize = sizeof(Elf64_Phdr),
                         .e_phnum = 1,
                         .e_shoff = 4096 + IMAGE_BYTES,
                         .e_shentsize = sizeof(Elf64_Shdr),
                         .e_shnum = 4};
    Elf64_Phdr segment = {.p_type = PT_LOAD,
                          .p_flags = PF_R | PF_W | PF_X,
                          .p_offset = 4096,
                          .p_vaddr = GUEST_BASE,
                          .p_paddr = GUEST_BASE,
                          .p_filesz = IMAGE_BYTES,
                          .p_memsz = IMAGE_BYTES,
                          .p_align = 4096};
    assert_int_equal(pwrite(file, &header, sizeof header, 0), sizeof header);
    assert_int_equal(pwrite(file, &segment, sizeof segment, sizeof header), sizeof segment);
    assert_int_equal(pwrite(file, guest->image, IMAGE_BYTES, 4096), IMAGE_BYTES);
    make_tail(guest, &tail);
    assert_int_equal(pwrite(file, &tail, sizeof tail, 4096 + IMAGE_BYTES), sizeof tail);
}

static void load(struct guest *guest)
{
    char path[] = "/tmp/ringside-guest-XXXXXX", error[MACHINE_ERROR_MAX] = "";
    int file = mkstemp(path);
    assert_true(file >= 0);
    write_elf(guest, file);
    close(file);
    int result = machine_load_kernel(guest->machine, path, error);
    if (!result && guest->module)
        result = machine_load_module(guest->machine, path, guest->module, error);
    unlink(path);
    if (result)
        fail_msg("%s", error);
}

enum machine_end guest_run(struct guest *guest, const uint8_t *test, const uint8_t *test_end)
{
    char error[MACHINE_ERROR_MAX] = "";
    struct machine_config config = {.cpu = &guest->cpu,
                                    .cpus = guest->cpus,
                                    .model = guest->model,
                                    .accesses = guest->accesses,
                                    .ram_bytes = guest->ram_bytes,
                                    .guests = guest->guests,
                                    .time_limit_cycles = guest->time_limit,
                                    .faults = guest->faults,
                                    .fault_count = guest->fault_count,
                                    .trace = guest->trace,
                                    .log = keep_log,
                                    .ctx = guest};
    assert_true(test_end - test <= GUEST_GDT - GUEST_TEST);
    guest_code(guest, GUEST_TEST, test, test_end);
    machine_destroy(guest->machine);
    guest->log[0] = 0;
    guest->machine = machine_create(&config, error);
    if (!guest->machine)
        fail_msg("%s", error);
    load(guest);
    return machine_run(guest->machine);
}

void guest_must_run(struct guest *guest, const uint8_t *test, const uint8_t *test_end, int status)
{
    enum machine_end end = guest_run(guest, test, test_end);
    int exit_status = machine_result(guest->machine)->exit_status;
    if (end == END_POWER_OFF && exit_status == status)
        return;
    if (end == END_CRASH)
        machine_report(guest->machine, stderr);
    for (uint64_t i = 0; i < guest_logged(guest) && i < 10; i++) {
        struct guest_record r = guest_record(guest, i);
        fprintf(stderr, "  logged: vector %llu error %#llx rip %#llx cr2 %#llx\n", (unsigned long long)r.vector,
                (unsigned long long)r.error, (unsigned long long)r.rip, (unsigned long long)r.cr2);
    }
    fail_msg("the run ended with %d and status %d, not %d", end, exit_status, status);
}

uint64_t guest_word(const struct guest *guest, uint64_t physical)
{
    assert_true(physical + 8 <= guest->machine->ram_bytes);
    return ram_word(guest->machine, physical);
}

uint64_t guest_logged(const struct guest *guest)
{
    return guest_word(guest, GUEST_CONTROL + GUEST_LOG_COUNT);
}

struct guest_record guest_record(const struct guest *guest, uint64_t index)
{
    struct guest_record record;
    memcpy(&record, guest->machine->ram + GUEST_LOG + index % GUEST_LOG_MAX * sizeof record, sizeof record);
    return record;
}

uint64_t guest_counter(const struct guest *guest, enum counter counter)
{
    return machine_result(guest->machine)->counters.value[counter];
}
