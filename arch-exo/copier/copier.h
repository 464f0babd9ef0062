/* SPDX-License-Identifier: MIT
 *
 * arch-exo/copier/copier.h: a library for one program that moves files: with a policy of its own for the disk, for
 * memory and for what is kept.
 *
 * The program is any static Linux ELF file that stays one process; the kernel is arch-exo's, as it is. Names, sizes and
 * durability are the fs service's, on the same disk. But the data of files does not go through its cache: whole pages
 * come by DMA into frames that are then mapped where the program wants them, and leave by DMA out of the frames that
 * the program has written from. Nobody copies them. (What XCP did: Kaashoek and others,
 * "Application performance and flexibility on exokernel systems", SOSP 1997.)
 *
 * Files: boot.c makes the services and ends them, calls.c is the way in, faults.c what goes wrong, host.c what services
 * call back for; space.c and load.c are the program's memory (in place of the vm service), rows.c frames; stream.c,
 * reading.c and writing.c move data. From arch-exo/lib/: entry, start, heap, disk, consoles, log.
 *
 * There is one env. So there is no lock, and who has to wait sleeps where it stands. What may be entered only once is
 * fs: nothing that a copy from or to the program can cause (space_fault) calls it.
 */
#ifndef RINGSIDE_ARCH_EXO_COPIER_H
#define RINGSIDE_ARCH_EXO_COPIER_H

#include "arch-exo/lib/library.h"

#define NAME_BYTES 24 /* what EXO_NAME takes */

struct copier {
    const struct boot_info *boot;
    struct host host;
    struct proc_host proc_host;
    struct tty *tty; /* NULL: no consoles */
    struct fs *fs;
    struct proc *proc;
    struct service services[SERVICE_COUNT];
    uint64_t fs_base, gs_base; /* as the processor has them */
    bool context_lent;         /* FPU and segment bases may have changed in the context */
    bool done;                 /* process 1 is gone */
    int status;                /* its, as of wait4 */
};

extern struct copier copier;

/* ---- host.c ---- */

void host_init(void);
void threads_init(struct proc_host *host);
/* Asks a service; sleeps for as long as it says CALL_WAIT. */
long ask(enum service_id id, uint16_t op, const uint64_t arg[6], void *data, size_t size);
#define ASK(id, op, data, size, ...) ask((id), (op), (const uint64_t[6]){__VA_ARGS__}, (data), (size))

/* ---- calls.c ---- */

/* The last thing before the program: signals, its end, the context. `result`: of its system call. */
void program_resume(long result);

/* ---- boot.c ---- */

/* The program is gone: so is the group. */
_Noreturn void copier_end(int status);

/* ---- load.c ---- */

/* In place of vm. */
struct service space_service(void);

/* ---- space.c: the program's memory ---- */

/* A page fault: 0, -EFAULT (nothing is there), -EACCES, -ENOMEM. `access`: VM_READ, VM_WRITE or VM_EXEC_ACCESS. */
long space_fault(uint64_t address, unsigned access);
/* May the program write to all of these whole pages? */
bool space_writable(uint64_t address, uint64_t pages);
/* How many pages from `address` on are frames in a row (rows.c), at most `pages`; *frame: the first. */
uint64_t space_frames(uint64_t address, uint64_t pages, frame_t *frame);
/* Frames in a row take the place of what was at `address`, which is dropped. Writable pages of one area only. */
void space_flip(uint64_t address, frame_t frame, uint64_t pages);
/* The disk is to read these pages: the program may not change them before. */
void space_loan(uint64_t address, uint64_t pages);
/* Gives everything back. */
void space_end(void);

/* ---- rows.c: frames ---- */

#define ROW_PAGES 128u
frame_t row_take(void); /* ROW_PAGES frames in a row, in use by nobody; FRAME_NONE: there are enough of them */
/* So many frames from this one on are used once more, or once less; those of no row are free then. */
void frames_use(frame_t first, uint64_t count);
void frames_drop(frame_t first, uint64_t count);
uint64_t row_left(frame_t frame); /* how many frames its row has from this one on; 0: it is of no row */
frame_t frame_take(void);         /* a single one, contents undefined; FRAME_NONE: no memory */
/* What is free goes back to the kernel. */
void rows_shrink(void);

/* ---- stream.c, reading.c, writing.c: the policy ---- */

/* Whole pages of read(2) or write(2), as far as that goes here: *moved bytes, without a copy; the file's position is
 * behind them. False: the rest, perhaps all, is for fs, which has been told what it must know of. */
bool stream_read(const struct call *call, uint64_t *moved);
bool stream_write(const struct call *call, uint64_t *moved);
/* fs knows of everything that has been written. */
void stream_settle(void);
/* The disk has everything that has been written; fs need not know. */
void stream_finish(void);
/* The descriptor is about to be closed. -EIO: something that was written by it has not reached the disk. */
long stream_close(uint64_t fd);
/* … and is reported once, here or there. */
long stream_error(uint64_t fd);
/* No file is held any more. */
void streams_end(void);

#endif
