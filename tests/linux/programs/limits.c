/* SPDX-License-Identifier: MIT
 *
 * tests/linux/programs/limits.c: what setrlimit says is kept: descriptors, sizes of files, memory, the stack.
 *
 * Each limit in a child of its own. The figures are far from what a program needs or has got already, which
 * differs.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>

#include "show.h"

#define MIB (1ul << 20)

static volatile sig_atomic_t signals;

static void count_signal(int signal)
{
    signals++;
}

static void set(int resource, rlim_t soft)
{
    struct rlimit limit;

    getrlimit(resource, &limit);
    limit.rlim_cur = soft;
    SHOW(setrlimit(resource, &limit));
}

static void *map(size_t bytes, int prot, int flags)
{
    return mmap(NULL, bytes, prot, flags | MAP_ANONYMOUS, -1, 0);
}

/* 0, or -1 and errno; not where. */
static int got(const void *address)
{
    return address == MAP_FAILED ? -1 : 0;
}

/* By how much it has grown; libc's heap may go on above. */
static long grow_heap(long bytes)
{
    long end = syscall(SYS_brk, 0);

    return syscall(SYS_brk, end + bytes) - end;
}

static int descriptors(void)
{
    struct pollfd many[9] = {{0}};
    struct rlimit limit = {8, RLIM_INFINITY};
    int fd[2], status;

    SHOW(dup2(1, 7));
    SHOW(dup2(1, 9));
    set(RLIMIT_NOFILE, 8);
    for (int i = 3; i < 7; i++)
        SHOW(open("/", O_RDONLY));
    SHOW(open("/", O_RDONLY));
    SHOW(open("data/new", O_CREAT | O_WRONLY, 0644));
    SHOW(access("data/new", F_OK));
    SHOW(dup(1));
    SHOW(pipe(fd));
    SHOW(fcntl(1, F_DUPFD, 7));
    SHOW(fcntl(1, F_DUPFD, 8));
    SHOW(dup2(1, 8));
    SHOW(dup2(1, 9));
    SHOW(dup3(1, 9, 0));
    SHOW(dup2(1, 7));
    SHOW(write(9, "", 0));
    SHOW(close(9));
    SHOW(poll(many, 9, 0));
    SHOW(poll(many, 8, 0) >= 0);
    SHOW(close(4));
    SHOW(pipe(fd));
    SHOW(dup(1));
    fflush(stdout);
    if (fork() == 0) {
        SHOW(dup(1));
        fflush(stdout);
        _exit(0);
    }
    SHOW(wait(&status) > 0);
    SHOW(setrlimit(RLIMIT_NOFILE, &limit));
    SHOW(getrlimit(RLIMIT_NOFILE, &limit));
    SHOW(limit.rlim_cur);
    return 0;
}

static int file_sizes(void)
{
    static char data[9000];
    struct iovec v[3] = {{data, 60}, {data, 60}, {data, 60}};
    int fd = open("tmp/limited", O_CREAT | O_TRUNC | O_RDWR, 0644), in = open("tmp/source", O_CREAT | O_RDWR, 0644);
    int child_status;

    signal(SIGXFSZ, count_signal);
    SHOW(ftruncate(in, 9000));
    set(RLIMIT_FSIZE, 5000);
    SHOW(write(fd, data, 4096));
    SHOW(write(fd, data, 4096));
    SHOW(signals);
    SHOW(write(fd, data, 1));
    SHOW(signals);
    SHOW(write(fd, data, 0));
    SHOW(pwrite(fd, data, 100, 4990));
    SHOW(pwrite(fd, data, 100, 5001));
    SHOW(signals);
    SHOW(pwritev(fd, v, 3, 4900));
    SHOW(pwritev(fd, v, 3, 4940));
    SHOW(signals);
    SHOW(ftruncate(fd, 5001));
    SHOW(ftruncate(fd, 5000));
    SHOW(truncate("tmp/limited", 6000));
    SHOW(signals);
    SHOW(posix_fallocate(fd, 0, 5001));
    SHOW(signals);
    SHOW(ftruncate(in, 8999)); /* shorter than it was */
    SHOW(ftruncate(fd, 10));
    SHOW(lseek(fd, 10, SEEK_SET));
    SHOW(sendfile(fd, in, NULL, 8000));
    SHOW(sendfile(fd, in, NULL, 8000));
    signals = 0; /* Linux also signals for a sendfile that has sent something */
    SHOW(fcntl(fd, F_SETFL, O_APPEND));
    SHOW(write(fd, data, 1));
    SHOW(signals);
    signal(SIGXFSZ, SIG_IGN);
    SHOW(write(fd, data, 1));
    fflush(stdout);
    if (fork() == 0) {
        signal(SIGXFSZ, SIG_DFL);
        write(fd, data, 1);
        _exit(1);
    }
    SHOW(wait(&child_status) > 0);
    show_status("default of SIGXFSZ", child_status);
    set(RLIMIT_FSIZE, RLIM_INFINITY);
    SHOW(write(fd, data, 1));
    SHOW(close(fd));
    SHOW(unlink("tmp/limited"));
    SHOW(unlink("tmp/source"));
    return 0;
}

