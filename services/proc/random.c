/* SPDX-License-Identifier: MIT
 *
 * services/proc/random.c: getrandom: ChaCha20 (RFC 8439) keyed by the machine's seed.
 *
 * Each process reads a stream of its own, named by the order of its birth, so that what
 * it gets does not depend on how processes take turns. Same seed, same bytes.
 */
#include <linux/random.h>

#include "services/proc/process.h"

#define BLOCK 64
#define GETRANDOM_MAX 0x7ffff000ul

static uint32_t rotate(uint32_t x, int bits)
{
    return x << bits | x >> (32 - bits);
}

static void quarter(uint32_t *a, uint32_t *b, uint32_t *c, uint32_t *d)
{
    *a += *b;
    *d = rotate(*d ^ *a, 16);
    *c += *d;
    *b = rotate(*b ^ *c, 12);
    *a += *b;
    *d = rotate(*d ^ *a, 8);
    *c += *d;
    *b = rotate(*b ^ *c, 7);
}

static void rounds(uint32_t x[16])
{
    for (int i = 0; i < 10; i++) {
        quarter(&x[0], &x[4], &x[8], &x[12]);
        quarter(&x[1], &x[5], &x[9], &x[13]);
        quarter(&x[2], &x[6], &x[10], &x[14]);
        quarter(&x[3], &x[7], &x[11], &x[15]);
        quarter(&x[0], &x[5], &x[10], &x[15]);
        quarter(&x[1], &x[6], &x[11], &x[12]);
        quarter(&x[2], &x[7], &x[8], &x[13]);
        quarter(&x[3], &x[4], &x[9], &x[14]);
    }
}

/* Key: the seed, twice; counter and nonce: the block and the process's serial number. */
static void initial(const struct proc *proc, const struct process *p, uint64_t block, uint32_t x[16])
{
    uint64_t seed = proc->config.seed;

    x[0] = 0x61707865; /* "expand 32-byte k" */
    x[1] = 0x3320646e;
    x[2] = 0x79622d32;
    x[3] = 0x6b206574;
    for (int i = 4; i < 12; i++)
        x[i] = (uint32_t)(i & 1 ? seed >> 32 : seed);
    x[12] = (uint32_t)block;
    x[13] = (uint32_t)(block >> 32);
    x[14] = (uint32_t)p->serial;
    x[15] = (uint32_t)(p->serial >> 32);
}

void proc_random_peek(struct proc *proc, struct process *p, uint64_t block, uint8_t out[64])
{
    uint32_t x[16], start[16];

    initial(proc, p, block, x);
    initial(proc, p, block, start);
    rounds(x);
    for (int i = 0; i < BLOCK; i++)
        out[i] = (uint8_t)((x[i / 4] + start[i / 4]) >> (8 * (i % 4)));
}


/* A block at a time; a block counts as used when it has been copied. */
long proc_call_getrandom(void *self, struct call *call)
{
    struct process *p = proc_caller(self, call);
    uint64_t bytes = call->arg[1] < GETRANDOM_MAX ? call->arg[1] : GETRANDOM_MAX;
    uint8_t block[BLOCK];

    if (call->arg[2] & ~(uint64_t)(GRND_NONBLOCK | GRND_RANDOM | GRND_INSECURE))
        return -EINVAL;
    while (call->done < bytes) {
        uint64_t part = bytes - call->done < BLOCK ? bytes - call->done : BLOCK;
        long r;

        proc_random_peek(self, p, p->random_block, block);
        r = proc_out(self, call, call->arg[0] + call->done, block, part);
        if (r)
            return r == CALL_WAIT || !call->done ? r : (long)call->done;
        p->random_block++;
        call->done += part;
    }
    return (long)bytes;
}
