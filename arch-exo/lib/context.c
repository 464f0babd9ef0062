/* SPDX-License-Identifier: MIT
 *
 * arch-exo/lib/context.c: see context.h.
 */
#include "arch-exo/lib/context.h"

#include "guest/layout.h"
#include "guest/x86.h"

/* FXSAVE image (SDM vol. 1 §10.5.1): the fields that a program can get wrong. */
#define FX_FCW 0
#define FX_MXCSR 24
#define FX_MXCSR_MASK 28
#define FCW_DEFAULT 0x37f
#define MXCSR_DEFAULT 0x1f80u
#define MXCSR_MASK_DEFAULT 0xffbfu

void context_init(struct user_context *context)
{
    context->regs.cs = USER_CS;
    context->regs.ss = USER_SS;
    context->regs.rflags = RFLAGS_IF | RFLAGS_FIXED;
    *(uint16_t *)(context->fx + FX_FCW) = FCW_DEFAULT;
    *(uint32_t *)(context->fx + FX_MXCSR) = MXCSR_DEFAULT;
}

void context_sanitise(struct user_context *context)
{
    uint32_t *mxcsr = (uint32_t *)(context->fx + FX_MXCSR), *mask = (uint32_t *)(context->fx + FX_MXCSR_MASK);

    context->regs.rflags = (context->regs.rflags & RFLAGS_USER) | RFLAGS_IF | RFLAGS_FIXED;
    if (context->regs.rip >= USER_TOP)
        context->regs.rip = USER_TOP; /* never mapped: faults in the program, not in the jump to it */
    if (context->fs_base > USER_TOP)
        context->fs_base = 0;
    if (context->gs_base > USER_TOP)
        context->gs_base = 0;
    *mxcsr &= MXCSR_MASK_DEFAULT;
    *mask = 0;
}

void context_name(char *name, size_t size, const char *path)
{
    const char *base = path;
    size_t n = 0;

    for (const char *c = path; *c; c++)
        if (*c == '/' && c[1])
            base = c + 1;
    for (; n + 1 < size && base[n] && base[n] != '/'; n++)
        name[n] = base[n];
    name[n] = 0;
}
