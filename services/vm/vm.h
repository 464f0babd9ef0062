/* SPDX-License-Identifier: MIT
 *
 * services/vm/vm.h: address spaces: brk, mmap and friends, page faults, copy on write.
 *
 * vm owns the policy (which addresses mean what, which frame belongs where, who
 * shares a frame); the placement owns page tables and physical frames and lends
 * them through struct vm_host. In a microkernel `vm_host` is the kernel's mapping
 * interface, in an exokernel the library's page capabilities.
 */
#ifndef RINGSIDE_SERVICES_VM_H
#define RINGSIDE_SERVICES_VM_H

#include "services/host.h"

typedef uint64_t frame_t; /* physical address of a 4 KiB frame; FRAME_NONE: none */
#define FRAME_NONE 0ul

#define VM_PROT_READ 1u
#define VM_PROT_WRITE 2u
#define VM_PROT_EXEC 4u

struct vm_host {
    void *ctx;
    /* A frame with undefined contents, or FRAME_NONE. */
    frame_t (*frame_alloc)(void *ctx);
    void (*frame_free)(void *ctx, frame_t frame);
    void (*frame_zero)(void *ctx, frame_t frame);
    void (*frame_copy)(void *ctx, frame_t to, frame_t from);
    /* vm's own access to a frame's 4096 bytes (to let fs fill it); valid until the next frame_window. */
    void *(*frame_window)(void *ctx, frame_t frame);

    /* An address space: a small positive number of the placement's, or -ENOMEM. */
    long (*space_create)(void *ctx);
    void (*space_destroy)(void *ctx, long space); /* everything is unmapped already */
    /* From now on pid's user memory is this space (thread switch and copy_in/out follow it). */
    void (*space_assign)(void *ctx, int pid, long space);
    /* Maps, replacing what was there. 0 or -ENOMEM (no memory for a page table). */
    long (*map)(void *ctx, long space, uint64_t address, frame_t frame, unsigned prot);
    /* Unmap or reprotect the mapped pages of a range; the placement flushes what it must. */
    void (*unmap)(void *ctx, long space, uint64_t address, size_t pages);
    void (*protect)(void *ctx, long space, uint64_t address, size_t pages, unsigned prot);
};

struct vm;

/*
 * CALL_FAULT (arg[0] address, arg[1] VM_READ, VM_WRITE or VM_EXEC_ACCESS) answers
 *     0          resolved (or there was nothing to do): run the instruction again;
 *     CALL_WAIT  the page comes from the disk;
 *     -EFAULT    nothing is mapped there           SIGSEGV, SEGV_MAPERR
 *     -EACCES    mapped, but not for this access   SIGSEGV, SEGV_ACCERR
 *     -EIO       beyond the end of a mapped file   SIGBUS
 *     -ENOMEM    no frame left                     SIGKILL
 * For a program's own access the placement hands the result on to proc_exception with PROC_FAULT; in
 * copy_in and copy_out each failure is -EFAULT.
 *
 * Limits, said here because programs can see them: a file is mapped as it was when it was mapped (its version);
 * MAP_SHARED of a file cannot be writable (-ENODEV); fault by fault, one page each.
 */
#define VM_USER_END 0x7ffffffff000ul   /* programs live below this address */
#define VM_MMAP_TOP 0x7ffff7fff000ul   /* mmap hands out addresses downwards from here */
#define VM_STACK_LIMIT (8ul << 20)     /* bytes that a stack may grow to, where RLIMIT_STACK says nothing else */

/* `frame_limit`: physical addresses of frames are below it. NULL without memory. */
struct vm *vm_create(const struct host *host, const struct vm_host *pages, uint64_t frame_limit);
void vm_destroy(struct vm *vm); /* all spaces must be gone */
struct service vm_service(struct vm *vm);
/* Gives cached file pages that no space maps back to the placement, and the file handles that only they needed to
 * fs; returns how many pages. Before the last CALL_SYNC_ALL and before counting free frames. */
size_t vm_shrink(struct vm *vm);
/* The same, and then, until `wanted` pages have been given back, pages of files that programs have mapped and not changed:
 * they are read again when they are touched. */
size_t vm_reclaim(struct vm *vm, size_t wanted);
/* Frames, lowest first, that the placement has taken back as they were in use, and has unmapped everywhere. Pages of files are
 * read again; hurt(pid) for each process that had something else in them, which vm has not got any more. */
void vm_lost(struct vm *vm, const frame_t *frames, size_t count, void (*hurt)(int pid));

#endif
