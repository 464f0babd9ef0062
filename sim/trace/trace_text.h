/* SPDX-License-Identifier: MIT
 *
 * sim/trace/trace_text.h: texts by number, each once: names of calls, exceptions and functions in a recording.
 */
#ifndef RINGSIDE_SIM_TRACE_TEXT_H
#define RINGSIDE_SIM_TRACE_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct texts {
    char **list; /* number 0 is "" */
    uint32_t *hash; /* open addressing; 0: empty */
    size_t count, room;
    bool failed; /* no memory: texts that could not be kept are number 0 */
};

bool texts_open(struct texts *texts);
void texts_close(struct texts *texts);
uint32_t texts_number(struct texts *texts, const char *text);

/* What a SYSCALL with this number asks for: a Linux call, one of the microkernel's (abi/ipc.h) or the exokernel's
 * (abi/exo.h). Others get their number as a name, in `room`. */
#define CALL_NAME_MAX 32
const char *trace_call_name(uint64_t number, char room[CALL_NAME_MAX]);

#endif
