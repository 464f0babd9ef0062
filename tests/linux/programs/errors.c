/* SPDX-License-Identifier: MIT
 *
 * tests/linux/programs/errors.c: system calls with wrong arguments, by number, past the C library's own checks.
 * A table, so that a new row is one line.
 */
#include <fcntl.h>
#include <sys/syscall.h>

#include "show.h"

#define BAD ((long)8)                     /* an address where nothing is */
#define KERNEL ((long)0xffff800000000000) /* an address that is not a program's */
#define CWD ((long)AT_FDCWD)

static char buffer[4096];
static char name[] = "exists";
static char missing[] = "no-such-file";
static long pointers[4];

#define B ((long)buffer)
#define N ((long)name)
#define M ((long)missing)
#define P ((long)pointers)

struct row {
    const char *text;
    long number, arg[6];
};

#define ROW(call, ...)                                                                                                 \
    {                                                                                                                  \
#call "(" #__VA_ARGS__ ")", SYS_##call,                                                                        \
        {                                                                                                              \
            __VA_ARGS__                                                                                                \
        }                                                                                                              \
    }

static const struct row rows[] = {
    ROW(read, -1, B, 10),
    ROW(read, 99, B, 10),
    ROW(read, 3, BAD, 10),
    ROW(read, 3, KERNEL, 10),
    ROW(read, 3, B, 0),
    ROW(read, 3, BAD, 0),
    ROW(read, 4, B, 10),
    ROW(write, -1, B, 10),
    ROW(write, 5, B, 10),
    ROW(write, 3, BAD, 10),
    ROW(write, 3, KERNEL, 10),
    ROW(pread64, 3, B, 10, -1),
    ROW(pwrite64, 3, B, 10, -1),
    ROW(readv, 3, BAD, 1),
    ROW(readv, 3, P, 2000),
    ROW(writev, 99, P, 1),
    ROW(writev, 3, P, -1),
    ROW(close, -1),
    ROW(close, 1000000),
    ROW(open, 0, 0),
    ROW(open, BAD, 0),
    ROW(open, KERNEL, 0),
    ROW(open, M, O_RDONLY),
    ROW(openat, 99, N, 0),
    ROW(openat, 3, N, 0),
    ROW(openat, CWD, BAD, 0),
    ROW(stat, M, B),
    ROW(stat, N, 0),
    ROW(stat, N, BAD),
    ROW(stat, BAD, B),
    ROW(fstat, 99, B),
    ROW(fstat, 3, BAD),
    ROW(lstat, N, KERNEL),
    ROW(newfstatat, CWD, N, B, 0x8000000),
    ROW(lseek, 99, 0, 0),
    ROW(lseek, 3, -1, 0),
    ROW(lseek, 3, 0, 17),
    ROW(access, M, 0),
    ROW(access, N, 64),
    ROW(faccessat, CWD, N, 64),
    ROW(unlink, M),
    ROW(unlink, BAD),
    ROW(unlinkat, CWD, N, 12345),
    ROW(rmdir, N),
    ROW(rmdir, M),
    ROW(mkdir, N, 0755),
    ROW(mkdir, BAD, 0755),
    ROW(rename, M, N),
    ROW(rename, N, BAD),
    ROW(link, M, N),
    ROW(symlink, N, N),
    ROW(readlink, N, B, 10),
    ROW(readlink, M, B, 10),
    ROW(chdir, N),
    ROW(chdir, M),
    ROW(fchdir, 3),
    ROW(chmod, M, 0),
    ROW(truncate, M, 0),
    ROW(truncate, N, -1),
    ROW(ftruncate, 99, 0),
    ROW(ftruncate, 4, 0),
    ROW(fsync, 99),
    ROW(getdents64, 3, B, 100),
    ROW(getdents64, 99, B, 100),
    ROW(getdents64, 4, B, 1),
    ROW(getcwd, B, 0),
    ROW(getcwd, BAD, 4096),
    ROW(dup, 99),
    ROW(dup2, 3, -1),
    ROW(dup2, 99, 3),
    ROW(dup3, 3, 3, 0),
    ROW(dup3, 3, 9, 1),
    ROW(fcntl, 99, F_GETFD),
    ROW(fcntl, 3, F_DUPFD, -1),
    ROW(fcntl, 3, 4321, 0),
    ROW(ioctl, 99, 0x5401, B),
    ROW(ioctl, 3, 0x5401, B),
    ROW(pipe, BAD),
    ROW(pipe2, P, 3),
    ROW(poll, BAD, 1, 0),
    ROW(poll, P, -1, 0),
    ROW(select, -1, 0, 0, 0, 0),
    ROW(mmap, 0, 0, 3, 0x22, -1, 0),
    ROW(mmap, 0, 4096, 3, 2, 99, 0),
    ROW(mmap, 0, 4096, 3, 0x20, -1, 0),
    ROW(mmap, 0, 4096, 3, 2, 3, 1),
    ROW(mmap, 1, 4096, 3, 0x32, -1, 0),
    ROW(munmap, 1, 4096),
    ROW(munmap, 0, 0),
    ROW(mprotect, 1, 4096, 1),
    ROW(mprotect, 0, 4096, 1),
    ROW(mremap, 1, 4096, 8192, 1),
    ROW(madvise, 1, 4096, 4),
    ROW(rt_sigaction, 9, P, 0, 8),
    ROW(rt_sigaction, 0, 0, 0, 8),
    ROW(rt_sigaction, 10, 0, 0, 4),
    ROW(rt_sigaction, 10, BAD, 0, 8),
    ROW(rt_sigprocmask, 7, P, 0, 8),
    ROW(rt_sigprocmask, 0, BAD, 0, 8),
    ROW(rt_sigprocmask, 0, 0, 0, 3),
    ROW(rt_sigpending, BAD, 8),
    ROW(rt_sigsuspend, BAD, 8),
    ROW(sigaltstack, BAD, 0),
    ROW(kill, 1999999999, 0),
    ROW(kill, 1999999999, 77),
    ROW(tgkill, -1, 1, 0),
    ROW(tkill, 0, 0),
    ROW(nanosleep, BAD, 0),
    ROW(nanosleep, 0, 0),
    ROW(clock_gettime, 99, B),
    ROW(clock_gettime, 1, BAD),
    ROW(clock_getres, 99, 0),
    ROW(clock_nanosleep, 99, 0, P, 0),
    ROW(gettimeofday, BAD, 0),
    ROW(setitimer, 9, P, 0),
    ROW(wait4, -1, 0, 0, 0),
    ROW(wait4, 1999999999, 0, 0, 0),
    ROW(wait4, -1, 0, 0x100, 0),
    ROW(execve, M, 0, 0),
    ROW(execve, BAD, 0, 0),
    ROW(execve, N, 0, 0),
    ROW(arch_prctl, 0x7777, 0),
    ROW(arch_prctl, 0x1003, BAD),
    ROW(prctl, 99999, 0),
    ROW(uname, BAD),
    ROW(sysinfo, BAD),
    ROW(getrlimit, 99, B),
    ROW(getrlimit, 3, BAD),
    ROW(prlimit64, 0, 99, 0, B),
    ROW(prlimit64, 1999999999, 3, 0, B),
    ROW(getrusage, 77, B),
    ROW(times, BAD),
    ROW(setpgid, 0, -1),
    ROW(getpgid, 1999999999),
    ROW(getsid, 1999999999),
    ROW(futex, 1, 1, 1),
    ROW(futex, BAD, 129, 1),
    ROW(futex, P, 99, 1),
    ROW(futex, P, 0, 5),
    ROW(getrandom, BAD, 10, 0),
    ROW(getrandom, B, 0, 0),
    ROW(getrandom, B, 10, 64),
    ROW(set_robust_list, B, 1),
    ROW(utimensat, CWD, M, 0, 0),
    ROW(utimensat, CWD, N, BAD, 0),
    ROW(statfs, M, B),
    ROW(statfs, N, BAD),
    ROW(fstatfs, 99, B),
    ROW(fadvise64, 99, 0, 0, 0),
    ROW(fadvise64, 3, 0, 0, 77),
    ROW(fallocate, 99, 0, 0, 1),
    ROW(renameat2, CWD, N, CWD, M, 77),
    ROW(sendfile, 99, 3, 0, 10),
    ROW(sendfile, 3, 99, 0, 10),
    ROW(flock, 99, 1),
    ROW(flock, 3, 3),
    ROW(creat, BAD, 0644),
    ROW(umask, 022),
    ROW(sched_getaffinity, 0, 1, B),
    ROW(getgroups, -1, B),
    ROW(statx, CWD, M, 0, 0xfff, B),
    ROW(statx, CWD, N, 0, 0xfff, BAD),
};

int main(void)
{
    int file = open(name, O_RDWR | O_CREAT, 0644);

    if (write(file, "some text", 9) != 9)
        return 1;
    close(file);
    /* 3: a file, 4: a directory, 5: a file that cannot be written */
    dup2(open(name, O_RDWR), 3);
    dup2(open(".", O_RDONLY | O_DIRECTORY), 4);
    dup2(open(name, O_RDONLY), 5);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        const long *a = rows[i].arg;
        long result;

        errno = 0;
        result = syscall(rows[i].number, a[0], a[1], a[2], a[3], a[4], a[5]);
        if (result == -1)
            printf("%s: errno %d\n", rows[i].text, errno);
        else
            printf("%s: %ld\n", rows[i].text, result);
    }
    return 0;
}
