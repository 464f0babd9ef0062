/* SPDX-License-Identifier: MIT
 *
 * tests/linux/programs/locks.c: advisory locks of records (fcntl) between two processes, as SQLite uses them.
 */
#include <fcntl.h>
#include <signal.h>

#include "show.h"

static int fd;
static pid_t parent;

static int lock(int command, short type, long start, long length)
{
    struct flock lock = {.l_type = type, .l_whence = SEEK_SET, .l_start = start, .l_len = length};
    int result = fcntl(fd, command, &lock);

    if (result == 0 && command == F_GETLK) {
        printf("lock type %d", lock.l_type);
        if (lock.l_type != F_UNLCK)
            printf(" at %ld length %ld by parent %d", (long)lock.l_start, (long)lock.l_len, lock.l_pid == parent);
        printf("\n");
    }
    return result;
}

/* The parent holds a read lock on 0…9 and a write lock on 20…29. */
static int other_process(void)
{
    SHOW(lock(F_GETLK, F_WRLCK, 0, 0));
    SHOW(lock(F_GETLK, F_RDLCK, 0, 10));
    SHOW(lock(F_GETLK, F_RDLCK, 15, 10));
    SHOW(lock(F_SETLK, F_RDLCK, 0, 10));
    SHOW(lock(F_SETLK, F_WRLCK, 5, 1));
    SHOW(lock(F_SETLK, F_RDLCK, 25, 1));
    SHOW(lock(F_SETLK, F_WRLCK, 30, 100));
    SHOW(lock(F_SETLK, F_UNLCK, 0, 10));
    SHOW(lock(F_SETLK, F_WRLCK, 12, 5));
    return 0;
}

static int after_unlock(void)
{
    SHOW(lock(F_SETLK, F_WRLCK, 0, 0));
    return 0;
}

/* Waits with F_SETLKW until the parent unlocks; then tells so. */
static void waiting(void)
{
    int ends[2], status;
    char byte = 0;

    part("waiting");
    SHOW(lock(F_SETLK, F_WRLCK, 0, 1));
    SHOW(pipe(ends));
    fflush(stdout);
    if (fork() == 0) {
        int result = lock(F_SETLKW, F_WRLCK, 0, 1);

        _exit(write(ends[1], "l", 1) != 1 || result != 0);
    }
    close(ends[1]);
    usleep(20000);
    SHOW(fcntl(ends[0], F_SETFL, O_NONBLOCK));
    SHOW(read(ends[0], &byte, 1));
    SHOW(lock(F_SETLK, F_UNLCK, 0, 1));
    wait(&status);
    show_status("waiter", status);
    SHOW(read(ends[0], &byte, 1));
}

int main(void)
{
    parent = getpid();
    fd = open("locked", O_RDWR | O_CREAT, 0644);
    part("conflicts");
    SHOW(lock(F_SETLK, F_RDLCK, 0, 10));
    SHOW(lock(F_SETLK, F_WRLCK, 20, 10));
    SHOW(lock(F_GETLK, F_WRLCK, 0, 0));
    in_child("other process", other_process);
    part("split and release");
    SHOW(lock(F_SETLK, F_UNLCK, 22, 2));
    in_child("after a split", other_process);
    SHOW(close(dup(fd)));
    in_child("closing any descriptor releases all", after_unlock);
    SHOW(lock(F_SETLK, 77, 0, 1));
    SHOW(lock(F_SETLK, F_RDLCK, -5, 1));
    waiting();
    return 0;
}