static int address_space(void)
{
    char *small, *page;
    int status;

    set(RLIMIT_AS, 64 * MIB);
    SHOW(got(map(128 * MIB, PROT_NONE, MAP_PRIVATE)));
    SHOW(got(map(128 * MIB, PROT_READ, MAP_SHARED)));
    small = map(MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    SHOW(small != MAP_FAILED);
    SHOW(got(mremap(small, MIB, 128 * MIB, MREMAP_MAYMOVE)));
    SHOW(got(mremap(small, MIB, 2 * MIB, MREMAP_MAYMOVE)));
    page = map(40 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE);
    SHOW(page != MAP_FAILED);
    SHOW(got(map(40 * MIB, PROT_READ, MAP_PRIVATE)));
    SHOW(mmap(page, 40 * MIB, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == page);
    SHOW(grow_heap(80 * MIB));
    fflush(stdout);
    if (fork() == 0)
        _exit(map(40 * MIB, PROT_READ, MAP_PRIVATE) == MAP_FAILED);
    SHOW(wait(&status) > 0);
    show_status("child", status);
    SHOW(munmap(page, 40 * MIB));
    SHOW(got(map(40 * MIB, PROT_READ, MAP_PRIVATE)));
    return 0;
}

static int data(void)
{
    set(RLIMIT_DATA, 16 * MIB);
    SHOW(got(map(64 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE)));
    SHOW(got(map(64 * MIB, PROT_READ, MAP_PRIVATE)));
    SHOW(got(map(64 * MIB, PROT_READ | PROT_WRITE, MAP_SHARED)));
    SHOW(got(map(4 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE)));
    SHOW(grow_heap(64 * MIB));
    SHOW(grow_heap(MIB));
    SHOW(got(map(14 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE)));
    return 0;
}

/* Touches that much of the stack, downwards. */
static __attribute__((noinline)) int use_stack(unsigned long bytes)
{
    volatile char piece[4096];

    piece[0] = 1;
    return bytes > sizeof piece ? use_stack(bytes - sizeof piece) + piece[0] : piece[0];
}

static int small_stack(void)
{
    set(RLIMIT_STACK, MIB);
    SHOW(use_stack(MIB / 2) > 0);
    fflush(stdout);
    return use_stack(2 * MIB) < 0;
}

static int large_stack(void)
{
    set(RLIMIT_STACK, 32 * MIB);
    SHOW(use_stack(24 * MIB) > 0);
    return 0;
}

/* A program has the limits of the one before. */
static int kept(void)
{
    set(RLIMIT_FSIZE, 200 * 512);
    fflush(stdout);
    execl("bin/sh", "sh", "-c", "ulimit -f; head -c 200000 /dev/zero >tmp/more; echo $?; wc -c <tmp/more; rm tmp/more",
          NULL);
    return 1;
}

int main(int argc, char **argv)
{
    in_child("descriptors", descriptors);
    in_child("file sizes", file_sizes);
    in_child("address space", address_space);
    in_child("data", data);
    in_child("small stack", small_stack);
    in_child("large stack", large_stack);
    in_child("execve", kept);
    return 0;
}
