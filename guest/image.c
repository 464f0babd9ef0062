/* SPDX-License-Identifier: MIT
 *
 * guest/image.c: see image.h. The file lies in RAM as a whole; nothing in it is believed.
 */
#include "guest/image.h"

#include <elf.h>

#include "guest/frames.h"
#include "guest/layout.h"
#include "guest/paging.h"
#include "guest/print.h"
#include "guest/x86.h"

static const Elf64_Ehdr *header_of(const struct boot_module *module)
{
    const Elf64_Ehdr *header = direct(module->address);

    if (module->size < sizeof(*header) || header->e_ident[EI_CLASS] != ELFCLASS64 || header->e_type != ET_EXEC ||
        header->e_phentsize != sizeof(Elf64_Phdr) || header->e_phoff > module->size ||
        header->e_phnum > (module->size - header->e_phoff) / sizeof(Elf64_Phdr))
        panic("module '%s' is not an image", module->name);
    return header;
}

static unsigned rights_of(const Elf64_Phdr *segment)
{
    return (segment->p_flags & PF_R ? PAGE_READ : 0) | (segment->p_flags & PF_W ? PAGE_WRITE : 0) |
           (segment->p_flags & PF_X ? PAGE_EXEC : 0);
}

/* The bytes of the file that lie in the page at `address`. */
static void fill(const struct boot_module *module, const Elf64_Phdr *segment, uint64_t address, char *page)
{
    uint64_t from = address > segment->p_vaddr ? address : segment->p_vaddr;
    uint64_t end = segment->p_vaddr + segment->p_filesz;
    const char *file = direct(module->address + segment->p_offset);

    zero_quads(page, PAGE_BYTES / 8);
    end = end < address + PAGE_BYTES ? end : address + PAGE_BYTES;
    if (from < end)
        __builtin_memcpy(page + (from - address), file + (from - segment->p_vaddr), end - from);
}

static void check(const struct boot_module *module, const Elf64_Phdr *segment, const struct image_place *place)
{
    if (segment->p_vaddr < place->begin || segment->p_vaddr > place->end ||
        segment->p_memsz > place->end - segment->p_vaddr || segment->p_filesz > segment->p_memsz ||
        segment->p_offset > module->size || segment->p_filesz > module->size - segment->p_offset)
        panic("module '%s' has a segment that does not fit", module->name);
}

uint64_t image_load(const struct boot_module *module, const struct image_place *place, bool writable,
                    void *(*page)(void *ctx, uint64_t address, unsigned rights), void *ctx)
{
    const Elf64_Ehdr *header = header_of(module);
    const Elf64_Phdr *segment = direct(module->address + header->e_phoff), *end = segment + header->e_phnum;

    for (; segment < end; segment++) {
        if (segment->p_type != PT_LOAD || (!writable && segment->p_flags & PF_W))
            continue;
        check(module, segment, place);
        for (uint64_t at = segment->p_vaddr & ~(PAGE_BYTES - 1); at < segment->p_vaddr + segment->p_memsz; at += PAGE_BYTES)
            fill(module, segment, at, page(ctx, at, rights_of(segment)));
    }
    return header->e_entry;
}
