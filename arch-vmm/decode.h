/* SPDX-License-Identifier: MIT
 *
 * arch-vmm/decode.h: the instructions of a guest that can trap, taken apart.
 *
 * Three kinds: what needs ring 0 and so faults in a guest kernel that runs in ring 3; what is answered by the monitor
 * because it would tell the truth about the machine (RDTSC); and moves from and to memory, which fault on a page that
 * the monitor watches: a device's, or a page table of the guest. Anything else is unknown, and who asks ends the guest.
 *
 * 64-bit mode only. Depends on nothing but the compiler, so it runs on the host as well.
 */
#ifndef RINGSIDE_ARCH_VMM_DECODE_H
#define RINGSIDE_ARCH_VMM_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum vmm_op {
    OP_NONE, /* unknown */
    OP_CLI,
    OP_STI,
    OP_HLT,
    OP_IN,  /* AL, AX or EAX from a port: DX's, or `immediate` */
    OP_OUT, /* … to a port */
    OP_INS, /* string forms: recognised, so that they can be refused by name */
    OP_OUTS,
    OP_INT,    /* CD: `immediate` is the vector */
    OP_IRET,   /* `wide`: IRETQ, else IRETD */
    OP_SYSRET, /* `wide`: to 64-bit mode, else to 32-bit code */
    OP_SWAPGS,
    OP_CLAC,
    OP_STAC,
    OP_CLTS,
    OP_LGDT, /* from `memory`: limit of 2 bytes, base of 8 */
    OP_LIDT,
    OP_LLDT, /* a selector from `memory` or `rm` */
    OP_LTR,
    OP_LMSW,    /* a word from `memory` or `rm` */
    OP_INVLPG,  /* `memory` is the address and is not accessed */
    OP_INVPCID, /* `reg` holds the type, `memory` the descriptor */
    OP_RDMSR,
    OP_WRMSR,
    OP_RDPMC,
    OP_RDTSC,
    OP_RDTSCP,
    OP_READ_CR, /* CR `reg` to register `rm`. Numbers of no register (CR1) decode too: #UD is the processor's answer */
    OP_WRITE_CR,
    OP_READ_DR,
    OP_WRITE_DR,
    OP_INVD,
    OP_WBINVD,
    OP_UD,           /* UD2 */
    OP_LOAD,         /* `memory` to register `reg`: MOV, MOVZX, MOVSX, MOVSXD */
    OP_STORE,        /* register `reg` or `immediate` to `memory`: MOV */
    OP_STORE_STRING, /* STOS: RAX to `memory`, which is [RDI] */
    OP_MOVE_STRING,  /* MOVS: from `memory`, which is [RSI], to [RDI] without a segment base */
};

#define NO_REGISTER 0xff

enum { SEGMENT_NONE, SEGMENT_FS, SEGMENT_GS }; /* the others have base 0 in 64-bit mode */

/* Registers are numbered as instructions do: RAX 0, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8 … R15. */
struct memory_operand {
    uint8_t segment;
    uint8_t base, index; /* or NO_REGISTER */
    uint8_t scale;       /* 1, 2, 4, 8: what the index is multiplied by */
    bool rip_relative;   /* and no base, no index */
    bool address32; /* 67: cut to 32 bits before the segment's base is added; string instructions use ECX, ESI, EDI */
    int64_t displacement;
};

struct decoded {
    uint8_t op;     /* enum vmm_op */
    uint8_t length; /* bytes of the instruction */
    uint8_t width; /* bytes accessed in memory or at the port: 1, 2, 4, 8, LGDT and LIDT 10, INVPCID 16; or a selector's
                    * in a register, 2; or none, 0. One element of a string. */
    uint8_t target; /* LOAD: bytes of the register that are written. 4 clears the upper half, 1 and 2 leave the rest */
    bool sign;      /* LOAD: sign-extended to `target` bytes; else zero-extended */
    bool high_byte; /* LOAD, STORE: `reg` is 4 … 7 and means AH, CH, DH, BH: bits 8 … 15 of register `reg` - 4 */
    bool immediate_used; /* STORE: `immediate` is stored, not a register; IN, OUT: it is the port, not DX */
    bool rep;            /* a string instruction under F3 or F2 */
    bool wide;           /* REX.W */
    bool has_memory; /* an operand is at `memory`; else it is register `rm`, if the instruction has such an operand */
    uint8_t reg;     /* ModRM.reg with REX.R: a general register, or the number of a CR or DR */
    uint8_t rm;      /* without `has_memory` */
    struct memory_operand memory;
    int64_t immediate; /* a vector or port: zero-extended; a stored value: sign-extended from its bytes in the code */
};

/*
 * The instruction at `code`, of which `bytes` can be read: fewer than 15 if the next page cannot be. False: unknown, or
 * it does not fit. `*out` is zero but for what was decoded.
 *
 * Unknown on purpose: LOCK, which makes each of these #UD (or a MOV of CR8, on AMD); FS or GS beside another segment;
 * IRET and MOVSXD of 16 bits, the latter of another width on AMD than on Intel; moves between registers, which do not
 * trap.
 */
bool decode(const uint8_t *code, size_t bytes, struct decoded *out);

/* The linear address of `memory`: `next_rip` is the address behind the instruction. Not checked to be canonical. */
uint64_t decoded_address(const struct decoded *d, const uint64_t registers[16], uint64_t next_rip, uint64_t fs_base,
                         uint64_t gs_base);

#endif
