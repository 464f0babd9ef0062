/* SPDX-License-Identifier: MIT
 *
 * sim/files/operations.c: see operations.h. A file that lies about its tables has no operations there: every place is
 * checked against the section and the file.
 */
#include "sim/files/operations.h"

#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OPERATIONS_MAX = 1 << 16, SYMBOLS_MAX = 1 << 20 };

struct reading {
    Elf *elf;
    const uint8_t *file;
    size_t bytes;
    bool kernel;
    struct operations *to;
};

static void add(struct operations *to, uint64_t address, enum fault_service service)
{
    struct operation *list;

    if (!address || to->count == OPERATIONS_MAX)
        return;
    list = realloc(to->list, (to->count + 1) * sizeof *list);
    if (!list)
        return;
    to->list = list;
    list[to->count++] = (struct operation){address, service};
}

/* The table's bytes in the file; NULL if it has none there. */
static const uint8_t *table_bytes(const struct reading *r, const GElf_Sym *sym)
{
    Elf_Scn *section = elf_getscn(r->elf, sym->st_shndx);
    GElf_Shdr header;
    uint64_t within;

    if (!section || !gelf_getshdr(section, &header) || header.sh_type == SHT_NOBITS || sym->st_value < header.sh_addr)
        return NULL;
    within = sym->st_value - header.sh_addr;
    if (within > header.sh_size || sym->st_size > header.sh_size - within || header.sh_offset > r->bytes ||
        header.sh_size > r->bytes - header.sh_offset)
        return NULL;
    return r->file + header.sh_offset + within;
}

static void take_table(struct reading *r, const GElf_Sym *sym, enum fault_service service)
{
    const uint8_t *table = table_bytes(r, sym);

    for (size_t at = 0; table && at + 8 <= sym->st_size; at += 8) {
        uint64_t address;

        memcpy(&address, table + at, sizeof address);
        add(r->to, address, service);
    }
}

static bool is_message_routine(const char *name)
{
    static const char *const routines[] = {
#define MESSAGE_ROUTINE(routine) #routine,
#include "abi/message_routines.def"
#undef MESSAGE_ROUTINE
        NULL};

    for (size_t i = 0; routines[i]; i++)
        if (strcmp(routines[i], name) == 0)
            return true;
    return false;
}

static void take_symbol(struct reading *r, const GElf_Sym *sym, const char *name)
{
    if (r->kernel && GELF_ST_TYPE(sym->st_info) == STT_FUNC && is_message_routine(name))
        add(r->to, sym->st_value, FAULT_KERNEL);
    for (unsigned s = 0; s < FAULT_KERNEL; s++) {
        size_t n = strlen(fault_service_names[s]);

        if (strncmp(name, fault_service_names[s], n) != 0)
            continue;
        if (strcmp(name + n, "_request") == 0 && GELF_ST_TYPE(sym->st_info) == STT_FUNC)
            add(r->to, sym->st_value, s);
        else if (strcmp(name + n, "_calls") == 0 && GELF_ST_TYPE(sym->st_info) == STT_OBJECT)
            take_table(r, sym, s);
    }
}

static void take_section(struct reading *r, Elf_Scn *section, const GElf_Shdr *header)
{
    Elf_Data *data = elf_getdata(section, NULL);
    size_t count = data && header->sh_entsize ? header->sh_size / header->sh_entsize : 0;
    const char *name;
    GElf_Sym sym;

    for (size_t i = 0; i < count && i < SYMBOLS_MAX; i++)
        if (gelf_getsym(data, (int)i, &sym) && (name = elf_strptr(r->elf, header->sh_link, sym.st_name)))
            take_symbol(r, &sym, name);
}

static int by_address(const void *a, const void *b)
{
    const struct operation *x = a, *y = b;

    return x->address != y->address ? (x->address < y->address ? -1 : 1) : (int)x->service - (int)y->service;
}

/* One function may stand in a table several times. */
static void sort(struct operations *o)
{
    size_t kept = 0;

    if (o->count)
        qsort(o->list, o->count, sizeof *o->list, by_address);
    for (size_t i = 0; i < o->count; i++)
        if (kept == 0 || o->list[kept - 1].address != o->list[i].address)
            o->list[kept++] = o->list[i];
    o->count = kept;
}

struct operations operations_read(const void *elf, size_t bytes, bool kernel)
{
    struct operations operations = {0};
    struct reading r = {.file = elf, .bytes = bytes, .kernel = kernel, .to = &operations};
    Elf_Scn *section = NULL;
    GElf_Shdr header;

    elf_version(EV_CURRENT);
    r.elf =
        elf_memory((char *)(uintptr_t)elf, bytes); /* libelf does not write with ELF_C_READ, it only lacks the const */
    while (r.elf && (section = elf_nextscn(r.elf, section)) != NULL)
        if (gelf_getshdr(section, &header) && header.sh_type == SHT_SYMTAB)
            take_section(&r, section, &header);
    if (r.elf)
        elf_end(r.elf);
    sort(&operations);
    return operations;
}

const struct operation *operations_find(const struct operations *operations, uint64_t pc)
{
    size_t low = 0, high = operations->count;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (operations->list[middle].address == pc)
            return &operations->list[middle];
        if (operations->list[middle].address < pc)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}
