/* SPDX-License-Identifier: MIT
 *
 * sim/files/image.c: see image.h. libelf checks the file's structure; what it leaves to us
 * (segments inside the file, address ranges) is checked here. Symbols keep only
 * functions, sorted by address, in one allocation of their own.
 */
#include "sim/files/image.h"

#include <errno.h>
#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct symbol {
    uint64_t address, size;
    const char *name;
    unsigned role;
};

struct symbols {
    struct symbol *list;
    size_t count;
    char *names;
    size_t name_bytes;
    uint64_t schedule_begin, schedule_end, emulation_begin, emulation_end, shadow_begin, shadow_end;
};

static int refuse(char *error, const char *what)
{
    snprintf(error, IMAGE_ERROR_MAX, "%s", what);
    return -1;
}

void *image_read_file(const char *path, size_t *bytes, char error[IMAGE_ERROR_MAX])
{
    struct stat st;
    void *data = NULL;
    size_t got = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);

    if (fd < 0 || fstat(fd, &st) < 0) {
        snprintf(error, IMAGE_ERROR_MAX, "%s: %s", path, strerror(errno));
    } else if (!S_ISREG(st.st_mode)) {
        snprintf(error, IMAGE_ERROR_MAX, "%s: not a regular file", path);
    } else if (!(data = malloc((size_t)st.st_size + 1))) {
        snprintf(error, IMAGE_ERROR_MAX, "%s: no memory for %lld bytes", path, (long long)st.st_size);
    } else {
        for (ssize_t n = 1; n > 0 && got < (size_t)st.st_size; got += n > 0 ? (size_t)n : 0)
            n = read(fd, (char *)data + got, (size_t)st.st_size - got);
    }
    if (fd >= 0)
        close(fd);
    *bytes = got;
    return data;
}

static Elf *open_memory(const void *elf, size_t bytes)
{
    elf_version(EV_CURRENT);
    /* libelf does not write with ELF_C_READ, it only lacks the const. */
    return elf_memory((char *)(uintptr_t)elf, bytes);
}

static int take_segment(struct image *image, const GElf_Phdr *p, size_t bytes, char *error)
{
    if (p->p_type != PT_LOAD || p->p_memsz == 0)
        return 0;
    if (image->segment_count == IMAGE_SEGMENTS_MAX)
        return refuse(error, "more than 16 segments");
    if (p->p_filesz > p->p_memsz || p->p_offset > bytes || p->p_filesz > bytes - p->p_offset)
        return refuse(error, "truncated: a segment lies outside the file");
    if (p->p_memsz > (1ul << 32) || p->p_paddr > (1ul << 32))
        return refuse(error, "a segment lies above 4 GiB of physical memory");
    image->segments[image->segment_count++] =
        (struct image_segment){p->p_paddr, p->p_vaddr, p->p_offset, p->p_filesz, p->p_memsz};
    return 0;
}

int image_parse(struct image *image, const void *elf, size_t bytes, char error[IMAGE_ERROR_MAX])
{
    Elf *e = open_memory(elf, bytes);
    GElf_Ehdr header;
    GElf_Phdr p;
    size_t count = 0;
    int result = 0;

    memset(image, 0, sizeof *image);
    if (!e || elf_kind(e) != ELF_K_ELF || !gelf_getehdr(e, &header))
        result = refuse(error, "not an ELF file");
    else if (header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_machine != EM_X86_64)
        result = refuse(error, "not an x86-64 ELF file");
    else if (header.e_type != ET_EXEC && header.e_type != ET_DYN)
        result = refuse(error, "not an executable");
    else if (elf_getphdrnum(e, &count) || count == 0)
        result = refuse(error, "no program headers");
    for (size_t i = 0; result == 0 && i < count; i++)
        result = gelf_getphdr(e, (int)i, &p) ? take_segment(image, &p, bytes, error) : refuse(error, "bad program header");
    if (result == 0)
        image->entry = header.e_entry;
    if (result == 0 && image->segment_count == 0)
        result = refuse(error, "nothing to load");
    if (e)
        elf_end(e);
    return result;
}

const void *image_bytes(const void *elf, size_t elf_bytes, uint64_t address, size_t bytes)
{
    Elf *e = open_memory(elf, elf_bytes);
    const char *found = NULL;
    size_t count = 0;
    GElf_Phdr p;

    if (!e || elf_getphdrnum(e, &count))
        count = 0;
    for (size_t i = 0; !found && i < count; i++)
        if (gelf_getphdr(e, (int)i, &p) && p.p_type == PT_LOAD && p.p_offset <= elf_bytes &&
            p.p_filesz <= elf_bytes - p.p_offset && address >= p.p_vaddr && address - p.p_vaddr < p.p_filesz &&
            bytes <= p.p_filesz - (address - p.p_vaddr))
            found = (const char *)elf + p.p_offset + (address - p.p_vaddr);
    if (e)
        elf_end(e);
    return found;
}

static unsigned role_of_name(const char *name)
{
    static const struct {
        const char *name;
        unsigned role;
    } routines[] = {
#define COPY_ROUTINE(routine) {#routine, ROLE_COPY},
#include "abi/copy_routines.def"
#undef COPY_ROUTINE
#define MESSAGE_ROUTINE(routine) {#routine, ROLE_MESSAGE},
#include "abi/message_routines.def"
#undef MESSAGE_ROUTINE
#define SHADOW_ROUTINE(routine) {#routine, ROLE_SHADOW_WRITE},
#include "abi/shadow_routines.def"
#undef SHADOW_ROUTINE
    };

    for (size_t i = 0; i < sizeof routines / sizeof routines[0]; i++)
        if (strcmp(name, routines[i].name) == 0)
            return routines[i].role;
    return ROLE_NONE;
}

