/* SPDX-License-Identifier: MIT
 *
 * tests/linux/programs/memory.c: mmap, munmap, mprotect, mremap, brk, madvise, the stack, and what a wrong access
 * does.
 */
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "show.h"

#define PAGE 4096ul
#define ANON (MAP_PRIVATE | MAP_ANONYMOUS)
#define RW (PROT_READ | PROT_WRITE)

static volatile char *area; /* what the children below touch */

static int load(void)
{
    return area[0];
}

static int store(void)
{
    area[0] = 5;
    return area[0];
}

static int execute(void)
{
    return ((int (*)(void))(uintptr_t)area)();
}

static char *pages(unsigned long count, int prot)
{
    char *memory = mmap(NULL, count * PAGE, prot, ANON, -1, 0);

    if (memory == MAP_FAILED)
        printf("mmap of %lu pages: errno %d\n", count, errno);
    return memory;
}

static void anonymous(void)
{
    char *memory = pages(8, RW);
    unsigned long sum = 0;

    part("anonymous");
    for (unsigned long i = 0; i < 8 * PAGE; i++)
        sum += (unsigned char)memory[i];
    SHOW(sum);
    memset(memory, 1, 8 * PAGE);
    SHOW(munmap(memory + 2 * PAGE, PAGE));
    area = memory + 2 * PAGE;
    in_child("load from the hole", load);
    area = memory + 3 * PAGE;
    in_child("load beyond the hole", load);
    SHOW(munmap(memory, 8 * PAGE));
    SHOW(munmap(memory, 8 * PAGE));
    SHOW(munmap(memory + 1, PAGE));
    SHOW(munmap(memory, 0));
    SHOW(mmap(NULL, 0, RW, ANON, -1, 0) == MAP_FAILED);
    SHOW(mmap(NULL, PAGE, RW, MAP_ANONYMOUS, -1, 0) == MAP_FAILED);
    SHOW(mmap((void *)(PAGE + 1), PAGE, RW, ANON | MAP_FIXED, -1, 0) == MAP_FAILED);
    SHOW(mmap(NULL, PAGE, RW, MAP_PRIVATE, 99, 0) == MAP_FAILED);
    SHOW(mmap(NULL, 1ul << 60, RW, ANON, -1, 0) == MAP_FAILED);
    area = NULL;
    in_child("load from null", load);
    area = (volatile char *)0x123456789000;
    in_child("store to nowhere", store);
}

static void fixed(void)
{
    char *memory = pages(6, RW), *again;

    part("fixed");
    memset(memory, 7, 6 * PAGE);
    again = mmap(memory + 2 * PAGE, 2 * PAGE, RW, ANON | MAP_FIXED, -1, 0);
    SHOW(again == memory + 2 * PAGE);
    SHOW(memory[2 * PAGE - 1] + memory[2 * PAGE] + memory[4 * PAGE - 1] + memory[4 * PAGE]);
    SHOW(mmap(memory, PAGE, RW, ANON | MAP_FIXED_NOREPLACE, -1, 0) == MAP_FAILED ? errno : 0);
    munmap(memory, 6 * PAGE);
}

static void protection(void)
{
    char *memory = pages(4, RW);

    part("protection");
    memset(memory, 3, 4 * PAGE);
    SHOW(mprotect(memory + PAGE, PAGE, PROT_READ));
    area = memory + PAGE;
    in_child("load from read-only", load);
    in_child("store to read-only", store);
    in_child("execute read-only", execute);
    SHOW(mprotect(memory + PAGE, PAGE, PROT_NONE));
    in_child("load from none", load);
    SHOW(mprotect(memory + PAGE, PAGE, RW));
    in_child("store to writable again", store);
    SHOW(memory[PAGE]);
    memory[0] = (char)0xb8; /* mov $42, %eax; ret */
    memory[1] = 42;
    memory[2] = memory[3] = memory[4] = 0;
    memory[5] = (char)0xc3;
    SHOW(mprotect(memory, PAGE, PROT_READ | PROT_EXEC));
    area = memory;
    in_child("execute executable", execute);
    SHOW(mprotect(memory + 1, PAGE, RW));
    munmap(memory + 2 * PAGE, PAGE);
    SHOW(mprotect(memory + PAGE, 2 * PAGE, PROT_READ));
    SHOW(mprotect(memory, 0, PROT_READ));
}

