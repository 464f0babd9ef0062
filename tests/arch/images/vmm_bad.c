/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/vmm_bad.c: a kernel that is a bad neighbour in one of the ways that need no malice. The setting "bad"
 * says which.
 */
#include "guest/print.h"
#include "guest/x86.h"
#include "tests/arch/images/vmm_bad.h"
#include "tests/arch/images/vmm_kit.h"

void test_main(void)
{
    print("bad: begins\n");
    switch (kit_setting("bad", 0)) {
    case BAD_HANGS:
        disable_interrupts();
        for (;;)
            ;
    case BAD_PANICS:
        panic("bad: had enough");
    case BAD_CRASHES: /* no page has this address, and no gate is there to say so */
        __asm__ volatile("lidt %0" : : "m"((struct pointer){0, 0}));
        *(volatile int *)0x700000000000ul = 1;
        break;
    default:
        power_off(BAD_STATUS);
    }
}
