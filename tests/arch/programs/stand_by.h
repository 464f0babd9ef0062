/* SPDX-License-Identifier: MIT
 *
 * tests/arch/programs/stand_by.h: what a bystander does while others attack: works with a file and a pipe of its own, and
 * sees whether the system still does as it should.
 */
#ifndef RINGSIDE_TESTS_ARCH_PROGRAMS_STAND_BY_H
#define RINGSIDE_TESTS_ARCH_PROGRAMS_STAND_BY_H

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

static inline int file_is_right(unsigned round)
{
    char in[3000], out[3000];
    int fd = open("/tmp/bystander", O_RDWR | O_CREAT | O_TRUNC, 0600), good;

    memset(out, (int)('a' + round % 26), sizeof out);
    good = fd >= 0 && write(fd, out, sizeof out) == sizeof out && lseek(fd, 0, SEEK_SET) == 0 &&
           read(fd, in, sizeof in) == sizeof in && memcmp(in, out, sizeof in) == 0;
    return close(fd) == 0 && unlink("/tmp/bystander") == 0 && good;
}

static inline int pipe_is_right(unsigned round)
{
    int ends[2], good;
    unsigned got = 0;

    if (pipe(ends))
        return 0;
    good = write(ends[1], &round, sizeof round) == sizeof round && read(ends[0], &got, sizeof got) == sizeof got;
    close(ends[0]);
    close(ends[1]);
    return good && got == round;
}

#endif