static void system_call_buffers(void)
{
    char *memory = pages(2, RW);
    int ends[2];

    part("buffers of system calls");
    SHOW(pipe(ends));
    munmap(memory + PAGE, PAGE);
    SHOW(write(ends[1], memory + PAGE, 10));
    SHOW(write(ends[1], "0123456789", 10));
    SHOW(read(ends[0], (void *)8, 10));
    SHOW(mprotect(memory, PAGE, PROT_READ));
    SHOW(read(ends[0], memory, 10));
    SHOW(pipe((int *)16));
    SHOW(open((char *)memory + PAGE, O_RDONLY));
    close(ends[0]);
    close(ends[1]);
}

static void of_files(void)
{
    int fd = open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0644);
    char text[8] = "", *memory;

    part("file mappings");
    memset(text, 't', sizeof(text));
    for (int i = 0; i < 650; i++)
        if (write(fd, text, sizeof(text)) != sizeof(text))
            printf("write failed\n");
    memory = mmap(NULL, 3 * PAGE, RW, MAP_PRIVATE, fd, 0);
    SHOW(memory != MAP_FAILED);
    SHOW(memory[0] + memory[5199] + memory[5200] + memory[2 * PAGE - 1]);
    area = memory + 2 * PAGE;
    in_child("load beyond the end of the file", load);
    memory[1] = 'X';
    SHOW(pread(fd, text, 4, 0));
    SHOW(text[1]);
    SHOW(pwrite(fd, "new", 3, 4096));
    SHOW(munmap(memory, 3 * PAGE));
    memory = mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, PAGE);
    close(fd);
    SHOW(memory[0]);
    area = memory;
    in_child("store to a read-only file mapping", store);
    fd = open("mapped", O_WRONLY);
    SHOW(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 0) == MAP_FAILED ? errno : 0);
    SHOW(mmap(NULL, PAGE, PROT_READ, MAP_PRIVATE, fd, 100) == MAP_FAILED ? errno : 0);
    close(fd);
}

static void remap(void)
{
    char *memory = pages(4, RW), *moved;

    part("mremap");
    memset(memory, 9, 4 * PAGE);
    munmap(memory + 3 * PAGE, PAGE);
    SHOW(mremap(memory, 3 * PAGE, PAGE, 0) == memory);
    moved = mremap(memory, PAGE, 64 * PAGE, MREMAP_MAYMOVE);
    SHOW(moved != MAP_FAILED);
    SHOW(moved[0] + moved[PAGE - 1] + moved[PAGE] + moved[64 * PAGE - 1]);
    SHOW(mremap(moved + 1, PAGE, PAGE, 0) == MAP_FAILED ? errno : 0);
    SHOW(mremap(moved, PAGE, 0, 0) == MAP_FAILED ? errno : 0);
    SHOW(munmap(moved, 64 * PAGE));
    SHOW(mremap(moved, PAGE, 2 * PAGE, MREMAP_MAYMOVE) == MAP_FAILED ? errno : 0);
}

static void heap(void)
{
    char *start = (char *)syscall(SYS_brk, 0), *top;

    part("brk");
    top = (char *)syscall(SYS_brk, start + 100000);
    SHOW(top - start);
    start[99999] = 1;
    SHOW(start[50000] + start[99999]);
    SHOW((char *)syscall(SYS_brk, start) == start);
    SHOW((char *)syscall(SYS_brk, start + 100000) == start + 100000);
    SHOW(start[99999]);
    SHOW((char *)syscall(SYS_brk, 1) == start + 100000);
}

static void advice(void)
{
    char *memory = pages(2, RW);

    part("madvise");
    memset(memory, 4, 2 * PAGE);
    SHOW(madvise(memory, PAGE, MADV_DONTNEED));
    SHOW(memory[0] + memory[PAGE]);
    SHOW(madvise(memory + 1, PAGE, MADV_DONTNEED));
}

__attribute__((noinline)) static int deepen(int level)
{
    volatile char frame[2000];

    frame[0] = (char)level;
    return level == 0 ? 0 : deepen(level - 1) + (frame[0] == (char)level);
}

static int endless(void)
{
    return deepen(1000000000);
}

int main(void)
{
    anonymous();
    fixed();
    protection();
    system_call_buffers();
    of_files();
    remap();
    heap();
    advice();
    part("stack");
    SHOW(deepen(3000));
    in_child("endless recursion", endless);
    return 0;
}
