/* SPDX-License-Identifier: MIT
 *
 * services/proc/exec.h: execve's inside: arguments on their way, and what an ELF file asks for.
 */
#ifndef RINGSIDE_SERVICES_PROC_EXEC_H
#define RINGSIDE_SERVICES_PROC_EXEC_H

#include "services/proc/process.h"

#define PATH_BYTES 4096
#define HEADER_BYTES 1024
#define BLOCK_BYTES 4080
#define SEGMENTS_MAX 16
#define READER_BYTES 256
#define SCRIPT_LINE 256          /* of "#! interpreter argument": Linux's BINPRM_BUF_SIZE */
#define STRING_MAX (128ul << 10) /* one argument: Linux's MAX_ARG_STRLEN */
#define STRINGS_MAX (2ul << 20)  /* all of them with their pointers: a quarter of the stack */
#define STACK_TOP 0x7ffffffff000ul
#define STACK_SPARE (128ul << 10) /* mapped below the arguments; more comes by faults */
#define LOAD_BIAS 0x555555554000ul /* of ET_DYN, as Linux's without randomization */
#define LOAD_END 0x7ffff7fff000ul  /* programs end below where mmap begins */
#define LOAD_START 0x10000ul
#define PAGE_BYTES 4096ul

/* Strings, one behind another, NUL-terminated, in blocks that together are one run of bytes. */
struct block {
    struct block *next;
    uint64_t used;
    char bytes[BLOCK_BYTES];
};

struct strings {
    struct block *first, *last;
    uint64_t bytes;
};

/* Reads the program's memory in pieces that stay within a page. */
struct reader {
    uint64_t base;
    uint32_t bytes;
    uint8_t data[READER_BYTES] __attribute__((aligned(8)));
};

struct segment {
    uint64_t address, bytes; /* page aligned start */
    uint64_t offset, file_bytes;
    uint32_t prot;
};

struct plan {
    uint64_t entry, brk, headers; /* headers: address of the program headers, 0: not in memory */
    uint32_t header_count, segment_count;
    bool exec_stack;
    struct segment segment[SEGMENTS_MAX];
};

/* Where argv and envp are: the program's memory, or the service's (proc_start). */
struct vectors {
    uint64_t argv, envp;
    const char *const *own_argv, *const *own_envp; /* NULL: the program's */
};

#define SCRIPTS_MAX 5 /* as Linux: the sixth is ELOOP */

struct script {
    char interpreter[SCRIPT_LINE]; /* interpreter, NUL, argument, NUL */
    const char *argument;          /* in it, or NULL */
};

struct exec {
    uint64_t argc, envc;
    struct strings strings; /* platform, random bytes, arguments, environment, path, as they lie on the stack */
    uint64_t strings_at;    /* address of the first byte */
    uint64_t words_at;      /* address of argc: the first stack pointer */
    struct plan plan;
    struct reader text, vector;
    uint64_t word[128]; /* the vectors on their way to the stack */
    uint8_t header[HEADER_BYTES] __attribute__((aligned(16)));
    char path[PATH_BYTES];   /* as given: a script stays what AT_EXECFN names */
    struct script script[SCRIPTS_MAX]; /* the program's first line, its interpreter's, … */
    unsigned scripts;
};

/* exec_args.c. 0, -errno or CALL_WAIT. */
long exec_push(struct proc *proc, struct exec *e, const char *bytes, uint64_t count);
long exec_read_string(struct proc *proc, struct call *call, struct reader *reader, uint64_t from, char *to,
                      uint64_t room);
/* argv and envp into e->strings, with what a script puts in front. */
long exec_collect(struct proc *proc, struct call *call, struct exec *e, const struct vectors *v);
void exec_strings_free(struct proc *proc, struct strings *strings);

/* exec_elf.c. `header`: the first bytes of the file; 0, or -ENOEXEC, -ENOENT (wants a dynamic loader), … Program
 * headers beyond what was read: *more is their offset, and the table goes to e->header in front of the next try. */
struct elf_info {
    uint16_t type, count;
    uint64_t entry, table; /* offset of the program headers */
};
long exec_elf_header(const uint8_t *bytes, uint64_t count, struct elf_info *info);
long exec_elf_plan(const struct elf_info *info, const uint8_t *table, struct plan *plan);

/* exec_stack.c: the first stack: arguments, environment, auxiliary vector. */
void exec_stack_place(struct exec *e);
uint64_t exec_stack_bottom(const struct exec *e);
long exec_stack_write(struct proc *proc, struct call *call, const struct process *p, struct exec *e);

#endif
