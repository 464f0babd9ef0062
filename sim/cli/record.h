/* SPDX-License-Identifier: MIT
 *
 * sim/cli/record.h: the result of one run, kept after its machine is gone, and its three forms: JSON, CSV, table.
 *
 * JSON is the schema "ringside.run/1". Only host{} may differ between two runs of one command. A counter that the model
 * cannot see is absent in JSON, empty in CSV, "-" in the table. record_pack.c must know every pointer of struct record.
 */
#ifndef RINGSIDE_SIM_CLI_RECORD_H
#define RINGSIDE_SIM_CLI_RECORD_H

#include <jansson.h>
#include <stdio.h>

#include "sim/cli/cpu_variant.h"
#include "sim/cli/parameters.h"
#include "sim/machine.h"

#define RECORD_NAME_MAX 64

struct record {
    const struct arch *arch;
    char workload[RECORD_NAME_MAX]; /* or the program's name */
    char parameters[CHOICE_TEXT_MAX]; /* of the workload: "key=value key=value" */
    char cpu[CPU_NAME_MAX];
    char cpu_version[CPU_VERSION_MAX];
    unsigned cpus;
    enum machine_model model;
    char settings[SETTINGS_TEXT_MAX]; /* "key=value key=value" */
    uint64_t ops;                     /* at least 1: without a measured region, the whole run is one */

    enum machine_end end;
    int exit_status;
    bool not_applicable; /* nothing was measured: it has no counters */
    uint64_t counter[COUNTER_COUNT];
    uint64_t cause[CAUSE_COUNT];
    struct domain_result *domains;
    size_t domain_count;
    struct exit_reason *exits; /* VM exits by reason, the most frequent first */
    size_t exit_count;
    char (*warnings)[160];
    size_t warning_count;
    struct revocation_result revocations;
    struct fault_result faults[FAULTS_MAX]; /* --inject */
    size_t fault_count;

    double seconds, boot_seconds; /* of the host: all, and until the program's first instruction */
    uint64_t instructions;        /* of the whole run, boot included */
    bool cached;                  /* it is an earlier run's result, and so are seconds */
};

/* Copies what `result` says; false without memory. record->ops is what counts without a measured region, if not 0. */
bool record_take(struct record *record, const struct machine_result *result);
void record_free(struct record *record);
bool record_has(const struct record *record, enum counter counter);
double record_per_op(const struct record *record, enum counter counter);

/* One result of them. */
json_t *record_json(const struct record *record);
/* {"schema":…,"results":[…]}, a new reference; NULL without memory. */
json_t *records_json(const struct record *records, size_t count);
void records_csv(const struct record *records, size_t count, FILE *out);
/* One row a record, in at most `width` columns of text: figures that do not fit are left out, the least important
 * first. */
void records_table(const struct record *records, size_t count, unsigned width, FILE *out);

/* What became of the faults that were injected: an array, a new reference; one of them, a line; all, a line each. */
json_t *record_faults_json(const struct record *record);
void record_fault(const struct record *record, size_t index, FILE *out);
void records_faults(const struct record *records, size_t count, FILE *out);

#endif