static int by_address(const void *a, const void *b)
{
    const struct symbol *x = a, *y = b;

    if (x->address != y->address)
        return x->address < y->address ? -1 : 1;
    if (x->role != y->role) /* of several names the one that plays a role comes last and wins */
        return x->role < y->role ? -1 : 1;
    return strcmp(x->name, y->name);
}

static void take_mark(struct symbols *s, const char *name, uint64_t value)
{
    const struct {
        const char *name;
        uint64_t *to;
    } marks[] = {
        {"__cause_schedule_begin", &s->schedule_begin},
        {"__cause_schedule_end", &s->schedule_end},
        {"__cause_emulation_begin", &s->emulation_begin},
        {"__cause_emulation_end", &s->emulation_end},
        {"__cause_shadow_begin", &s->shadow_begin},
        {"__cause_shadow_end", &s->shadow_end},
    };

    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (strcmp(name, marks[i].name) == 0)
            *marks[i].to = value;
}

static void take_symbols(struct symbols *s, Elf *e, Elf_Scn *section, const GElf_Shdr *header)
{
    Elf_Data *data = elf_getdata(section, NULL);
    size_t count = data && header->sh_entsize ? header->sh_size / header->sh_entsize : 0;
    GElf_Sym sym;

    if (count > 1u << 20)
        return;
    s->list = calloc(count + 1, sizeof *s->list);
    for (size_t i = 0; s->list && i < count; i++) {
        const char *name;

        if (!gelf_getsym(data, (int)i, &sym) || !(name = elf_strptr(e, header->sh_link, sym.st_name)) || !*name)
            continue;
        take_mark(s, name, sym.st_value);
        if (GELF_ST_TYPE(sym.st_info) != STT_FUNC && GELF_ST_TYPE(sym.st_info) != STT_GNU_IFUNC &&
            !(GELF_ST_TYPE(sym.st_info) == STT_NOTYPE && sym.st_shndx != SHN_ABS && sym.st_shndx != SHN_UNDEF))
            continue;
        s->list[s->count++] = (struct symbol){sym.st_value, sym.st_size, strdup(name), role_of_name(name)};
    }
}

struct symbols *symbols_read(const void *elf, size_t bytes)
{
    struct symbols *s = calloc(1, sizeof *s);
    Elf *e = open_memory(elf, bytes);
    Elf_Scn *section = NULL;
    GElf_Shdr header;

    while (s && e && (section = elf_nextscn(e, section)) != NULL)
        if (gelf_getshdr(section, &header) && header.sh_type == SHT_SYMTAB && !s->list)
            take_symbols(s, e, section, &header);
    if (e)
        elf_end(e);
    if (s && s->count == 0) {
        symbols_free(s);
        return NULL;
    }
    if (s)
        qsort(s->list, s->count, sizeof *s->list, by_address);
    return s;
}

void symbols_free(struct symbols *symbols)
{
    if (!symbols)
        return;
    for (size_t i = 0; i < symbols->count; i++)
        free((void *)(uintptr_t)symbols->list[i].name);
    free(symbols->list);
    free(symbols);
}

/* How many symbols are at or below `address`. */
static size_t symbols_up_to(const struct symbols *s, uint64_t address)
{
    size_t low = 0, high = s ? s->count : 0;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (s->list[middle].address <= address)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* The last symbol at or below `address` that reaches it. */
static const struct symbol *find(const struct symbols *s, uint64_t address)
{
    size_t low = symbols_up_to(s, address);

    for (size_t back = 0; low > back && back < 4; back++) {
        const struct symbol *symbol = &s->list[low - 1 - back];

        if (address - symbol->address < symbol->size || (symbol->size == 0 && address - symbol->address < 4096))
            return symbol;
    }
    return NULL;
}

const char *symbols_name(const struct symbols *symbols, uint64_t address, uint64_t *offset)
{
    const struct symbol *symbol = find(symbols, address);

    if (symbol)
        *offset = address - symbol->address;
    return symbol ? symbol->name : NULL;
}

bool symbols_value(const struct symbols *symbols, const char *name, uint64_t *value)
{
    for (size_t i = 0; symbols && i < symbols->count; i++)
        if (strcmp(symbols->list[i].name, name) == 0) {
            *value = symbols->list[i].address;
            return true;
        }
    return false;
}

unsigned symbols_role(const struct symbols *symbols, uint64_t pc)
{
    const struct symbol *symbol;

    if (!symbols)
        return ROLE_NONE;
    if (pc >= symbols->schedule_begin && pc < symbols->schedule_end)
        return ROLE_SCHEDULE;
    if (pc >= symbols->emulation_begin && pc < symbols->emulation_end)
        return ROLE_EMULATION;
    if (pc >= symbols->shadow_begin && pc < symbols->shadow_end)
        return ROLE_SHADOW;
    symbol = find(symbols, pc);
    if (!symbol || !symbol->role)
        return ROLE_NONE;
    return symbol->role | (pc == symbol->address ? ROLE_ENTRY : 0u);
}

bool symbols_enters(const struct symbols *symbols, uint64_t pc, uint64_t bytes, enum symbol_role role)
{
    for (size_t i = symbols_up_to(symbols, pc + bytes - 1); i > 0 && symbols->list[i - 1].address >= pc; i--)
        if (symbols->list[i - 1].role & role)
            return true;
    return false;
}
