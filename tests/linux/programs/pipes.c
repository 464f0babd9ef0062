/* SPDX-License-Identifier: MIT
 *
 * tests/linux/programs/pipes.c: pipes, poll and select: ends of file, blocking, capacity, atomicity.
 */
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

#include "show.h"

static char buffer[100000];

static void ends_of_file(void)
{
    struct stat st;
    int ends[2], ready = -1;

    part("ends");
    SHOW(pipe(ends));
    SHOW(write(ends[1], "hello", 5));
    SHOW(ioctl(ends[0], FIONREAD, &ready) == 0 ? ready : -1);
    SHOW(read(ends[0], buffer, 3));
    SHOW(read(ends[0], buffer, 100));
    SHOW(lseek(ends[0], 0, SEEK_CUR));
    SHOW(fstat(ends[0], &st) == 0 && S_ISFIFO(st.st_mode));
    SHOW(write(ends[0], "x", 1));
    SHOW(read(ends[1], buffer, 1));
    SHOW(ftruncate(ends[1], 1));
    SHOW(write(ends[1], "z", 1));
    SHOW(close(ends[1]));
    SHOW(read(ends[0], buffer, 100));
    SHOW(read(ends[0], buffer, 100));
    close(ends[0]);
}

static int write_without_reader(void)
{
    int ends[2];

    pipe(ends);
    close(ends[0]);
    return (int)write(ends[1], "x", 1);
}

static void broken(void)
{
    part("no reader");
    in_child("default", write_without_reader);
    signal(SIGPIPE, SIG_IGN);
    SHOW(write_without_reader());
    signal(SIGPIPE, SIG_DFL);
}

static volatile sig_atomic_t broken_pipes;

static void count_broken(int signal)
{
    broken_pipes++;
}

/* The reader goes while a long write waits for room. */
static void reader_leaves(void)
{
    static char much[70000];
    int ends[2];

    part("reader leaves");
    signal(SIGPIPE, count_broken);
    SHOW(pipe(ends));
    if (fork() == 0) {
        close(ends[1]);
        usleep(50000);
        _exit(0);
    }
    close(ends[0]);
    SHOW(write(ends[1], much, sizeof(much)));
    SHOW(broken_pipes);
    SHOW(write(ends[1], much, 1));
    SHOW(wait(NULL) > 0);
    close(ends[1]);
    signal(SIGPIPE, SIG_DFL);
}

static void sending(void)
{
    int ends[2], fd = open("tmp/send", O_CREAT | O_RDWR | O_TRUNC, 0644);
    off_t offset = 4, negative = -1;

    part("sendfile");
    SHOW(write(fd, "0123456789", 10));
    SHOW(pipe2(ends, O_NONBLOCK));
    SHOW(fcntl(ends[0], F_GETFL));
    SHOW(fcntl(ends[1], F_GETFL));
    SHOW(sendfile(ends[1], fd, &offset, 100));
    SHOW(offset);
    SHOW(sendfile(ends[1], fd, NULL, 100));
    SHOW(lseek(fd, 2, SEEK_SET));
    SHOW(sendfile(ends[1], fd, NULL, 3));
    SHOW(read(ends[0], buffer, 100));
    SHOW(memcmp(buffer, "456789234", 9));
    SHOW(sendfile(ends[1], fd, &negative, 1));
    SHOW(sendfile(ends[1], fd, NULL, (size_t)-1));
    SHOW(sendfile(fd, ends[0], NULL, 1));
    SHOW(ftruncate(fd, 100000));
    SHOW(lseek(fd, 0, SEEK_SET));
    SHOW(sendfile(ends[1], fd, NULL, 100000));
    SHOW(sendfile(ends[1], fd, NULL, 100000));
    SHOW(read(ends[0], buffer, (size_t)-1));
    SHOW(write(ends[1], buffer, (size_t)-1));
    SHOW(unlink("tmp/send"));
    close(fd);
    close(ends[0]);
    close(ends[1]);
}

static void capacity(void)
{
    int ends[2];

    part("capacity");
    SHOW(pipe2(ends, O_NONBLOCK | O_CLOEXEC));
    SHOW(fcntl(ends[0], F_GETFD));
    SHOW(fcntl(ends[1], F_GETFL) & O_NONBLOCK);
    SHOW(read(ends[0], buffer, 1));
    SHOW(write(ends[1], buffer, sizeof(buffer)));
    SHOW(write(ends[1], buffer, 1));
    SHOW(read(ends[0], buffer, 5000));
    SHOW(read(ends[0], buffer, sizeof(buffer)));
    SHOW(read(ends[0], buffer, 1));
    SHOW(pipe2(ends, 0x123));
    SHOW(write(ends[1], buffer, 0));
}

static void show_poll(const char *what, int timeout, struct pollfd *fds, nfds_t count)
{
    printf("%s: %d", what, poll(fds, count, timeout));
    for (nfds_t i = 0; i < count; i++)
        printf(" %x", (unsigned)fds[i].revents);
    printf("\n");
}

