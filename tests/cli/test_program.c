/* SPDX-License-Identifier: MIT
 *
 * tests/cli/test_program.c: which files may be run as programs (sim/files/program.c): one right header, then damage.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <elf.h>
#include <stdlib.h>
#include <string.h>

#include "sim/files/program.h"

#define SIZE 0x1000

/* A static program: one segment, entry in it. */
struct file {
    Elf64_Ehdr header;
    Elf64_Phdr segment[3];
    Elf64_Dyn dynamic[2];
    char rest[SIZE - sizeof(Elf64_Ehdr) - 3 * sizeof(Elf64_Phdr) - 2 * sizeof(Elf64_Dyn)];
};

static struct file good(void)
{
    struct file f = {
        .header = {.e_type = ET_EXEC,
                   .e_machine = EM_X86_64,
                   .e_version = EV_CURRENT,
                   .e_entry = 0x400800,
                   .e_phoff = offsetof(struct file, segment),
                   .e_ehsize = sizeof(Elf64_Ehdr),
                   .e_phentsize = sizeof(Elf64_Phdr),
                   .e_phnum = 3},
        .segment = {{.p_type = PT_LOAD, .p_flags = PF_R | PF_X, .p_vaddr = 0x400000, .p_filesz = SIZE, .p_memsz = SIZE},
                    {.p_type = PT_NOTE},
                    {.p_type = PT_NULL}},
    };

    memcpy(f.header.e_ident,
           "\x7f"
           "ELF\x02\x01\x01",
           7);
    return f;
}

static const char *verdict(const struct file *f, size_t bytes)
{
    static char why[PROGRAM_ERROR_MAX];
    void *copy = malloc(bytes ? bytes : 1); /* exactly as long, so that the sanitizer sees a read beyond */

    memcpy(copy, f, bytes);
    why[0] = 0;
    if (program_check(copy, bytes, why) == 0)
        strcpy(why, "good");
    free(copy);
    return why;
}

#define DAMAGED(damage, text)                                                                                          \
    do {                                                                                                               \
        struct file f = good();                                                                                        \
        damage;                                                                                                        \
        assert_string_equal(verdict(&f, sizeof f), text);                                                              \
    } while (0)

static void each_damage_has_its_line(void **state)
{
    DAMAGED((void)0, "good");
    DAMAGED(f.header.e_ident[1] = 'e', "not an ELF file; a static x86-64 Linux program is wanted");
    DAMAGED(memcpy(&f, "#!/bin/sh", 9),
            "a script, not an ELF file; run its interpreter and give it the script (with --root)");
    DAMAGED(f.header.e_ident[EI_CLASS] = ELFCLASS32, "a 32-bit program; compile it for x86-64 (-m64 -static)");
    DAMAGED(f.header.e_ident[EI_CLASS] = 9, "a malformed ELF header (class, byte order or version)");
    DAMAGED(f.header.e_ident[EI_DATA] = ELFDATA2MSB, "a malformed ELF header (class, byte order or version)");
    DAMAGED(f.header.e_machine = EM_AARCH64, "an ELF file for another processor (machine 183); compile it for x86-64");
    DAMAGED(f.header.e_ident[EI_OSABI] = ELFOSABI_FREEBSD,
            "an ELF file for another system (OS ABI 9); a Linux program is wanted");
    DAMAGED(f.header.e_type = ET_REL, "an object file; link it into a program (with -static)");
    DAMAGED(f.header.e_type = ET_CORE, "a core dump, not a program");
    DAMAGED(f.header.e_type = 77, "an ELF file of unknown type 77, not a program");
    DAMAGED(f.header.e_phnum = 0, "a malformed ELF header: it has no usable program headers");
    DAMAGED(f.header.e_phentsize = 8, "a malformed ELF header: it has no usable program headers");
    DAMAGED(f.header.e_phoff = UINT64_MAX - 8,
            "truncated: its program headers go beyond the end of the file (4096 bytes)");
    DAMAGED(f.header.e_phnum = 100, "truncated: its program headers go beyond the end of the file (4096 bytes)");
    DAMAGED(f.segment[0].p_filesz = f.segment[0].p_memsz = SIZE + 1,
            "truncated: its segments go beyond the end of the file (4096 bytes)");
    DAMAGED(f.segment[0].p_offset = UINT64_MAX & ~0xfffull,
            "truncated: its segments go beyond the end of the file (4096 bytes)");
    DAMAGED(f.segment[0].p_memsz = 5, "a malformed program header: more bytes in the file than in memory");
    DAMAGED(f.segment[0].p_vaddr = 0xffffffff80000000ull,
            "a malformed program header: address 0xffffffff80000000 is not a program's");
    DAMAGED(f.segment[0].p_memsz = UINT64_MAX, "a malformed program header: address 0x400000 is not a program's");
    DAMAGED(f.segment[0].p_vaddr += 8, "a malformed program header: address and file offset do not agree");
    DAMAGED(f.segment[1].p_type = PT_INTERP, "dynamically linked; link it with -static");
    DAMAGED(f.header.e_type = ET_DYN, "a shared library, not a program; link a program with -static");
    DAMAGED(f.segment[0].p_type = PT_NOTE, "an ELF file with nothing to load");
    DAMAGED(f.header.e_entry = 5, "an ELF file whose entry point 0x5 is not in an executable segment");
    DAMAGED(f.segment[0].p_flags = PF_R, "an ELF file whose entry point 0x400800 is not in an executable segment");
}

static void a_static_pie_is_a_program(void **state)
{
    struct file f = good();

    f.header.e_type = ET_DYN;
    f.segment[2] =
        (Elf64_Phdr){.p_type = PT_DYNAMIC, .p_offset = offsetof(struct file, dynamic), .p_filesz = sizeof f.dynamic};
    assert_string_equal(verdict(&f, sizeof f), "a shared library, not a program; link a program with -static");
    f.dynamic[0] = (Elf64_Dyn){.d_tag = DT_FLAGS_1, .d_un.d_val = DF_1_PIE};
    assert_string_equal(verdict(&f, sizeof f), "good");
}

static void every_truncation_is_refused(void **state)
{
    struct file f = good();

    assert_string_equal(verdict(&f, 0), "empty; a static x86-64 Linux program is wanted");
    for (size_t bytes = 1; bytes < sizeof f; bytes++)
        assert_string_not_equal(verdict(&f, bytes), "good");
}

/* Random bytes, and a right header with random bytes in it: an answer, whatever it is. */
static void random_headers_do_no_harm(void **state)
{
    uint64_t x = 88172645463325252ull;
    unsigned accepted = 0;

    for (unsigned round = 0; round < 10000; round++) {
        struct file f = good();
        unsigned changes = round % 8;

        for (unsigned i = 0; i < changes * 3; i++) {
            x ^= x << 13, x ^= x >> 7, x ^= x << 17;
            ((unsigned char *)&f)[x % offsetof(struct file, rest)] = (unsigned char)(x >> 32);
        }
        accepted += strcmp(verdict(&f, round % 3 ? sizeof f : x % sizeof f), "good") == 0;
    }
    assert_in_range(accepted, 500, 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_damage_has_its_line),
        cmocka_unit_test(a_static_pie_is_a_program),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(random_headers_do_no_harm),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
