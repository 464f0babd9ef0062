/* SPDX-License-Identifier: MIT
 *
 * fuzz_code COUNT SEED: runs COUNT random instruction sequences, each in a child of its own with a time limit, and says
 * how they ended. To be run in the simulator only: the sequences make random system calls.
 *
 * Every second sequence is of valid instructions (templates with random registers and operands), the others are random
 * bytes. All registers start with values that often point to mapped memory. Calls that could end the experiment itself
 * (kill and its kin, from a template) are not avoided: the children are in a session of their own.
 */
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LIMIT_US = 100, CODE_BYTES = 512 };

static uint64_t state;
static uint8_t *page; /* writable and executable */

static uint64_t random64(void)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

/* R: replaced by a random ModRM byte of two registers; B: a random byte; else the byte itself. */
#define R 0x100
#define B 0x101
static const uint16_t templates[][12] = {
    {3, 0x48, 0x01, R},                   /* add r64, r64 */
    {3, 0x48, 0x29, R},                   /* sub */
    {3, 0x48, 0x31, R},                   /* xor */
    {3, 0x48, 0x39, R},                   /* cmp */
    {3, 0x48, 0x89, R},                   /* mov */
    {4, 0x48, 0x8b, 0x43, B},             /* mov rax, [rbx+d8] */
    {4, 0x48, 0x89, 0x43, B},             /* mov [rbx+d8], rax */
    {4, 0x48, 0x8b, 0x46, B},             /* mov rax, [rsi+d8] */
    {4, 0x0f, 0xaf, R, 0x90},             /* imul; nop */
    {3, 0x48, 0xf7, 0xf1},                /* div rcx */
    {3, 0x48, 0xc1, 0xe0},                /* shl rax, (next byte) */
    {1, 0x50}, {1, 0x58}, {1, 0x53}, {1, 0x5b}, /* push and pop */
    {2, 0x75, B}, {2, 0x74, B}, {2, 0xeb, B},   /* jumps */
    {1, 0xc3}, {1, 0x9c}, {1, 0x9d}, {1, 0xcc}, /* ret, pushf, popf, int3 */
    {2, 0x0f, 0x05},                      /* syscall */
    {2, 0x0f, 0xa2}, {2, 0x0f, 0x31},     /* cpuid, rdtsc */
    {2, 0xf3, 0xa4}, {3, 0xf3, 0x48, 0xab}, /* rep movsb, rep stosq */
    {1, 0xfa}, {1, 0xf4}, {2, 0x0f, 0x0b}, {2, 0xcd, B}, /* cli, hlt, ud2, int n */
    {3, 0x0f, 0x22, 0xd8}, {2, 0x0f, 0x30}, {2, 0x0f, 0x01}, /* mov cr3, wrmsr, the 0f 01 group */
    {2, 0xe4, B}, {2, 0xe6, B},           /* in, out */
    {2, 0x8e, R}, {2, 0xd9, B}, {3, 0x0f, 0xae, B}, /* mov sreg, x87, fxsave group */
    {4, 0xf2, 0x0f, 0x58, R},             /* addsd */
    {4, 0xf0, 0x48, 0x0f, 0xc1},          /* lock xadd (next byte) */
    {1, 0xfd}, {1, 0xfc}, {2, 0xcf, 0x90}, {3, 0x48, 0xcf, 0x90}, {3, 0x48, 0x0f, 0x07}, /* std, cld, iret, iretq, sysret */
};

static uint8_t template_byte(uint16_t t)
{
    if (t == R)
        return (uint8_t)(0xc0 | (random64() & 0x3f & ~0x20u)); /* spares RSP mostly */
    return t == B ? (uint8_t)random64() : (uint8_t)t;
}

static void fill_valid(uint8_t *code)
{
    size_t at = 0;

    while (at < CODE_BYTES - 12) {
        const uint16_t *t = templates[random64() % (sizeof templates / sizeof templates[0])];

        for (unsigned i = 1; i <= t[0]; i++)
            code[at++] = template_byte(t[i]);
    }
}

static void fill_random(uint8_t *code)
{
    for (size_t at = 0; at < CODE_BYTES; at += 8) {
        uint64_t value = random64();

        memcpy(code + at, &value, 8);
    }
}

static void run_child(void)
{
    const struct itimerval limit = {.it_value = {0, LIMIT_US}};
    uint64_t here = (uint64_t)page;

    setsid();
    setitimer(ITIMER_REAL, &limit, NULL);
    __asm__ volatile("mov %0, %%rbx\n mov %0, %%rsi\n lea 1024(%0), %%rdi\n mov $16, %%ecx\n mov $39, %%eax\n jmp *%0"
                     :
                     : "r"(here)
                     : "rax", "rbx", "rcx", "rsi", "rdi", "memory");
    __builtin_unreachable();
}

int main(int argc, char **argv)
{
    unsigned count = argc > 1 ? (unsigned)atoi(argv[1]) : 100, killed = 0, ended = 0;

    state = argc > 2 ? strtoull(argv[2], NULL, 0) | 1 : 1;
    page = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return 1;
    for (unsigned i = 0; i < count; i++) {
        int status;
        pid_t pid;

        (i & 1 ? fill_random : fill_valid)(page);
        pid = fork();
        if (pid == 0)
            run_child();
        if (pid < 0)
            return 2;
        while (waitpid(pid, &status, WUNTRACED) != pid || WIFSTOPPED(status))
            kill(pid, SIGKILL);
        *(WIFSIGNALED(status) ? &killed : &ended) += 1;
        while (waitpid(-1, &status, WNOHANG) > 0) /* grandchildren that came to us */
            ;
    }
    printf("%u sequences: %s killed by a signal, %s ended otherwise\n", count, killed ? "some" : "none", ended ? "some" : "none");
    return 0;
}
