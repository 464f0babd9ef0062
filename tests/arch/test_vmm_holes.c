/* SPDX-License-Identifier: MIT
 *
 * tests/arch/test_vmm_holes.c: each instruction of tests/arch/images/vmm_holes.c on the machine and as a guest, beside
 * the table in arch-vmm/README.md: what a kernel sees, and whether that breaks the illusion. And the kernel that is run
 * as a guest has none of the instructions that do.
 */
#include <ctype.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <capstone/capstone.h>
#include <cmocka.h>
#include <libelf.h>

#include "tests/arch/vmm_boot.h"

#define IMAGE "build/images/tests/vmm_holes.elf"
#define README "arch-vmm/README.md"
#define SECTION "## x86's holes\n"
#define HOLES_MAX 64
#define CELL 160
#define SHOWN 3 /* of the holes in an image */

enum column { INSTRUCTION, NATIVELY, AS_GUEST, VERDICT, KERNEL, COLUMNS };

static struct row {
    char cell[COLUMNS][CELL];
    bool seen;
} table[HOLES_MAX];
static size_t rows;

/* ---- the table ---- */

static void trim(char *to, const char *from, size_t bytes)
{
    while (bytes && isspace((unsigned char)*from))
        from++, bytes--;
    while (bytes && isspace((unsigned char)from[bytes - 1]))
        bytes--;
    snprintf(to, CELL, "%.*s", (int)bytes, from);
}

static void read_row(const char *line)
{
    struct row *row = &table[rows];

    for (unsigned i = 0; i < COLUMNS; i++) {
        const char *end = strchr(line + 1, '|');

        if (!end)
            fail_msg("%s: a row with too few columns: %s", README, line);
        trim(row->cell[i], line + 1, (size_t)(end - line - 1));
        line = end;
    }
    rows++;
}

static int read_table(void **state)
{
    FILE *file = fopen(README, "r");
    char line[1024];
    bool inside = false;

    if (!file)
        fail_msg("cannot read %s", README);
    while (fgets(line, sizeof line, file)) {
        if (strncmp(line, "## ", 3) == 0)
            inside = strcmp(line, SECTION) == 0;
        if (inside && *line == '|' && strncmp(line, "| ---", 5) != 0 && strncmp(line, "| instruction", 13) != 0)
            read_row(line);
    }
    fclose(file);
    return 0;
}

static struct row *row_of(const char *name)
{
    for (size_t i = 0; i < rows; i++)
        if (strcmp(table[i].cell[INSTRUCTION], name) == 0)
            return &table[i];
    fail_msg("%s has no row for '%s'", README, name);
    return NULL;
}

/* ---- what is seen ---- */

static struct vmm_boot boot;

/* What a guest's crash said, without what differs between builds: addresses and bytes of instructions. */
static void keep_crash(char to[CELL], const char *line)
{
    size_t bytes = strcspn(line, ",;\n");

    snprintf(to, CELL, "%.*s", (int)bytes, line);
}

/* False: there is no such hole. */
static bool look(unsigned hole, bool natively, char name[CELL], char saw[CELL])
{
    char settings[32];
    const char *colon;

    snprintf(settings, sizeof settings, "hole=%u", hole);
    boot = (struct vmm_boot){.kernel = {IMAGE}, .natively = natively, .settings = settings, .limit_ms = 100};
    vmm_boot(&boot);
    if (vmm_monitor_failed(&boot) || boot.end == END_TIME_LIMIT)
        fail_msg("hole %u, natively %d: end %d\n%s%s", hole, natively, boot.end, boot.log, boot.report);
    if (boot.exit_status)
        return false;
    colon = strstr(boot.log, ": ");
    if (!colon)
        fail_msg("hole %u: nothing was said", hole);
    trim(name, boot.log, (size_t)(colon - boot.log));
    trim(saw, colon + 2, strcspn(colon + 2, "\n"));
    if (strstr(boot.log, "crash: "))
        keep_crash(saw, strstr(boot.log, "crash: "));
    return true;
}

static void expect_cell(const struct row *row, enum column column, const char *saw)
{
    if (strcmp(row->cell[column], saw) != 0)
        fail_msg("%s, '%s': the table says '%s', seen was '%s'", README, row->cell[INSTRUCTION], row->cell[column],
                 saw);
}

static void check(const char *name, const char *native, const char *virtual)
{
    struct row *row = row_of(name);

    row->seen = true;
    expect_cell(row, NATIVELY, native);
    expect_cell(row, AS_GUEST, virtual);
    expect_cell(row, VERDICT, strcmp(native, virtual) ? "breaks" : "holds");
    assert_true(row->cell[KERNEL][0]);
}

