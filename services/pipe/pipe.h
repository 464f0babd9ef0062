/* SPDX-License-Identifier: MIT
 *
 * services/pipe/pipe.h: pipes as objects. fs holds their ends in its open-file table.
 *
 * A 64 KiB ring. Writes of up to PIPE_BUF bytes are atomic; longer ones keep their
 * progress in call->done. Readers and writers wait on channels of SERVICE_PIPE.
 */
#ifndef RINGSIDE_SERVICES_PIPE_H
#define RINGSIDE_SERVICES_PIPE_H

#include "services/host.h"

struct pipe;

struct pipe *pipe_create(const struct host *host); /* one reader, one writer end; NULL without memory */
void pipe_hold(struct pipe *p, int writer);        /* one more open file of that end */
void pipe_release(struct pipe *p, int writer);     /* one less; frees the pipe with the last, wakes the other side */
long pipe_read(struct pipe *p, struct call *call, uint64_t to, size_t bytes, int nonblock);
/* -EPIPE without readers, or what went in while there were some (fs sends SIGPIPE for both). */
long pipe_write(struct pipe *p, struct call *call, uint64_t from, size_t bytes, int nonblock);
/* From the service's own memory: as much as there is room for, which it waits for only if call->done is 0 yet. */
long pipe_put(struct pipe *p, struct call *call, const void *data, size_t bytes, int nonblock);
int pipe_broken(const struct pipe *p); /* no readers */
unsigned pipe_poll(struct pipe *p,
                   int writer);          /* POLLIN POLLOUT POLLHUP POLLERR; arms: the next change wakes CHANNEL_POLL */
size_t pipe_bytes(const struct pipe *p); /* FIONREAD */

#endif
