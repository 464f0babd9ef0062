/* SPDX-License-Identifier: MIT
 *
 * guest/trap.h: what handlers of exceptions need (guest/kernel.h says who they are).
 */
#ifndef RINGSIDE_GUEST_TRAP_H
#define RINGSIDE_GUEST_TRAP_H

#include <stdbool.h>
#include <stddef.h>

#include "abi/regs.h"

#define VECTOR_PAGE_FAULT 14
/* Error code of a page fault (SDM vol. 3A §4.7). */
#define FAULT_PRESENT 1u
#define FAULT_WRITE 2u
#define FAULT_USER 4u
#define FAULT_RESERVED 8u
#define FAULT_FETCH 16u

/* Whether ring 0 faulted where it touches a program's memory (guest/usercopy.S). */
bool trap_in_user_access(const struct user_regs *regs);
/* Gives that access up: it returns to its caller, which learns that it failed. */
void trap_abandon_user_access(struct user_regs *regs);
/* An exception that should not be. */
_Noreturn void trap_panic(const struct user_regs *regs);

/* guest/usercopy.S */
size_t copy_user(void *to, const void *from, size_t bytes);
struct piece {
    void *to;
    const void *from;
    size_t bytes;
};
size_t copy_between_spaces(void *to, const void *from, size_t bytes, const struct piece *pieces, size_t count);
size_t move_user_words(void *to, const void *from, size_t words);
long peek_user_string(char *to, const char *from, size_t size);

#endif
