/* SPDX-License-Identifier: MIT
 *
 * bystander MS: works with a file, a pipe and a child for so many ms, and says whether all went right, and nothing took
 * long.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define LONG_MS 250 /* a round alone takes ten */

static unsigned wrong;

static void expect(int good, const char *what)
{
    if (!good) {
        printf("%s: %s\n", what, strerror(errno));
        wrong++;
    }
}

static long now_ms(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void use_file(unsigned round)
{
    char in[3000], out[3000];
    int fd = open("/tmp/bystander", O_RDWR | O_CREAT | O_TRUNC, 0600);

    memset(out, (int)('a' + round % 26), sizeof out);
    expect(fd >= 0, "open");
    expect(write(fd, out, sizeof out) == sizeof out, "write");
    expect(fsync(fd) == 0, "fsync");
    expect(lseek(fd, 0, SEEK_SET) == 0, "lseek");
    expect(read(fd, in, sizeof in) == sizeof in && memcmp(in, out, sizeof in) == 0, "read");
    close(fd);
    expect(unlink("/tmp/bystander") == 0, "unlink");
}

/* All memory may be another's for a moment. */
static pid_t fork_patiently(void)
{
    pid_t child;

    while ((child = fork()) < 0 && (errno == ENOMEM || errno == EAGAIN))
        usleep(1000);
    return child;
}

static void use_pipe(unsigned round)
{
    int ends[2], status;
    unsigned got = 0;
    pid_t child;

    expect(pipe(ends) == 0, "pipe");
    child = fork_patiently();
    if (child == 0)
        _exit(write(ends[1], &round, sizeof round) != sizeof round);
    expect(child > 0, "fork");
    close(ends[1]);
    expect(read(ends[0], &got, sizeof got) == sizeof got && got == round, "read from a pipe");
    expect(waitpid(child, &status, 0) == child && status == 0, "child");
    close(ends[0]);
}

int main(int argc, char **argv)
{
    long end = now_ms() + (argc > 1 ? atoi(argv[1]) : 0), before, slow = 0;

    setvbuf(stdout, NULL, _IONBF, 0);
    for (unsigned round = 0; (before = now_ms()) < end; round++) {
        use_file(round);
        use_pipe(round);
        usleep(8000);
        slow += now_ms() - before > LONG_MS;
    }
    printf("bystander: %u wrong, %ld slow\n", wrong, slow);
    return wrong || slow;
}
