/* SPDX-License-Identifier: MIT
 *
 * sim/cli/trace_lines.c: see trace_lines.h; libdw reads a file's line tables once, after the run, into one array sorted
 * by address; Capstone finds where the instructions of a block begin, in the file's bytes.
 */
#include "sim/cli/trace_lines.h"

#include <capstone/capstone.h>
#include <elfutils/libdw.h>
#include <libelf.h>
#include <stdlib.h>
#include <string.h>

#include "sim/files/image.h"

#define IMAGES_MAX 32

struct row {
    uint64_t address;
    const char *file; /* libdw's; NULL: from here on nothing is known */
    unsigned line;
    size_t order;
};

struct image_lines {
    const struct trace_image *image;
    Elf *elf;
    Dwarf *dwarf;
    struct row *rows;
    size_t count, room;
};

struct code_lines {
    struct image_lines images[IMAGES_MAX];
    size_t count;
    csh capstone;
    cs_insn *insn;
};

struct code_lines *lines_open(void)
{
    struct code_lines *l = calloc(1, sizeof *l);

    if (!l)
        return NULL;
    elf_version(EV_CURRENT);
    if (cs_open(CS_ARCH_X86, CS_MODE_64, &l->capstone) != CS_ERR_OK) {
        free(l);
        return NULL;
    }
    l->insn = cs_malloc(l->capstone);
    if (l->insn)
        return l;
    lines_close(l);
    return NULL;
}

void lines_close(struct code_lines *lines)
{
    if (!lines)
        return;
    for (size_t i = 0; i < lines->count; i++) {
        free(lines->images[i].rows);
        dwarf_end(lines->images[i].dwarf);
        elf_end(lines->images[i].elf);
    }
    if (lines->insn)
        cs_free(lines->insn, 1);
    cs_close(&lines->capstone);
    free(lines);
}

/* ---- line tables ---- */

static bool add_row(struct image_lines *l, Dwarf_Line *line)
{
    struct row row = {.order = l->count};
    bool ends = false;
    int number = 0;

    if (l->count == l->room) {
        size_t room = l->room ? 2 * l->room : 4096;
        struct row *more = realloc(l->rows, room * sizeof *more);

        if (!more)
            return false;
        l->rows = more;
        l->room = room;
    }
    if (dwarf_lineaddr(line, &row.address) != 0)
        return true;
    if (dwarf_lineendsequence(line, &ends) == 0 && !ends && dwarf_lineno(line, &number) == 0 && number > 0) {
        row.file = dwarf_linesrc(line, NULL, NULL);
        row.line = (unsigned)number;
    }
    l->rows[l->count++] = row;
    return true;
}

/* Of several rows at one address the last one holds; but the end of a sequence is before what begins there. */
static int by_address(const void *left, const void *right)
{
    const struct row *a = left, *b = right;

    if (a->address != b->address)
        return a->address < b->address ? -1 : 1;
    if (!a->file != !b->file)
        return a->file ? 1 : -1;
    return (a->order > b->order) - (a->order < b->order);
}

static void read_rows(struct image_lines *l)
{
    Dwarf_CU *unit = NULL;
    Dwarf_Die die;

    while (dwarf_get_units(l->dwarf, unit, &unit, NULL, NULL, &die, NULL) == 0) {
        Dwarf_Lines *table;
        size_t count;

        if (dwarf_getsrclines(&die, &table, &count) != 0)
            continue;
        for (size_t i = 0; i < count; i++)
            if (!add_row(l, dwarf_onesrcline(table, i)))
                return;
    }
    qsort(l->rows, l->count, sizeof *l->rows, by_address);
}

static const struct image_lines *lines_of_image(struct code_lines *all, const struct trace_image *image)
{
    struct image_lines *l;

    for (size_t i = 0; i < all->count; i++)
        if (all->images[i].image == image)
            return &all->images[i];
    if (all->count == IMAGES_MAX)
        return NULL;
    l = &all->images[all->count++];
    l->image = image;
    l->elf = elf_memory(image->elf, image->bytes);
    l->dwarf = l->elf ? dwarf_begin_elf(l->elf, DWARF_C_READ, NULL) : NULL;
    if (l->dwarf)
        read_rows(l);
    return l;
}

static const struct row *row_at(const struct image_lines *l, uint64_t address)
{
    size_t low = 0, high = l ? l->count : 0;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (l->rows[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low && l->rows[low - 1].file ? &l->rows[low - 1] : NULL;
}

/* ---- blocks ---- */

static size_t add_part(struct line_part *parts, size_t count, const struct row *row)
{
    const char *file = row ? row->file : NULL;
    unsigned line = row ? row->line : 0;
    size_t i = 0;

    while (i < count && (parts[i].line != line || parts[i].file != file))
        i++;
    if (i == LINE_PARTS_MAX)
        i--; /* a block of more lines than that: the last has the rest */
    if (i == count)
        parts[i] = (struct line_part){file, line, 0};
    parts[i].instructions++;
    return i == count ? count + 1 : count;
}

static const char *file_of_function(const struct image_lines *l, const struct trace_account *a)
{
    const struct row *row = NULL;
    uint64_t offset;

    if (symbols_name(a->image->symbols, a->pc, &offset))
        row = row_at(l, a->pc - offset);
    return row ? row->file : NULL;
}

size_t lines_of(struct code_lines *lines, const struct trace_account *a, struct line_part parts[LINE_PARTS_MAX],
                const char **start_file)
{
    const struct image_lines *l = a->image ? lines_of_image(lines, a->image) : NULL;
    const uint8_t *code = l && a->bytes ? image_bytes(a->image->elf, a->image->bytes, a->pc, a->bytes) : NULL;
    size_t left = a->bytes, count = 0;
    uint64_t pc = a->pc;

    *start_file = l ? file_of_function(l, a) : NULL;
    while (code && left > 0) {
        count = add_part(parts, count, row_at(l, pc));
        if (!cs_disasm_iter(lines->capstone, &code, &left, &pc, lines->insn))
            break;
    }
    return count ? count : add_part(parts, 0, row_at(l, a->pc));
}