static void test_table(void **state)
{
    char name[CELL], native[CELL], virtual[CELL];
    unsigned holes = 0, broken = 0;

    for (; look(holes, true, name, native); holes++) {
        assert_true(look(holes, false, name, virtual));
        print_message("%-20s natively: %-32s as a guest: %s\n", name, native, virtual);
        check(name, native, virtual);
        broken += strcmp(native, virtual) != 0;
    }
    for (size_t i = 0; i < rows; i++)
        if (!table[i].seen)
            fail_msg("%s: nothing is known of '%s'", README, table[i].cell[INSTRUCTION]);
    assert_int_equal(holes, rows);
    assert_true(broken >= 12);
}

/* ---- the kernel ---- */

static bool is_segment(const cs_x86_op *op)
{
    return op->type == X86_OP_REG && op->reg != X86_REG_INVALID &&
           (op->reg == X86_REG_CS || op->reg == X86_REG_SS || op->reg == X86_REG_DS || op->reg == X86_REG_ES ||
            op->reg == X86_REG_FS || op->reg == X86_REG_GS);
}

static bool is_hole(const cs_insn *in)
{
    static const unsigned holes[] = {
        X86_INS_POPF,  X86_INS_POPFQ, X86_INS_PUSHF, X86_INS_PUSHFQ, X86_INS_SGDT, X86_INS_SIDT, X86_INS_SLDT,
        X86_INS_SMSW,  X86_INS_STR,   X86_INS_LAR,   X86_INS_LSL,    X86_INS_VERR, X86_INS_VERW, X86_INS_LJMP,
        X86_INS_LCALL, X86_INS_RETF,  X86_INS_RETFQ, X86_INS_LFS,    X86_INS_LGS,  X86_INS_LSS,
    };
    const cs_x86 *x86 = &in->detail->x86;

    for (size_t i = 0; i < sizeof holes / sizeof *holes; i++)
        if (in->id == holes[i])
            return true;
    if (in->id != X86_INS_MOV && in->id != X86_INS_PUSH && in->id != X86_INS_POP)
        return false;
    for (unsigned i = 0; i < x86->op_count; i++)
        if (is_segment(&x86->operands[i]))
            return true;
    return false;
}

/* The instructions in a section, and the holes among them, which are printed. */
static void count_section(csh cs, const Elf64_Shdr *header, const Elf_Data *data, unsigned *all, unsigned *holes)
{
    const uint8_t *code = data->d_buf;
    size_t bytes = data->d_size;
    uint64_t address = header->sh_addr;
    cs_insn *in = cs_malloc(cs);

    while (bytes) {
        if (!cs_disasm_iter(cs, &code, &bytes, &address, in)) {
            code++, bytes--, address++;
            continue;
        }
        ++*all;
        if (!is_hole(in))
            continue;
        if (++*holes <= SHOWN)
            print_message("%#lx: %s %s\n", (unsigned long)in->address, in->mnemonic, in->op_str);
    }
    cs_free(in, 1);
}

static void count_image(const char *path, unsigned *all, unsigned *holes)
{
    int fd = open(path, O_RDONLY);
    Elf *elf = elf_version(EV_CURRENT) == EV_NONE ? NULL : elf_begin(fd, ELF_C_READ, NULL);
    csh cs;

    *all = *holes = 0;
    if (!elf || cs_open(CS_ARCH_X86, CS_MODE_64, &cs) != CS_ERR_OK)
        fail_msg("%s cannot be read; `make build` makes it", path);
    cs_option(cs, CS_OPT_DETAIL, CS_OPT_ON);
    for (Elf_Scn *section = elf_nextscn(elf, NULL); section; section = elf_nextscn(elf, section)) {
        const Elf64_Shdr *header = elf64_getshdr(section);

        if (header->sh_type == SHT_PROGBITS && header->sh_flags & SHF_EXECINSTR)
            count_section(cs, header, elf_getdata(section, NULL), all, holes);
    }
    cs_close(&cs);
    elf_end(elf);
    close(fd);
}

static void test_kernel_has_none(void **state)
{
    unsigned all, holes;

    count_image(MONOLITHIC, &all, &holes);
    print_message("%u instructions, %u of them holes\n", all, holes);
    assert_true(all > 10000);
    assert_int_equal(holes, 0);
}

/* They would have been found. */
static void test_others_are_found(void **state)
{
    unsigned all, holes;

    count_image(IMAGE, &all, &holes);
    assert_true(holes >= 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_kernel_has_none),
        cmocka_unit_test(test_others_are_found),
    };

    return cmocka_run_group_tests(tests, read_table, NULL);
}
