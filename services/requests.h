/* SPDX-License-Identifier: MIT
 *
 * services/requests.h: what services ask of one another (struct request).
 *
 * This is the whole coupling between services. Each op states arguments, payload
 * and result. All may answer -errno; those marked (W) may answer CALL_WAIT. In a
 * kernel a request is a function call, between servers it is a message: so
 * arguments are words, and the payload is one buffer.
 */
#ifndef RINGSIDE_SERVICES_REQUESTS_H
#define RINGSIDE_SERVICES_REQUESTS_H

#include "services/host.h"

/* fs: descriptors, files, the disk. `handle` names an open file, not a process's descriptor. */
enum fs_request {
    FS_FORK = 1,   /* pid = child, arg0 = parent: the child gets the parent's descriptors and cwd */
    FS_EXEC,       /* pid: close close-on-exec descriptors */
    FS_EXIT,       /* pid: close all descriptors */
    FS_OPEN_EXEC,  /* pid, arg0 = path in the caller's memory, or 0 and data = path: handle of a regular file
                      with execute permission, one reference. (W) */
    FS_FILE_OF,    /* pid, arg0 = descriptor, arg1 = VM_READ, VM_WRITE or 0 (read): handle of that regular file, if it
                      is open for that, one reference; -ENODEV if it cannot be mapped */
    FS_HOLD,       /* arg0 = handle: one more reference */
    FS_RELEASE,    /* arg0 = handle: one reference less */
    FS_READ_AT,    /* arg0 = handle, arg1 = offset, data_out: bytes read, short at end of file. (W) */
    FS_STAT_OF,    /* arg0 = handle, data_out = struct fs_identity */
    FS_LIMIT,      /* pid, arg0 = RLIMIT_NOFILE or RLIMIT_FSIZE, arg1 = the soft limit; FS_FORK passes it on */
    /* For who moves a file's data between the disk and its own memory. Offsets and bytes are multiples of FS_BLOCK. */
    FS_EXTENT_OF,      /* arg0 = handle, arg1 = offset, arg2 = bytes of interest, data_out = struct fs_extent: where
                          that lies on the disk, which has what the file has: no more than is in a row there. (W) */
    FS_EXTENT_RESERVE, /* arg0 = handle, arg1 = bytes, arg2 = sector where it would best be, or 0; data_out = struct
                          fs_extent: room for new data of the file, all in a row, perhaps less than asked for. Nobody
                          gets it but by COMMIT; a crash gives it back. (W) */
    FS_EXTENT_COMMIT,  /* arg0 = handle, arg1 = offset, arg2 = sector, arg3 = bytes, arg4 = the file's least size from
                          now on (at most offset + bytes): reserved room that has been written becomes the file's
                          there. -EEXIST: there is data already; what comes before it is done. (W) */
    FS_EXTENT_CANCEL,  /* arg0 = sector, arg1 = bytes: what of it is reserved is so no more */
};

#define FS_BLOCK 4096u

struct fs_extent {
    unsigned long sector; /* of 512 bytes; 0: a hole */
    unsigned long bytes;  /* 0: the file ends before */
};

/* What vm needs to share pages of a file between processes. */
struct fs_identity {
    unsigned long inode;   /* unique while a handle is held */
    unsigned long version; /* changes with every change of the contents */
    unsigned long size;    /* bytes */
};

/* proc: processes and signals. */
enum proc_request {
    PROC_SIGNAL = 1, /* pid (or -process group), arg0 = signal, arg1 = si_code, arg2 = si_addr: send it (SIGPIPE from fs, …) */
    PROC_PENDING,    /* pid: 1 if an unblocked signal is pending, else 0 */
    PROC_MASK,       /* pid, arg0 = signal mask: in force until PROC_MASK_END, for a wait; 1 if a signal is due under
                        it, else 0 */
    PROC_MASK_END,   /* pid, arg0 = 1: the wait was interrupted. The mask from before comes back, but not before the
                        handler of what interrupted */
};

