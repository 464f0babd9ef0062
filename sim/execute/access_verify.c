/* SPDX-License-Identifier: MIT
 *
 * sim/execute/access_verify.c: the list of accesses compared with what the memory hook sees, for tests: each access
 * that the engine makes must be listed, in its order, and each that is listed must be made.
 *
 * The engine makes an operand of more than eight bytes in parts, and reads one that crosses pages as its two aligned
 * halves; an access to the very place of the one before may be a part of that, or the next.
 */
#include <inttypes.h>
#include <stdio.h>

#include "sim/inside.h"

static void verify_failed(struct cpu *cpu, const char *what, uint64_t address, unsigned bytes, bool write)
{
    const struct accesses *list = cpu->access;
    char text[128] = "";
    uint8_t code[16];
    uint64_t at = list->count ? list->made[list->seen ? list->seen - 1 : 0].at : 0;

    if (cpu->block && mmu_read(cpu, cpu->block_pc + at, code, sizeof code))
        decode_text(cpu->machine->decoder, code, sizeof code, cpu->block_pc + at, text, sizeof text);
    run_crash(cpu,
              "accesses: %s: %s of %u bytes at %#" PRIx64 " in the block at %#" PRIx64 ", after or in +%#" PRIx64
              " %s (%u of %u: %#" PRIx64 ")",
              what, write ? "write" : "read", bytes, address, cpu->block_pc, at, text, list->seen, list->count,
              list->seen < list->count ? list->made[list->seen].address : 0);
}

static bool is_part(const struct made_access *a, uint64_t address, unsigned bytes, bool write)
{
    const uint64_t end = a->address + a->bytes;

    if (!a->bytes || a->write != write)
        return false;
    if (!write && a->address >> 12 != (end - 1) >> 12) /* the engine reads both aligned halves */
        return address < end && a->address < address + bytes;
    return address >= a->address && address + bytes <= end;
}

/* Barriers, and a second access to the same place, which was taken for a part of the first. */
static void skip_seen(struct accesses *list)
{
    while (list->seen < list->count) {
        const struct made_access *a = &list->made[list->seen], *before = a - 1;
        bool again = list->seen > 0 && a->write == before->write && a->address >= before->address &&
                     a->address + a->bytes <= before->address + before->bytes;

        if (a->bytes && !a->maybe && !again)
            return;
        list->seen++;
    }
}

void access_verify(struct cpu *cpu, uint64_t address, unsigned bytes, bool write)
{
    struct accesses *list = cpu->access;

    const struct made_access *next = &list->made[list->seen];

    if (list->seen < list->count && next->address == address && next->write == write &&
        bytes == (next->bytes < 8 ? next->bytes : 8)) {
        list->seen++;
        return;
    }
    if (list->seen > 0 && is_part(next - 1, address, bytes, write))
        return;
    if (list->seen < list->count && !is_part(next, address, bytes, write))
        skip_seen(list);
    if (list->seen < list->count && is_part(&list->made[list->seen], address, bytes, write))
        list->seen++;
    else if (!list->cut && !cpu->machine->ended &&
             !(cpu->block && block_plan(cpu->machine->blocks, cpu->block)->partial))
        verify_failed(cpu, "not planned", address, bytes, write);
}

/* Of a device's register, which the hook knows by its physical address. */
uint64_t access_device_address(struct cpu *cpu, uint64_t physical)
{
    const struct accesses *list = cpu->access;

    for (unsigned i = list->seen ? list->seen - 1 : 0; i < list->count; i++) {
        uint64_t start = list->made[i].bytes ? access_physical(cpu, list->made[i].address) : UINT64_MAX;

        if (start <= physical && physical - start < list->made[i].bytes)
            return list->made[i].address + (physical - start);
    }
    return 0;
}

/* The block, or its part before a sync, was executed to its end. */
void access_verify_end(struct cpu *cpu)
{
    struct accesses *list = cpu->access;

    skip_seen(list);
    if (list->seen < list->count && !list->cut && !cpu->machine->ended)
        verify_failed(cpu, "not made", list->made[list->seen].address, list->made[list->seen].bytes,
                      list->made[list->seen].write);
}
