/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_archives.c: one set of services, many placements (DESIGN.md): the code of every function in the service
 * archives is, byte for byte, the code in each kernel image that links them and in a host program that does (this one).
 *
 * For each function of each archive member: its bytes with the relocated fields blanked are hashed; the same is done at
 * the address that the image's symbol table gives for the name. Names that are local to a file may occur more than once:
 * one of them must match.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <gelf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "services/fs/fs.h"
#include "services/pipe/pipe.h"

enum { FUNCTION_MAX = 1 << 16 };

/* So that this host program links the archives too. */
static void *volatile keep[] = {(void *)fs_create, (void *)pipe_create};

struct image {
    const char *path;
    int fd;
    Elf *elf;
    GElf_Shdr table_header;
    Elf_Data *symbols;
    size_t count;
};

struct function {
    const char *name;
    uint64_t section_offset, size;
};

static Elf_Scn *find_section(Elf *elf, unsigned type, const char *name, GElf_Shdr *header)
{
    Elf_Scn *section = NULL;
    size_t strings;

    elf_getshdrstrndx(elf, &strings);
    while ((section = elf_nextscn(elf, section)) != NULL) {
        gelf_getshdr(section, header);
        if (header->sh_type == type && (!name || strcmp(elf_strptr(elf, strings, header->sh_name), name) == 0))
            return section;
    }
    return NULL;
}

static struct image open_image(const char *path)
{
    struct image image = {.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC)};

    assert_true(image.fd >= 0);
    image.elf = elf_begin(image.fd, ELF_C_READ, NULL);
    assert_non_null(image.elf);
    image.symbols = elf_getdata(find_section(image.elf, SHT_SYMTAB, NULL, &image.table_header), NULL);
    image.count = image.table_header.sh_size / image.table_header.sh_entsize;
    return image;
}

static void close_image(struct image *image)
{
    elf_end(image->elf);
    close(image->fd);
}

/* Blanks what the linker fills in: 4 bytes, or 8 for an absolute address; and the opcode before a GOT reference, which the
 * linker turns into a direct one (psABI B.2, "relaxation"). */
static void blank_relocations(Elf *object, const struct function *f, uint8_t *bytes)
{
    GElf_Shdr header;
    Elf_Scn *section = find_section(object, SHT_RELA, ".rela.text", &header);
    Elf_Data *data = section ? elf_getdata(section, NULL) : NULL;
    GElf_Rela rela;

    for (size_t i = 0; data && i < header.sh_size / header.sh_entsize; i++) {
        unsigned type, before;

        gelf_getrela(data, (int)i, &rela);
        type = (unsigned)GELF_R_TYPE(rela.r_info);
        before = type == R_X86_64_GOTPCRELX ? 2 : type == R_X86_64_REX_GOTPCRELX ? 3 : 0;
        if (rela.r_offset >= f->section_offset + before && rela.r_offset + 4 <= f->section_offset + f->size)
            memset(bytes + (rela.r_offset - before - f->section_offset), 0, before + (type == R_X86_64_64 ? 8 : 4));
    }
}

static uint64_t hash(const uint8_t *bytes, size_t size)
{
    uint64_t h = 0xcbf29ce484222325u; /* FNV-1a */

    for (size_t i = 0; i < size; i++)
        h = (h ^ bytes[i]) * 0x100000001b3u;
    return h;
}

static int read_virtual(const struct image *image, uint64_t address, uint8_t *to, size_t size)
{
    GElf_Phdr p;
    size_t count;

    elf_getphdrnum(image->elf, &count);
    for (size_t i = 0; i < count; i++) {
        gelf_getphdr(image->elf, (int)i, &p);
        if (p.p_type == PT_LOAD && address >= p.p_vaddr && address + size <= p.p_vaddr + p.p_filesz)
            return pread(image->fd, to, size, (off_t)(address - p.p_vaddr + p.p_offset)) == (ssize_t)size;
    }
    return 0;
}

/* 1: the image holds it, identical; 0: it holds the name with other code; -1: it does not hold the name at all. */
static int image_holds(const struct image *image, Elf *object, const struct function *f, uint64_t expected)
{
    static uint8_t bytes[FUNCTION_MAX];
    GElf_Sym symbol;
    int found = -1;

    for (size_t i = 0; i < image->count; i++) {
        gelf_getsym(image->symbols, (int)i, &symbol);
        if (GELF_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_size != f->size ||
            strcmp(elf_strptr(image->elf, image->table_header.sh_link, symbol.st_name), f->name) != 0)
            continue;
        found = 0;
        if (!read_virtual(image, symbol.st_value, bytes, f->size))
            continue;
        blank_relocations(object, f, bytes);
        if (hash(bytes, f->size) == expected)
            return 1;
    }
    return found;
}