/* vm: address spaces. A space belongs to one pid, or to two between vfork and exec. */
enum vm_request {
    VM_CREATE = 1, /* pid: an empty space (the first process) */
    VM_FORK,       /* pid = child, arg0 = parent: copy-on-write copy */
    VM_SHARE,      /* pid = child, arg0 = parent: the same space (vfork) */
    VM_EXEC,       /* pid: leave the old space (destroyed if no one else uses it), get an empty one */
    VM_EXIT,       /* pid: leave the space */
    VM_MAP_FILE,   /* pid, arg0 = address, arg1 = bytes of memory, arg2 = handle (vm takes its own reference),
                      arg3 = file offset, arg4 = bytes that come from the file (the rest is zero), arg5 = PROT_* */
    VM_MAP_ANON,   /* pid, arg0 = address, arg1 = bytes, arg2 = PROT_*, arg3 = VM_ANON_* flags */
    VM_SET_BRK,    /* pid, arg0 = start of the heap */
    VM_USAGE,      /* pid: resident pages */
    VM_POKE,       /* pid, arg0 = address, arg1 = VM_POKE_* flags, data = at most what is left of the page: written
                      whatever the page's protection, to this space only, as a debugger does. -EFAULT: nothing is
                      mapped there; -EACCES: shared memory, or no access at all. (W) */
    VM_RESERVE,    /* pid, arg0 = a mapped address, arg1 = bytes, arg2 = PROT_*: the address of a sealed area of zeros
                      below that one, which the program cannot unmap or change; the same one if there is one already,
                      -EEXIST if that has another size or protection */
    VM_LIMIT,      /* pid, arg0 = RLIMIT_AS, RLIMIT_DATA or RLIMIT_STACK, arg1 = the soft limit in bytes; the child of
                      VM_FORK or VM_SHARE has it too, and VM_EXEC keeps it */
};
#define VM_ANON_STACK 1 /* grows down: faults below it, within the stack limit, extend it */
#define VM_POKE_TEXT 1 /* only text: of a file, executable, not writable; else -EACCES */

/* Access kinds of a CALL_FAULT. */
#define VM_READ 1
#define VM_WRITE 2
#define VM_EXEC_ACCESS 4

/* tty: terminals. `line` 0: standard input and output, 1: standard error. */
enum tty_request {
    TTY_READ = 1, /* arg0 = line, arg1 = address in the caller's memory, arg2 = bytes, arg3 = nonblocking: bytes read, 0 at end. (W) */
    TTY_WRITE,    /* arg0 = line, arg1 = address, arg2 = bytes, arg3 = nonblocking: bytes written; progress in call->done. (W) */
    TTY_IOCTL,    /* arg0 = line, arg1 = request, arg2 = address: as ioctl(2); -ENOTTY if not a terminal. (W) */
    TTY_POLL,     /* arg0 = line: POLLIN | POLLOUT; arms the line: its next change wakes CHANNEL_POLL */
    TTY_DRAIN,    /* all output has left for the device. (W) */
};

/* blk: the disk, in sectors of 512 bytes. */
enum blk_request {
    BLK_READ = 1, /* arg0 = sector, arg1 = bytes (a multiple of 512), arg2 = DMA address: a ticket > 0. (W: queue full) */
    BLK_WRITE,    /* same */
    BLK_FLUSH,    /* a ticket: all writes completed before it are durable when it is done. (W) */
    BLK_DONE,     /* arg0 = ticket (at most 256 may be out): 0 done (forgets the ticket), -EIO, CALL_WAIT with the channel of
                     the ticket, or -ESTALE: the ticket is not known, because the driver was started anew; what was begun
                     with it has ended, done or not, and may be asked for again. (W) */
    BLK_SIZE,     /* size of the disk in sectors */
    BLK_FORGET,   /* forgets all tickets, when nothing is in flight: from an asker that was started anew. (W) */
};

/* Whether arguments name memory of the program whose call the request serves: if not, who is asked needs no access to it. */
static inline int request_uses_caller(const struct request *rq)
{
    if (rq->service == SERVICE_TTY)
        return rq->op == TTY_READ || rq->op == TTY_WRITE || rq->op == TTY_IOCTL;
    return rq->service == SERVICE_FS && rq->op == FS_OPEN_EXEC && rq->arg[0];
}

/* pipe has no requests: fs links it as a library of pipe objects (services/pipe/pipe.h). */

#endif
