/* SPDX-License-Identifier: MIT
 *
 * durable ROUNDS: writes files in its working directory and says what is durable (durable.h). Any error ends it with
 * status 1: what was begun then may be there or not.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "tests/arch/programs/durable.h"

static int directory, logs[DURABLE_LOGS], junk;
static unsigned records[DURABLE_LOGS];

static void require(int ok, const char *what)
{
    if (ok)
        return;
    dprintf(2, "durable: %s: errno %d\n", what, errno);
    exit(1);
}

static void say(char when, char step, unsigned file, unsigned number)
{
    char line[64];
    int bytes = snprintf(line, sizeof line, "%c %c %u %u\n", when, step, file, number);

    require(write(1, line, (size_t)bytes) == bytes, "write to standard output");
}

static int create(const char *name)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    require(fd >= 0, name);
    return fd;
}

static void write_record(int fd, unsigned file, unsigned number)
{
    char text[DURABLE_RECORD];

    durable_record(text, file, number);
    require(write(fd, text, sizeof text) == sizeof text, "write");
}

static void append(unsigned file, unsigned number)
{
    say('>', 'a', file, number);
    write_record(logs[file], file, number);
    require(fsync(logs[file]) == 0, "fsync");
    records[file]++;
    say('=', 'a', file, number);
}

static void cut(unsigned file)
{
    unsigned left = records[file] / 2;

    say('>', 't', file, left);
    require(ftruncate(logs[file], (off_t)left * DURABLE_RECORD) == 0, "ftruncate");
    require(lseek(logs[file], 0, SEEK_END) >= 0, "lseek");
    require(fsync(logs[file]) == 0, "fsync");
    records[file] = left;
    say('=', 't', file, left);
}

static void replace(unsigned generation)
{
    int fd;

    say('>', 'r', 0, generation);
    fd = create("next");
    for (unsigned i = 0; i < DURABLE_GENERATION; i++)
        write_record(fd, DURABLE_LOGS, generation * 100 + i);
    require(fsync(fd) == 0, "fsync");
    require(close(fd) == 0, "close");
    require(rename("next", "current") == 0, "rename");
    require(fsync(directory) == 0, "fsync of the directory");
    say('=', 'r', 0, generation);
}

static void waste(unsigned round)
{
    char text[5000];

    memset(text, '0' + (int)(round % 10), sizeof text);
    require(pwrite(junk, text, sizeof text, (off_t)(round % 8 * sizeof text)) == sizeof text, "pwrite");
}

static void begin(void)
{
    char name[16];

    directory = open(".", O_RDONLY | O_DIRECTORY);
    require(directory >= 0, "open");
    junk = create("junk");
    for (unsigned file = 0; file < DURABLE_LOGS; file++) {
        snprintf(name, sizeof name, "log.%u", file);
        logs[file] = create(name);
    }
    require(fsync(directory) == 0, "fsync of the directory");
}

int main(int argc, char **argv)
{
    unsigned rounds = argc > 1 ? (unsigned)atoi(argv[1]) : 0;

    begin();
    for (unsigned round = 0; round < rounds; round++) {
        waste(round);
        append(round % DURABLE_LOGS, round);
        if (round % 5 == 4)
            cut(round % DURABLE_LOGS);
        if (round % 7 == 6)
            replace(round / 7);
    }
    return 0;
}
