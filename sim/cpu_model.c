/* SPDX-License-Identifier: MIT
 *
 * sim/cpu_model.c: reads sim/cpus/NAME.ini into a struct cpu_model, refusing whatever is not exactly right.
 *
 * Layer: configuration; used by the command line and tests, below everything in sim/.
 *
 * One table lists every key: its section, where its value goes, and the range it must be in. libinih parses; as its
 * handler is not told the line (that is a build option of the library), our reader counts lines: the handler runs
 * before the next line is read. Reading stops at nothing, but only the first error is kept. After the last line the
 * table is checked for missing keys, then geometries are checked against each other; each complaint names the line of
 * the key to change.
 */
#include "sim/cpu_model.h"

#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum kind { TEXT, WORD, LONG_WORD }; /* char[], uint32_t, uint64_t */

struct field {
    const char *section, *key;
    enum kind kind;
    size_t offset;
    uint64_t min, max; /* of a number; of a text's length */
};

#define AT(member) offsetof(struct cpu_model, member)
#define TEXT_FIELD(section, member, min) {section, #member, TEXT, AT(member), min, sizeof((struct cpu_model *)0)->member - 1}
#define COST(section, member) {section, #member, WORD, AT(member), 0, 1000000}

#define CACHE(name, least)                                                                                             \
    {#name, "bytes", WORD, AT(name.bytes), least, 1u << 30}, {#name, "ways", WORD, AT(name.ways), 1, 32},              \
        {#name, "line", WORD, AT(name.line), 32, 256}, {#name, "latency", WORD, AT(name.latency), 1, 100000}

#define TLB_SIZE(name, text, size, least)                                                                              \
    {#name, "entries_" text, WORD, AT(name[size].entries), least, 65536},                                              \
    {                                                                                                                  \
        #name, "ways_" text, WORD, AT(name[size].ways), 0, 65536                                                       \
    }
#define TLB(name, least)                                                                                               \
    TLB_SIZE(name, "4k", PAGE_4K, least), TLB_SIZE(name, "2m", PAGE_2M, 0), TLB_SIZE(name, "1g", PAGE_1G, 0)

static const struct field fields[] = {
    TEXT_FIELD("cpu", title, 1),
    TEXT_FIELD("cpu", vendor, 12),
    {"cpu", "family", WORD, AT(family), 1, 270},
    {"cpu", "model", WORD, AT(model), 0, 255},
    {"cpu", "stepping", WORD, AT(stepping), 0, 15},
    {"cpu", "hz", LONG_WORD, AT(hz), 1000000, 100000000000},
    {"core", "instruction_cost_256", WORD, AT(instruction_cost_256), 1, 256 * 1000},
    COST("core", rep_startup),
    {"core", "rep_bytes_per_cycle", WORD, AT(rep_bytes_per_cycle), 1, 4096},
    COST("core", fxsave_cost),
    COST("core", lock_cost),
    TLB(itlb, 1),
    TLB(dtlb, 1),
    TLB(stlb, 0),
    COST("translation", stlb_hit_cost),
    COST("translation", walk_cost),
    {"translation", "pml4e_cache", WORD, AT(pml4e_cache), 0, 1024},
    {"translation", "pdpte_cache", WORD, AT(pdpte_cache), 0, 1024},
    {"translation", "pde_cache", WORD, AT(pde_cache), 0, 1024},
    {"translation", "pcids", WORD, AT(pcids), 0, 4096},
    CACHE(l1i, 1),
    CACHE(l1d, 1),
    CACHE(l2, 1),
    CACHE(l3, 0),
    {"memory", "memory_latency", WORD, AT(memory_latency), 1, 1000000},
    COST("transitions", syscall_cost),
    COST("transitions", sysret_cost),
    COST("transitions", swapgs_cost),
    COST("transitions", exception_cost),
    COST("transitions", interrupt_cost),
    COST("transitions", int_n_cost),
    COST("transitions", iret_cost),
    COST("transitions", cr3_write_cost),
    COST("transitions", cr3_write_noflush_cost),
    COST("transitions", invlpg_cost),
    COST("transitions", invpcid_cost),
    COST("transitions", cr_write_cost),
    COST("transitions", msr_write_cost),
    COST("transitions", msr_read_cost),
    COST("transitions", cpuid_cost),
    COST("transitions", rdtsc_cost),
    COST("transitions", lgdt_cost),
    COST("transitions", ltr_cost),
    COST("transitions", hlt_wake_cost),
    COST("devices", mmio_cost),
    COST("devices", port_cost),
    COST("devices", ipi_cost),
    COST("devices", ipi_latency),
    {"disk", "disk_latency_us", WORD, AT(disk_latency_us), 0, 10000000},
    {"disk", "disk_bytes_per_us", WORD, AT(disk_bytes_per_us), 1, 1000000},
};

#define FIELDS (sizeof fields / sizeof *fields)
#define VALUE_SHOWN 40 /* characters of a bad value or key that a message repeats */
#define NO_LINE (-1)   /* of a number that cpu_model_set gives */

struct reading {
    struct cpu_model model;
    const char *path;
    FILE *file;
    char *error; /* the caller's */
    bool failed;
    int failed_line;
    bool partial;          /* the line being read has not ended yet */
    int line;              /* of the text last given to the parser; from 1 */
    int set_at[FIELDS];    /* line that set the key; 0: not yet */
};

/* Keeps the first complaint. */
__attribute__((format(printf, 3, 4))) static void complain(struct reading *reading, int line, const char *format, ...)
{
    if (reading->failed)
        return;
    reading->failed = true;
    reading->failed_line = line;
    int used = line == NO_LINE ? snprintf(reading->error, CPU_MODEL_ERROR_MAX, "%.120s: ", reading->path)
                               : snprintf(reading->error, CPU_MODEL_ERROR_MAX, "%.120s:%d: ", reading->path, line);
    va_list args;
    va_start(args, format);
    vsnprintf(reading->error + used, CPU_MODEL_ERROR_MAX - (size_t)used, format, args);
    va_end(args);
}

/* Reading. */

static const struct field *find_field(const char *section, const char *key)
{
    for (size_t i = 0; i < FIELDS; i++)
        if (!strcmp(fields[i].section, section) && !strcmp(fields[i].key, key))
            return &fields[i];
    return NULL;
}

/* The section that has this key, for a hint; NULL if none has. */
static const char *other_section(const char *key)
{
    for (size_t i = 0; i < FIELDS; i++)
        if (!strcmp(fields[i].key, key))
            return fields[i].section;
    return NULL;
}

static void complain_unknown(struct reading *reading, const char *section, const char *key)
{
    const char *other = other_section(key);
    if (other)
        complain(reading, reading->line, "[%.*s] has no key `%s`; it belongs to [%s]", VALUE_SHOWN, section, key, other);
    else
        complain(reading, reading->line, "[%.*s] has no key `%.*s`; remove it or correct its name", VALUE_SHOWN, section,
                 VALUE_SHOWN, key);
}

/* Decimal digits only: no sign, no space, no suffix. */
static bool parse_number(const char *text, uint64_t *number)
{
    char *end;
    if (!isdigit((unsigned char)*text))
        return false;
    errno = 0;
    *number = strtoull(text, &end, 10);
    return !*end && !errno;
}

static void set_number(struct reading *reading, const struct field *field, const char *value)
{
    uint64_t number;
    void *to = (char *)&reading->model + field->offset;
    if (!parse_number(value, &number)) {
        complain(reading, reading->line, "`%s = %.*s` is not a number; write decimal digits only", field->key, VALUE_SHOWN,
                 value);
    } else if (number < field->min || number > field->max) {
        complain(reading, reading->line, "`%s = %.*s` is out of range; use %llu to %llu", field->key, VALUE_SHOWN, value,
                 (unsigned long long)field->min, (unsigned long long)field->max);
    } else if (field->kind == WORD) {
        *(uint32_t *)to = (uint32_t)number;
    } else {
        *(uint64_t *)to = number;
    }
}

static bool printable(const char *text)
{
    for (; *text; text++)
        if (*text < ' ' || *text > '~')
            return false;
    return true;
}

static void set_text(struct reading *reading, const struct field *field, const char *value)
{
    size_t length = strlen(value);
    if (length < field->min || length > field->max)
        complain(reading, reading->line, "`%s` has %zu characters; use %llu to %llu", field->key, length,
                 (unsigned long long)field->min, (unsigned long long)field->max);
    else if (!printable(value))
        complain(reading, reading->line, "`%s` is not plain ASCII; rewrite it", field->key);
    else
        memcpy((char *)&reading->model + field->offset, value, length + 1);
}

/* Called by libinih for each `key = value`. Errors are kept by complain(), so this always answers "go on". */
static int take_pair(void *user, const char *section, const char *key, const char *value)
{
    struct reading *reading = user;
    const struct field *field = find_field(section, key);
    if (!field) {
        complain_unknown(reading, section, key);
        return 1;
    }
    int *set_at = &reading->set_at[field - fields];
    if (*set_at) {
        complain(reading, reading->line, "`%s` of [%s] was already set in line %d; remove one of them", key, section, *set_at);
        return 1;
    }
    *set_at = reading->line;
    if (field->kind == TEXT)
        set_text(reading, field, value);
    else
        set_number(reading, field, value);
    return 1;
}

/* libinih's fgets: counts lines, and refuses those that its buffer would cut in two. */
static char *read_line(char *text, int size, void *stream)
{
    struct reading *reading = stream;
    if (reading->failed || !fgets(text, size, reading->file))
        return NULL;
    reading->line += !reading->partial;
    size_t length = strlen(text);
    reading->partial = !length || text[length - 1] != '\n';
    if (reading->partial && !feof(reading->file) && (int)length == size - 1)
        complain(reading, reading->line, "the line is longer than %d characters; break the comment into several lines", size - 2);
    return text;
}

static void parse(struct reading *reading)
{
    int bad_line = ini_parse_stream(read_line, reading, take_pair, reading);
    if (ferror(reading->file))
        complain(reading, reading->line, "cannot be read to its end; is it a regular file?");
    if (bad_line > 0 && bad_line < reading->failed_line)
        reading->failed = false; /* libinih tells at the end, but this line comes first */
    if (bad_line > 0)
        complain(reading, bad_line, "neither `[section]` nor `key = value` nor `; comment`; correct the line");
    else if (bad_line < 0)
        complain(reading, reading->line, "not enough memory to read it");
}

/* Checking. */

static void check_missing(struct reading *reading)
{
    for (size_t i = 0; i < FIELDS; i++)
        if (!reading->set_at[i])
            complain(reading, reading->line, "the key `%s` of [%s] is missing; add it", fields[i].key, fields[i].section);
}

static int line_of(const struct reading *reading, const char *section, const char *key)
{
    return reading->set_at[find_field(section, key) - fields];
}

static bool power_of_two(uint64_t number)
{
    return number && !(number & (number - 1));
}

static void check_cache(struct reading *reading, const char *section, const struct cache_geometry *cache)
{
    if (!power_of_two(cache->line))
        complain(reading, line_of(reading, section, "line"), "`line` of [%s] is not a power of two; use 32, 64, 128 or 256",
                 section);
    if (cache->line != reading->model.l1d.line)
        complain(reading, line_of(reading, section, "line"), "`line` of [%s] differs from that of [l1d]; use the same in all caches",
                 section);
    uint64_t way_bytes = (uint64_t)cache->ways * cache->line;
    if (cache->bytes % way_bytes || (cache->bytes && !power_of_two(cache->bytes / way_bytes)))
        complain(reading, line_of(reading, section, "bytes"),
                 "[%s] has no whole number of sets that is a power of two; change bytes, ways or line so that bytes / (ways * line) is one",
                 section);
}

static void check_latencies(struct reading *reading)
{
    const struct cpu_model *model = &reading->model;
    uint32_t first = model->l1i.latency > model->l1d.latency ? model->l1i.latency : model->l1d.latency;
    uint32_t last = model->l3.bytes ? model->l3.latency : model->l2.latency;
    if (model->l2.latency < first)
        complain(reading, line_of(reading, "l2", "latency"), "[l2] is faster than a first-level cache; raise its latency");
    if (model->l3.bytes && model->l3.latency < model->l2.latency)
        complain(reading, line_of(reading, "l3", "latency"), "[l3] is faster than [l2]; raise its latency");
    if (model->memory_latency < last)
        complain(reading, line_of(reading, "memory", "memory_latency"), "memory is faster than the last cache; raise memory_latency");
}

static void check_tlb(struct reading *reading, const char *section, const struct tlb_geometry geometry[PAGE_SIZES])
{
    static const char *const ways_key[PAGE_SIZES] = {"ways_4k", "ways_2m", "ways_1g"};
    for (int size = 0; size < PAGE_SIZES; size++) {
        uint32_t entries = geometry[size].entries, ways = geometry[size].ways;
        int line = line_of(reading, section, ways_key[size]);
        if (!entries && ways)
            complain(reading, line, "`%s` of [%s] is given for a TLB of no entries; write 0", ways_key[size], section);
        else if (entries && (!ways || entries % ways || !power_of_two(entries / ways)))
            complain(reading, line,
                     "`%s` of [%s] does not divide %u entries into a power of two of sets; use %u for fully associative",
                     ways_key[size], section, entries, entries);
    }
}

static void check(struct reading *reading)
{
    const struct cpu_model *model = &reading->model;
    check_missing(reading);
    if (reading->failed)
        return;
    check_cache(reading, "l1d", &model->l1d);
    check_cache(reading, "l1i", &model->l1i);
    check_cache(reading, "l2", &model->l2);
    check_cache(reading, "l3", &model->l3);
    check_latencies(reading);
    check_tlb(reading, "itlb", model->itlb);
    check_tlb(reading, "dtlb", model->dtlb);
    check_tlb(reading, "stlb", model->stlb);
    if (model->pcids && model->pcids != 4096)
        complain(reading, line_of(reading, "translation", "pcids"), "`pcids` is what CR3 can hold or nothing; use 4096 or 0");
}

/* The file's name without folders and ".ini". */
static void set_name(struct reading *reading)
{
    const char *slash = strrchr(reading->path, '/');
    const char *name = slash ? slash + 1 : reading->path;
    size_t length = strlen(name);
    if (length > 4 && !strcmp(name + length - 4, ".ini"))
        length -= 4;
    if (length >= sizeof reading->model.name)
        complain(reading, 0, "the file's name is longer than %zu characters; rename it", sizeof reading->model.name - 1);
    else
        memcpy(reading->model.name, name, length);
}

int cpu_model_read(struct cpu_model *model, const char *path, char error[CPU_MODEL_ERROR_MAX])
{
    struct reading reading = {.path = path, .error = error};
    reading.file = fopen(path, "r");
    if (!reading.file) {
        complain(&reading, 0, "cannot be opened: %s; check the name", strerror(errno));
        return -1;
    }
    set_name(&reading);
    parse(&reading);
    fclose(reading.file);
    check(&reading);
    if (reading.failed)
        return -1;
    *model = reading.model;
    return 0;
}

/* Changing. */

/* NULL, with the reason in `reading`, unless exactly one number is meant. */
static const struct field *find_number(struct reading *reading, const char *key)
{
    const struct field *found = NULL;
    const char *dot = strchr(key, '.'), *name = dot ? dot + 1 : key;
    for (size_t i = 0; i < FIELDS; i++) {
        const struct field *field = &fields[i];
        if (field->kind == TEXT || strcmp(field->key, name) ||
            (dot && (strlen(field->section) != (size_t)(dot - key) || memcmp(field->section, key, (size_t)(dot - key)))))
            continue;
        if (found) {
            complain(reading, NO_LINE, "several sections have it; say which, as in `%s.%s`", found->section, found->key);
            return NULL;
        }
        found = field;
    }
    if (!found)
        complain(reading, NO_LINE, "no such number of a CPU model; see 'ringside list cpus --json' or sim/cpus/*.ini");
    return found;
}

int cpu_model_set(struct cpu_model *model, const char *key, const char *value, char error[CPU_MODEL_ERROR_MAX])
{
    struct reading reading = {.model = *model, .path = key, .error = error, .line = NO_LINE};
    const struct field *field = find_number(&reading, key);
    for (size_t i = 0; i < FIELDS; i++)
        reading.set_at[i] = NO_LINE;
    if (field)
        set_number(&reading, field, value);
    if (!reading.failed)
        check(&reading);
    if (reading.failed)
        return -1;
    *model = reading.model;
    return 0;
}

void cpu_model_each(const struct cpu_model *model, cpu_model_number *each, void *ctx)
{
    for (size_t i = 0; i < FIELDS; i++) {
        const void *at = (const char *)model + fields[i].offset;
        if (fields[i].kind != TEXT)
            each(ctx, fields[i].section, fields[i].key,
                 fields[i].kind == WORD ? *(const uint32_t *)at : *(const uint64_t *)at);
    }
}
