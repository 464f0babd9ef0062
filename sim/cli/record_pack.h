/* SPDX-License-Identifier: MIT
 *
 * sim/cli/record_pack.h: a record as bytes that another process of this very program reads: a worker's answer, a
 * cached result (whose key covers the program, so that the layout is the reader's own).
 */
#ifndef RINGSIDE_SIM_CLI_RECORD_PACK_H
#define RINGSIDE_SIM_CLI_RECORD_PACK_H

#include "sim/cli/record.h"

/* Memory that the caller frees; NULL without memory. */
void *record_pack(const struct record *record, size_t *bytes);
/* false: these are not the bytes of a record, or there is no memory; then there is nothing to free. */
bool record_unpack(struct record *record, const void *data, size_t bytes);

#endif