static void polling(void)
{
    int ends[2];
    struct pollfd fds[3];
    fd_set readable;
    struct timeval soon = {0, 1000};

    part("poll");
    SHOW(pipe(ends));
    fds[0] = (struct pollfd){ends[0], POLLIN, 0};
    fds[1] = (struct pollfd){ends[1], POLLOUT, 0};
    fds[2] = (struct pollfd){-1, POLLIN, 0};
    show_poll("empty", 0, fds, 3);
    show_poll("reader only", 5, fds, 1);
    SHOW(write(ends[1], "x", 1));
    show_poll("one byte", -1, fds, 3);
    FD_ZERO(&readable);
    FD_SET(ends[0], &readable);
    SHOW(select(ends[0] + 1, &readable, NULL, NULL, &soon));
    SHOW(read(ends[0], buffer, 1));
    FD_ZERO(&readable);
    FD_SET(ends[0], &readable);
    SHOW(select(ends[0] + 1, &readable, NULL, NULL, &soon));
    SHOW(FD_ISSET(ends[0], &readable));
    fds[2].fd = 77;
    show_poll("bad descriptor", 0, fds, 3);
    close(ends[1]);
    fds[1].fd = -1;
    show_poll("writer gone", 0, fds, 2);
    close(ends[0]);
    SHOW(pipe(ends));
    close(ends[0]);
    fds[0] = (struct pollfd){ends[1], POLLOUT, 0};
    show_poll("reader gone", 0, fds, 1);
    close(ends[1]);
    fds[0] = (struct pollfd){open("bin/busybox", O_RDONLY), POLLIN | POLLOUT, 0};
    show_poll("file", 0, fds, 1);
    close(fds[0].fd);
}

/* A poll that waits until a child writes, then until it has gone. */
static void waking(void)
{
    int ends[2], status;
    struct pollfd fd;

    part("waking");
    SHOW(pipe(ends));
    fflush(stdout);
    if (fork() == 0) {
        usleep(10000);
        _exit(write(ends[1], "w", 1) != 1);
    }
    close(ends[1]);
    fd = (struct pollfd){ends[0], POLLIN, 0};
    SHOW(poll(&fd, 1, 5000));
    SHOW(fd.revents & POLLIN);
    SHOW(read(ends[0], buffer, 10));
    SHOW(poll(&fd, 1, 5000));
    SHOW(fd.revents);
    wait(&status);
    show_status("writer", status);
    close(ends[0]);
}

/* More data than a pipe holds, by odd sizes. */
static void transfer(void)
{
    int ends[2], status;
    unsigned long sum = 0, total = 0;
    ssize_t n;

    part("transfer");
    SHOW(pipe(ends));
    fflush(stdout);
    if (fork() == 0) {
        close(ends[0]);
        for (int i = 0; i < 200; i++) {
            memset(buffer, i, sizeof(buffer));
            for (size_t done = 0, size = (size_t)(i * 37 + 1); done < size; done += (size_t)n)
                if ((n = write(ends[1], buffer, size - done)) <= 0)
                    _exit(1);
        }
        for (int i = 0; i < 3; i++)
            if (write(ends[1], buffer, sizeof(buffer)) != sizeof(buffer))
                _exit(2);
        _exit(0);
    }
    close(ends[1]);
    while ((n = read(ends[0], buffer, 777)) > 0)
        for (ssize_t i = 0; i < n; i++)
            sum = sum * 31 + (unsigned char)buffer[i] + total++;
    wait(&status);
    show_status("writer", status);
    printf("%lu bytes, %016lx\n", total, sum);
    close(ends[0]);
}

/* Four writers, records of 512 bytes: none is torn. */
static void atomic(void)
{
    int ends[2], status, torn = 0, records[4] = {0};

    part("atomic");
    SHOW(pipe(ends));
    fflush(stdout);
    for (int w = 0; w < 4; w++)
        if (fork() == 0) {
            char record[512];

            memset(record, 'a' + w, sizeof(record));
            for (int i = 0; i < 300; i++)
                if (write(ends[1], record, sizeof(record)) != sizeof(record))
                    _exit(1);
            _exit(0);
        }
    close(ends[1]);
    for (size_t filled = 0;;) {
        ssize_t n = read(ends[0], buffer + filled, 512 - filled);

        if (n <= 0)
            break;
        filled += (size_t)n;
        if (filled < 512)
            continue;
        filled = 0;
        records[(buffer[0] - 'a') & 3]++;
        for (int i = 1; i < 512; i++)
            torn += buffer[i] != buffer[0];
    }
    while (wait(&status) > 0)
        torn += status != 0;
    printf("records %d %d %d %d, torn %d\n", records[0], records[1], records[2], records[3], torn);
}

int main(void)
{
    ends_of_file();
    broken();
    reader_leaves();
    sending();
    capacity();
    polling();
    waking();
    transfer();
    atomic();
    return 0;
}
