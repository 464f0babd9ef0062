/* SPDX-License-Identifier: MIT
 *
 * sim/cli/tcb.c: see tcb.h; libelf knows the sections, libdw the line tables.
 */
#include "sim/cli/tcb.h"

#include <elfutils/libdw.h>
#include <fcntl.h>
#include <gelf.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A growing array of file << 32 | line, and the names of files, which libdw keeps. */
struct lines {
    Elf *elf;
    uint64_t *pair;
    size_t count, room;
    const char **file;
    size_t files;
    bool failed; /* no memory */
};

/* ---- sections ---- */

static bool is_code(const GElf_Shdr *section)
{
    return (section->sh_flags & SHF_EXECINSTR) && (section->sh_flags & SHF_ALLOC);
}

static uint64_t code_bytes(Elf *elf)
{
    Elf_Scn *at = NULL;
    uint64_t bytes = 0;
    GElf_Shdr section;

    while ((at = elf_nextscn(elf, at)))
        if (gelf_getshdr(at, &section) && is_code(&section))
            bytes += section.sh_size;
    return bytes;
}

/* Lines of what the linker dropped have addresses outside of all code. */
static bool is_in_code(Elf *elf, uint64_t address)
{
    Elf_Scn *at = NULL;
    GElf_Shdr section;

    while ((at = elf_nextscn(elf, at)))
        if (gelf_getshdr(at, &section) && is_code(&section) && address - section.sh_addr < section.sh_size)
            return true;
    return false;
}

/* ---- lines ---- */

static void *grown(void *array, size_t count, size_t element)
{
    return count & (count - 1) ? array : realloc(array, (count ? 2 * count : 1) * element);
}

/* The number of a file, by its name: units of the same source share headers. */
static size_t file_number(struct lines *l, const char *name)
{
    const char **more;

    for (size_t i = l->files; i-- > 0;)
        if (l->file[i] == name || strcmp(l->file[i], name) == 0)
            return i;
    more = grown(l->file, l->files, sizeof *more);
    if (!more) {
        l->failed = true;
        return 0;
    }
    l->file = more;
    l->file[l->files] = name;
    return l->files++;
}

static void add_line(struct lines *l, Dwarf_Line *line)
{
    const char *name = dwarf_linesrc(line, NULL, NULL);
    uint64_t *more = grown(l->pair, l->count, sizeof *more);
    Dwarf_Addr address;
    bool ends = true;
    int number = 0;

    l->failed |= !more;
    if (!more)
        return;
    l->pair = more;
    if (name && dwarf_lineno(line, &number) == 0 && number > 0 && dwarf_lineendsequence(line, &ends) == 0 && !ends &&
        dwarf_lineaddr(line, &address) == 0 && is_in_code(l->elf, address))
        l->pair[l->count++] = (uint64_t)file_number(l, name) << 32 | (unsigned)number;
}

static int by_number(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;

    return (a > b) - (a < b);
}

static uint64_t count_distinct(struct lines *l)
{
    uint64_t distinct = 0;

    qsort(l->pair, l->count, sizeof *l->pair, by_number);
    for (size_t i = 0; i < l->count; i++)
        distinct += i == 0 || l->pair[i] != l->pair[i - 1];
    return distinct;
}

static void measure_lines(Dwarf *dwarf, struct lines *l, struct tcb *tcb)
{
    Dwarf_CU *unit = NULL;
    Dwarf_Die die;

    while (dwarf_get_units(dwarf, unit, &unit, NULL, NULL, &die, NULL) == 0) {
        Dwarf_Lines *table;
        size_t count;

        if (dwarf_getsrclines(&die, &table, &count) != 0)
            continue;
        for (size_t i = 0; i < count; i++)
            add_line(l, dwarf_onesrcline(table, i));
    }
    tcb->has_lines = !l->failed && l->count > 0;
    if (tcb->has_lines)
        tcb->lines = count_distinct(l);
}

/* ---- the image ---- */

static void measure(Elf *elf, struct tcb *tcb)
{
    struct lines l = {.elf = elf};
    Dwarf *dwarf = dwarf_begin_elf(elf, DWARF_C_READ, NULL);

    tcb->bytes = code_bytes(elf);
    if (dwarf)
        measure_lines(dwarf, &l, tcb);
    dwarf_end(dwarf);
    free(l.pair);
    free(l.file);
}

bool tcb_measure(const char *path, struct tcb *tcb)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    Elf *elf = fd >= 0 && elf_version(EV_CURRENT) != EV_NONE ? elf_begin(fd, ELF_C_READ, NULL) : NULL;
    bool good = elf && elf_kind(elf) == ELF_K_ELF;

    *tcb = (struct tcb){0};
    if (good)
        measure(elf, tcb);
    elf_end(elf);
    if (fd >= 0)
        close(fd);
    return good;
}

bool arch_measure(const struct home *home, const struct arch *arch, struct tcb *tcb)
{
    char path[PATH_MAX];

    home_path(home, path, "build/images/%s", arch->image);
    return tcb_measure(path, tcb);
}

void arch_add_tcb(const struct home *home, const struct arch *arch, json_t *object)
{
    struct tcb tcb;

    if (!arch_measure(home, arch, &tcb))
        return;
    json_object_set_new(object, "tcb_bytes", json_integer((json_int_t)tcb.bytes));
    if (tcb.has_lines)
        json_object_set_new(object, "tcb_lines", json_integer((json_int_t)tcb.lines));
}
