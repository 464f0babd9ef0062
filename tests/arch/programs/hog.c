/* SPDX-License-Identifier: MIT
 *
 * hog MIB MS: a child that takes MIB of memory, writes to all of it and checks it again and again for so many ms; its
 * parent says how it ended.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define WORDS (4096 / sizeof(uint64_t)) /* of a page */

static long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static int hog(size_t pages, long until)
{
    uint64_t *memory = mmap(NULL, pages * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (memory == MAP_FAILED)
        return 2;
    for (size_t i = 0; i < pages; i++)
        memory[i * WORDS] = i;
    for (; now_ms() < until; usleep(50000))
        for (size_t i = 0; i < pages; i++)
            if (memory[i * WORDS] != i)
                return 1;
    return 0;
}

int main(int argc, char **argv)
{
    size_t pages = argc > 1 ? (size_t)atoi(argv[1]) * 256 : 0;
    long until = now_ms() + (argc > 2 ? atoi(argv[2]) : 0);
    pid_t child = fork();
    int status = 0;

    if (child == 0)
        _exit(hog(pages, until));
    waitpid(child, &status, 0);
    while (now_ms() < until)
        usleep(50000);
    if (WIFSIGNALED(status))
        printf("hog: ended by signal %d\n", WTERMSIG(status));
    else
        printf("hog: ended with status %d\n", WEXITSTATUS(status));
    return 0;
}
