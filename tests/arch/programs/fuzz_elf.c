/* SPDX-License-Identifier: MIT
 *
 * fuzz_elf COUNT SEED: executes COUNT damaged copies of a small ELF program, each in a child of its own, and says how
 * many were refused, were killed or ran. To be run in the simulator only: what runs is random.
 *
 * Damage goes into the ELF header and the program headers, the bytes that an execve must not trust.
 */
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT_US = 200 }; /* of simulated time, for a child that runs on */

static uint64_t state;

static uint64_t random64(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* mov edi, 7; mov eax, 60; syscall */
static const uint8_t code[] = {0xbf, 7, 0, 0, 0, 0xb8, 60, 0, 0, 0, 0x0f, 0x05};

struct program {
    Elf64_Ehdr header;
    Elf64_Phdr load, data;
    uint8_t code[64];
};

static void make(struct program *p)
{
    memset(p, 0, sizeof *p);
    memcpy(p->header.e_ident, "\177ELF\2\1\1", 7);
    p->header.e_type = ET_EXEC;
    p->header.e_machine = EM_X86_64;
    p->header.e_version = 1;
    p->header.e_entry = 0x400000 + offsetof(struct program, code);
    p->header.e_phoff = offsetof(struct program, load);
    p->header.e_ehsize = sizeof p->header;
    p->header.e_phentsize = sizeof p->load;
    p->header.e_phnum = 2;
    p->load = (Elf64_Phdr){PT_LOAD, PF_R | PF_X, 0, 0x400000, 0x400000, sizeof *p, sizeof *p, 4096};
    p->data = (Elf64_Phdr){PT_LOAD, PF_R | PF_W, 0, 0x600000, 0x600000, 64, 8192, 4096};
    memcpy(p->code, code, sizeof code);
}

static uint64_t interesting(void)
{
    static const uint64_t values[] = {0, 1, 2, 4095, 4096, 0x7fffffff, 0xffffffff, 0x7ffffffff000, 0x800000000000,
                                      0x7fffffffffffffff, 0xffffffffffffffff, 0xfffffffffffff000, 0x400000, 56, 64};

    return random64() & 1 ? random64() >> (random64() & 63) : values[random64() % (sizeof values / sizeof values[0])];
}

static void damage(struct program *p)
{
    unsigned times = 1 + random64() % 4;

    while (times-- > 0) {
        size_t width = 1ul << (random64() & 3), room = offsetof(struct program, code) - width;
        size_t at = (random64() % room) / width * width;
        uint64_t value = interesting();

        memcpy((char *)p + at, &value, width);
    }
}

static void child(const char *path)
{
    const struct itimerval limit = {.it_value = {0, LIMIT_US}};
    char *const argv[] = {(char *)path, NULL};

    setitimer(ITIMER_REAL, &limit, NULL);
    execve(path, argv, NULL);
    _exit(errno == ENOEXEC || errno == ENOMEM || errno == EINVAL || errno == EFAULT || errno == EACCES ||
                  errno == ENOENT /* "#!" by chance */
              ? 100
              : 101);
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 100, refused = 0, killed = 0, ran = 0, wrong = 0;
    static const char path[] = "fuzzed";

    state = argc > 2 ? strtoull(argv[2], NULL, 0) | 1 : 1;
    for (unsigned i = 0; i < count; i++) {
        struct program p;
        size_t bytes;
        int fd, status;
        pid_t pid;

        make(&p);
        if (i > 0)
            damage(&p);
        bytes = random64() % 16 ? sizeof p : random64() % sizeof p;
        fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
        if (fd < 0 || write(fd, &p, bytes) != (ssize_t)bytes || close(fd)) {
            perror(path);
            return 1;
        }
        pid = fork();
        if (pid == 0)
            child(path);
        if (pid < 0 || waitpid(pid, &status, 0) != pid) {
            perror("fork");
            return 1;
        }
        if (WIFSIGNALED(status))
            killed++;
        else if (WEXITSTATUS(status) == 100)
            refused++;
        else if (WEXITSTATUS(status) == 101)
            wrong++;
        else
            ran++;
    }
    unlink(path);
    printf("%u programs: %s refused, %s killed, %s run, %u with a strange errno\n", count, refused ? "some" : "none",
           killed ? "some" : "none", ran ? "some" : "none", wrong);
    return wrong != 0;
}
