/* SPDX-License-Identifier: MIT
 *
 * abi/save.h: how a monitor hands a guest to the machine, to be written to a file, and gets one back.
 *
 * Out: an OUT of 32 bits to PORT_SAVE names the frame of a struct save_request. The machine writes the state, all memory of
 * guests (from boot_info.free_end to ram_bytes) and the disk to the file that `--save-at` names, and ends. The OUT
 * returns only if the machine has nowhere to save to.
 *
 * Back: that memory and disk are in their places at power on, and the state is the boot module SAVED_MODULE, the last one.
 */
#ifndef RINGSIDE_ABI_SAVE_H
#define RINGSIDE_ABI_SAVE_H

#define PORT_SAVE 0xf6
#define SAVED_MODULE "saved"

#ifndef __ASSEMBLER__
#include <stdint.h>

struct save_request {
    uint64_t address, bytes; /* physical: of what the monitor wants back */
};
#endif

#endif