static unsigned check_object(Elf *object, const struct image *image, int all)
{
    GElf_Shdr text_header, table_header;
    Elf_Scn *text = find_section(object, SHT_PROGBITS, ".text", &text_header);
    Elf_Data *code = text ? elf_getdata(text, NULL) : NULL;
    Elf_Data *table = elf_getdata(find_section(object, SHT_SYMTAB, NULL, &table_header), NULL);
    static uint8_t bytes[FUNCTION_MAX];
    unsigned same = 0;
    GElf_Sym symbol;

    for (size_t i = 0; code && code->d_buf && i < table_header.sh_size / table_header.sh_entsize; i++) {
        struct function f;
        int held;

        gelf_getsym(table, (int)i, &symbol);
        if (GELF_ST_TYPE(symbol.st_info) != STT_FUNC || symbol.st_shndx != elf_ndxscn(text) || symbol.st_size > FUNCTION_MAX)
            continue;
        f = (struct function){elf_strptr(object, table_header.sh_link, symbol.st_name), symbol.st_value, symbol.st_size};
        memcpy(bytes, (const uint8_t *)code->d_buf + f.section_offset, f.size);
        blank_relocations(object, &f, bytes);
        held = image_holds(image, object, &f, hash(bytes, f.size));
        if (held == 0 || (held < 0 && all))
            fail_msg("%s: %s is %s", image->path, f.name, held == 0 ? "not the archive's code" : "missing");
        same += held == 1;
    }
    return same;
}

/* `all`: every function of the archive must be in the image (else: those that are must be the same). */
static unsigned check_archive(const char *path, const struct image *image, int all)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    Elf_Cmd command = ELF_C_READ;
    unsigned same = 0;
    Elf *archive, *object;

    assert_true(fd >= 0);
    archive = elf_begin(fd, command, NULL);
    assert_int_equal(elf_kind(archive), ELF_K_AR);
    while ((object = elf_begin(fd, command, archive)) != NULL) {
        if (elf_kind(object) == ELF_K_ELF)
            same += check_object(object, image, all);
        command = elf_next(object);
        elf_end(object);
    }
    elf_end(archive);
    close(fd);
    return same;
}

static const char *const services[] = {"fs", "proc", "vm", "pipe", "tty", "blk"};

/* Where each service was placed. */
static const struct placement {
    const char *image, *services; /* all that it links */
} placements[] = {
    {"monolithic/kernel", "fs proc vm pipe tty blk"},
    {"micro/procd", "proc"},
    {"micro/vmd", "vm"},
    {"micro/fsd", "fs pipe"},
    {"micro/blkd", "blk"},
    {"micro/ttyd", "tty"},
    {"micro/osd", "fs proc vm pipe tty blk"},
    {"exo/kernel", "blk"},
    {"exo/libos", "fs proc vm pipe tty"},
    {"exo/copier", "fs proc pipe tty"},
};

static void check_placement(const struct placement *p)
{
    char path[64];
    struct image image;

    snprintf(path, sizeof path, "build/images/%s.elf", p->image);
    image = open_image(path);
    for (size_t i = 0; i < sizeof services / sizeof services[0]; i++) {
        snprintf(path, sizeof path, "build/lib/lib%s.a", services[i]);
        if (strstr(p->services, services[i]))
            assert_true(check_archive(path, &image, 0) >= 8);
    }
    close_image(&image);
}

static void test_images_link_the_archives_unchanged(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof placements / sizeof placements[0]; i++)
        check_placement(&placements[i]);
}

/* The microkernel holds none of them. */
static void test_the_microkernel_links_none(void **state)
{
    struct image kernel = open_image("build/images/micro/kernel.elf");
    GElf_Sym symbol;

    (void)state;
    for (size_t i = 0; i < kernel.count; i++) {
        gelf_getsym(kernel.symbols, (int)i, &symbol);
        for (size_t n = 0; n < sizeof services / sizeof services[0]; n++) {
            char create[16];

            snprintf(create, sizeof create, "%s_create", services[n]);
            assert_string_not_equal(elf_strptr(kernel.elf, kernel.table_header.sh_link, symbol.st_name), create);
        }
    }
    close_image(&kernel);
}

static void test_host_program_links_the_archives_unchanged(void **state)
{
    struct image self = open_image("/proc/self/exe");

    (void)state;
    assert_non_null(keep[0]);
    assert_true(check_archive("build/lib/libfs.a", &self, 0) >= 100);
    assert_true(check_archive("build/lib/libpipe.a", &self, 0) >= 8);
    close_image(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_images_link_the_archives_unchanged),
        cmocka_unit_test(test_the_microkernel_links_none),
        cmocka_unit_test(test_host_program_links_the_archives_unchanged),
    };

    elf_version(EV_CURRENT);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
