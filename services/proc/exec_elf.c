/* SPDX-License-Identifier: MIT
 *
 * services/proc/exec_elf.c: what an ELF file asks for, made into a plan or refused.
 *
 * Every number in the file is a stranger's. It is compared with a bound before anything
 * is added to it, so that nothing overflows; a plan lies wholly between LOAD_START and
 * LOAD_END. Static programs only: ET_EXEC, and ET_DYN without an interpreter (static-PIE).
 */
#include <linux/elf.h>
#include <linux/elf-em.h>
#include <linux/mman.h>

#include "services/proc/exec.h"

#define PAGE_DOWN(x) ((x) & ~(PAGE_BYTES - 1))
#define PAGE_UP(x) PAGE_DOWN((x) + PAGE_BYTES - 1)
#define FILE_MAX (1ul << 62) /* no file offset is larger */

static bool is_elf(const Elf64_Ehdr *h)
{
    return h->e_ident[EI_MAG0] == ELFMAG0 && h->e_ident[EI_MAG1] == ELFMAG1 && h->e_ident[EI_MAG2] == ELFMAG2 &&
           h->e_ident[EI_MAG3] == ELFMAG3 && h->e_ident[EI_CLASS] == ELFCLASS64 &&
           h->e_ident[EI_DATA] == ELFDATA2LSB;
}

long exec_elf_header(const uint8_t *bytes, uint64_t count, struct elf_info *info)
{
    const Elf64_Ehdr *h = (const Elf64_Ehdr *)bytes;

    if (count < sizeof *h || !is_elf(h) || h->e_machine != EM_X86_64)
        return -ENOEXEC;
    if ((h->e_type != ET_EXEC && h->e_type != ET_DYN) || h->e_phentsize != sizeof(Elf64_Phdr))
        return -ENOEXEC;
    if (h->e_phnum == 0 || h->e_phnum * sizeof(Elf64_Phdr) > HEADER_BYTES || h->e_phoff > FILE_MAX)
        return -ENOEXEC;
    info->type = h->e_type;
    info->count = h->e_phnum;
    info->entry = h->e_entry;
    info->table = h->e_phoff;
    return 0;
}

static long check_segment(const Elf64_Phdr *ph)
{
    if (ph->p_filesz > ph->p_memsz || ph->p_memsz > LOAD_END || ph->p_vaddr > LOAD_END)
        return -ENOEXEC;
    if (ph->p_offset > FILE_MAX || (ph->p_vaddr ^ ph->p_offset) & (PAGE_BYTES - 1))
        return -ENOEXEC;
    return 0;
}

/* What is added to the file's addresses. -ENOEXEC: nothing to load. */
static long choose_bias(const struct elf_info *info, const Elf64_Phdr *ph, uint64_t *bias)
{
    uint64_t lowest = UINT64_MAX, align = PAGE_BYTES;

    for (unsigned i = 0; i < info->count; i++) {
        if (ph[i].p_type != PT_LOAD || !ph[i].p_memsz)
            continue;
        if (ph[i].p_vaddr < lowest)
            lowest = ph[i].p_vaddr;
        if (!(ph[i].p_align & (ph[i].p_align - 1)) && ph[i].p_align > align && ph[i].p_align <= 1ul << 30)
            align = ph[i].p_align;
    }
    if (lowest > LOAD_END)
        return -ENOEXEC;
    *bias = info->type == ET_DYN ? (LOAD_BIAS & ~(align - 1)) - (lowest & ~(align - 1)) : 0;
    return 0;
}

static uint32_t prot_of(uint32_t flags)
{
    return (flags & PF_R ? PROT_READ : 0) | (flags & PF_W ? PROT_WRITE : 0) | (flags & PF_X ? PROT_EXEC : 0);
}

/* Addresses are below LOAD_END and the bias is below it too or takes a greater address down: no sum overflows. */
static long add_segment(struct plan *plan, const Elf64_Phdr *ph, uint64_t bias)
{
    uint64_t start = PAGE_DOWN(ph->p_vaddr) + bias, head = ph->p_vaddr & (PAGE_BYTES - 1);
    uint64_t bytes = PAGE_UP(head + ph->p_memsz), file_bytes = ph->p_filesz ? head + ph->p_filesz : 0;

    if (plan->segment_count == SEGMENTS_MAX || start < LOAD_START || start > LOAD_END || bytes > LOAD_END - start)
        return -ENOEXEC;
    if (ph->p_filesz == ph->p_memsz) /* no zeros to come: the whole last page is the file's, and can be shared */
        file_bytes = PAGE_UP(file_bytes);
    plan->segment[plan->segment_count++] = (struct segment){
        .address = start,
        .bytes = bytes,
        .offset = PAGE_DOWN(ph->p_offset),
        .file_bytes = file_bytes,
        .prot = prot_of(ph->p_flags),
    };
    if (start + bytes > plan->brk)
        plan->brk = start + bytes;
    return 0;
}

/* Where the program finds its own headers: in the segment that holds that part of the file. */
static void find_headers(struct plan *plan, const struct elf_info *info, const Elf64_Phdr *ph, uint64_t bias)
{
    uint64_t bytes = info->count * sizeof(Elf64_Phdr);

    if (!plan->headers && ph->p_offset <= info->table && bytes <= ph->p_filesz &&
        info->table - ph->p_offset <= ph->p_filesz - bytes)
        plan->headers = bias + ph->p_vaddr + (info->table - ph->p_offset);
}

static long plan_one(struct plan *plan, const struct elf_info *info, const Elf64_Phdr *ph, uint64_t bias)
{
    long r;

    if (ph->p_type == PT_INTERP)
        return -ENOENT; /* what Linux says when the loader is not there */
    if (ph->p_type == PT_GNU_STACK)
        plan->exec_stack = ph->p_flags & PF_X;
    if (ph->p_type != PT_LOAD || !ph->p_memsz)
        return 0;
    r = check_segment(ph);
    if (r == 0)
        r = add_segment(plan, ph, bias);
    if (r == 0)
        find_headers(plan, info, ph, bias);
    return r;
}

long exec_elf_plan(const struct elf_info *info, const uint8_t *table, struct plan *plan)
{
    const Elf64_Phdr *ph = (const Elf64_Phdr *)table;
    uint64_t bias;
    long r = choose_bias(info, ph, &bias);

    plan->segment_count = 0;
    plan->brk = plan->headers = 0;
    plan->exec_stack = false;
    for (unsigned i = 0; r == 0 && i < info->count; i++)
        r = plan_one(plan, info, &ph[i], bias);
    if (r)
        return r;
    plan->entry = info->entry + bias;
    plan->header_count = info->count;
    return plan->entry < USER_END ? 0 : -ENOEXEC;
}
