/* SPDX-License-Identifier: MIT
 *
 * sim/trace/trace_text.c: see trace_text.h.
 */
#include "sim/trace/trace_text.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "abi/exo.h"
#include "abi/ipc.h"

/* ---- texts by number ---- */

/* FNV-1a. */
static uint32_t hash_of(const char *text)
{
    uint32_t hash = 2166136261u;

    while (*text)
        hash = (hash ^ (unsigned char)*text++) * 16777619u;
    return hash;
}

static void put_in_hash(struct texts *t, uint32_t number)
{
    size_t mask = 2 * t->room - 1, i = hash_of(t->list[number]) & mask;

    while (t->hash[i])
        i = (i + 1) & mask;
    t->hash[i] = number;
}

static bool grow(struct texts *t)
{
    size_t room = t->room ? 2 * t->room : 256;
    char **list = realloc(t->list, room * sizeof *list);
    uint32_t *hash = calloc(2 * room, sizeof *hash);

    if (list)
        t->list = list;
    if (!list || !hash) {
        free(hash);
        return false;
    }
    free(t->hash);
    t->hash = hash;
    t->room = room;
    for (uint32_t i = 1; i < t->count; i++)
        put_in_hash(t, i);
    return true;
}

static uint32_t append(struct texts *t, const char *text)
{
    char *copy = t->count < t->room || grow(t) ? strdup(text) : NULL;

    if (!copy) {
        t->failed = true;
        return 0;
    }
    t->list[t->count] = copy;
    if (t->count)
        put_in_hash(t, (uint32_t)t->count);
    return (uint32_t)t->count++;
}

bool texts_open(struct texts *texts)
{
    *texts = (struct texts){0};
    append(texts, "");
    return !texts->failed;
}

void texts_close(struct texts *texts)
{
    for (size_t i = 0; i < texts->count; i++)
        free(texts->list[i]);
    free(texts->list);
    free(texts->hash);
}

uint32_t texts_number(struct texts *texts, const char *text)
{
    size_t mask = 2 * texts->room - 1;

    if (!*text)
        return 0;
    for (size_t i = hash_of(text) & mask; texts->hash[i]; i = (i + 1) & mask)
        if (strcmp(texts->list[texts->hash[i]], text) == 0)
            return texts->hash[i];
    return append(texts, text);
}

/* ---- names of calls ---- */

#define IS(name)                                                                                                       \
    case name:                                                                                                         \
        return #name;

static const char *linux_name(uint64_t number)
{
    switch (number) {
#define CALL(nr, name, service)                                                                                        \
    case nr:                                                                                                           \
        return #name;
#include "abi/calls.def"
#undef CALL
    default:
        return NULL;
    }
}

static const char *ipc_name(uint64_t number)
{
    switch (number) {
        IS(IPC_CALL) IS(IPC_WAIT) IS(IPC_REPLY_WAIT) IS(IPC_REPLY) IS(IPC_ENDPOINT) IS(IPC_CLOSE) IS(IPC_NOTIFY)
        IS(IPC_REQUEST) IS(IPC_COPY) IS(IPC_GROW) IS(IPC_SHRINK) IS(IPC_DMA) IS(IPC_ALARM) IS(IPC_YIELD) IS(IPC_LOG)
        IS(IPC_EXIT) IS(IPC_KEEP) IS(IPC_DMA_OF) IS(IPC_FRAMES_TAKE) IS(IPC_FRAMES_GIVE) IS(IPC_SPACE_CREATE)
        IS(IPC_SPACE_DESTROY) IS(IPC_SPACE_ASSIGN) IS(IPC_MAP) IS(IPC_UNMAP) IS(IPC_PROTECT) IS(IPC_TASK_CREATE)
        IS(IPC_TASK_START) IS(IPC_TASK_EXIT) IS(IPC_TASK_READ) IS(IPC_TASK_WRITE) IS(IPC_TASK_INTERRUPT)
        IS(IPC_TASK_NAME) IS(IPC_TASK_TIME) IS(IPC_ROUTE) IS(IPC_HANDLERS) IS(IPC_POWER_OFF) IS(IPC_SERVER_STATE)
        IS(IPC_SERVER_STOP) IS(IPC_SERVER_RESTART) IS(IPC_SERVER_BEAT)
    default:
        return NULL;
    }
}

static const char *exo_name(uint64_t number)
{
    switch (number) {
        IS(EXO_UPCALLS) IS(EXO_LOG) IS(EXO_POWER_OFF) IS(EXO_NAME) IS(EXO_PAGES_TAKE) IS(EXO_PAGES_GIVE)
        IS(EXO_SHARED_MAP) IS(EXO_SPACE_CREATE) IS(EXO_SPACE_DESTROY) IS(EXO_MAP) IS(EXO_UNMAP) IS(EXO_PROTECT)
        IS(EXO_BATCH) IS(EXO_REPOSSESSED) IS(EXO_ENV_CREATE) IS(EXO_ENV_START) IS(EXO_ENV_EXIT) IS(EXO_ENV_SPACE)
        IS(EXO_ENV_BASES) IS(EXO_ENV_UPCALL) IS(EXO_ENV_ALIVE) IS(EXO_ENV_TIME) IS(EXO_SLEEP) IS(EXO_WAKE)
        IS(EXO_YIELD) IS(EXO_ALARM) IS(EXO_EXTENT_BIND) IS(EXO_EXTENT_SIZE) IS(EXO_DISK_READ) IS(EXO_DISK_WRITE)
        IS(EXO_DISK_FLUSH) IS(EXO_DISK_DONE) IS(EXO_DEVICE) IS(EXO_HANDLER) IS(EXO_LIMIT)
    default:
        return NULL;
    }
}

const char *trace_call_name(uint64_t number, char room[CALL_NAME_MAX])
{
    const char *name = linux_name(number);

    if (!name)
        name = ipc_name(number);
    if (!name)
        name = exo_name(number);
    if (name)
        return name;
    snprintf(room, CALL_NAME_MAX, "call %" PRIu64, number);
    return room;
}
