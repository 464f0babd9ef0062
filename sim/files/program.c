/* SPDX-License-Identifier: MIT
 *
 * sim/files/program.c: see program.h. ELF as in the System V ABI, chapters 4 and 5. Headers are copied out before they
 * are looked at, each after its bounds were checked; nothing else of the file is read but a script's first line.
 */
#include "sim/files/program.h"

#include <elf.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define USER_END 0x7ffffffff000ull /* Linux TASK_SIZE */

struct image {
    const unsigned char *bytes;
    size_t size;
    char *why;
    Elf64_Ehdr header;
    /* what the program headers said */
    bool interpreter, loadable, entry_mapped, dynamic, says_pie;
};

__attribute__((format(printf, 2, 3))) static bool refuse(struct image *i, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(i->why, PROGRAM_ERROR_MAX, format, arguments);
    va_end(arguments);
    return false;
}

static bool truncated(struct image *i, const char *where)
{
    return refuse(i, "truncated: its %s go beyond the end of the file (%zu bytes)", where, i->size);
}

static bool inside(const struct image *i, uint64_t offset, uint64_t bytes)
{
    return offset <= i->size && bytes <= i->size - offset;
}

static bool check_magic(struct image *i)
{
    if (i->size == 0)
        return refuse(i, "empty; a static x86-64 Linux program is wanted");
    if (i->size >= 2 && memcmp(i->bytes, "#!", 2) == 0)
        return refuse(i, "a script, not an ELF file; run its interpreter and give it the script (with --root)");
    if (i->size < SELFMAG || memcmp(i->bytes, ELFMAG, SELFMAG) != 0)
        return refuse(i, "not an ELF file; a static x86-64 Linux program is wanted");
    return true;
}

static bool check_identity(struct image *i)
{
    unsigned char abi;

    if (i->size > EI_CLASS && i->bytes[EI_CLASS] == ELFCLASS32)
        return refuse(i, "a 32-bit program; compile it for x86-64 (-m64 -static)");
    if (i->size < sizeof i->header)
        return truncated(i, "headers");
    memcpy(&i->header, i->bytes, sizeof i->header);
    abi = i->header.e_ident[EI_OSABI];
    if (i->header.e_ident[EI_CLASS] != ELFCLASS64 || i->header.e_ident[EI_DATA] != ELFDATA2LSB ||
        i->header.e_ident[EI_VERSION] != EV_CURRENT || i->header.e_version != EV_CURRENT)
        return refuse(i, "a malformed ELF header (class, byte order or version)");
    if (i->header.e_machine != EM_X86_64)
        return refuse(i, "an ELF file for another processor (machine %u); compile it for x86-64", i->header.e_machine);
    if (abi != ELFOSABI_SYSV && abi != ELFOSABI_GNU)
        return refuse(i, "an ELF file for another system (OS ABI %u); a Linux program is wanted", abi);
    return true;
}

static bool check_type(struct image *i)
{
    switch (i->header.e_type) {
    case ET_EXEC:
    case ET_DYN:
        return true;
    case ET_REL:
        return refuse(i, "an object file; link it into a program (with -static)");
    case ET_CORE:
        return refuse(i, "a core dump, not a program");
    default:
        return refuse(i, "an ELF file of unknown type %u, not a program", i->header.e_type);
    }
}

static bool check_segment(struct image *i, const Elf64_Phdr *p)
{
    uint64_t entry = i->header.e_entry;

    if (p->p_memsz < p->p_filesz)
        return refuse(i, "a malformed program header: more bytes in the file than in memory");
    if (!inside(i, p->p_offset, p->p_filesz))
        return truncated(i, "segments");
    if (p->p_vaddr > USER_END || p->p_memsz > USER_END - p->p_vaddr)
        return refuse(i, "a malformed program header: address %#llx is not a program's",
                      (unsigned long long)p->p_vaddr);
    if ((p->p_vaddr - p->p_offset) % 4096)
        return refuse(i, "a malformed program header: address and file offset do not agree");
    i->loadable = true;
    if ((p->p_flags & PF_X) && entry >= p->p_vaddr && entry - p->p_vaddr < p->p_memsz)
        i->entry_mapped = true;
    return true;
}

static bool check_dynamic(struct image *i, const Elf64_Phdr *p)
{
    Elf64_Dyn entry;

    if (!inside(i, p->p_offset, p->p_filesz))
        return truncated(i, "segments");
    i->dynamic = true;
    for (uint64_t at = 0; at + sizeof entry <= p->p_filesz; at += sizeof entry) {
        memcpy(&entry, i->bytes + p->p_offset + at, sizeof entry);
        if (entry.d_tag == DT_NULL)
            break;
        if (entry.d_tag == DT_FLAGS_1 && (entry.d_un.d_val & DF_1_PIE))
            i->says_pie = true;
    }
    return true;
}

static bool check_program_header(struct image *i, unsigned n)
{
    Elf64_Phdr p;

    memcpy(&p, i->bytes + i->header.e_phoff + n * sizeof p, sizeof p);
    switch (p.p_type) {
    case PT_INTERP:
        i->interpreter = true;
        return true;
    case PT_LOAD:
        return p.p_memsz == 0 || check_segment(i, &p);
    case PT_DYNAMIC:
        return check_dynamic(i, &p);
    default:
        return true;
    }
}

static bool check_program_headers(struct image *i)
{
    uint64_t bytes = (uint64_t)i->header.e_phnum * sizeof(Elf64_Phdr);

    if (i->header.e_phnum == 0 || i->header.e_phnum == PN_XNUM || i->header.e_phentsize != sizeof(Elf64_Phdr))
        return refuse(i, "a malformed ELF header: it has no usable program headers");
    if (!inside(i, i->header.e_phoff, bytes))
        return truncated(i, "program headers");
    for (unsigned n = 0; n < i->header.e_phnum; n++)
        if (!check_program_header(i, n))
            return false;
    return true;
}

static bool check_linkage(struct image *i)
{
    if (i->interpreter)
        return refuse(i, "dynamically linked; link it with -static");
    if (i->header.e_type == ET_DYN && !(i->dynamic && i->says_pie))
        return refuse(i, "a shared library, not a program; link a program with -static");
    if (!i->loadable)
        return refuse(i, "an ELF file with nothing to load");
    if (!i->entry_mapped)
        return refuse(i, "an ELF file whose entry point %#llx is not in an executable segment",
                      (unsigned long long)i->header.e_entry);
    return true;
}

int program_check(const void *elf, size_t bytes, char why[PROGRAM_ERROR_MAX])
{
    struct image i = {.bytes = elf, .size = bytes, .why = why};
    bool fit =
        check_magic(&i) && check_identity(&i) && check_type(&i) && check_program_headers(&i) && check_linkage(&i);

    return fit ? 0 : -1;
}
