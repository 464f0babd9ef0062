/* SPDX-License-Identifier: MIT
 *
 * tests/linux/programs/shared.c: who sees whose writes: fork's copy on write, mappings that are shared, vfork,
 * descriptors after fork.
 */
#include <fcntl.h>
#include <sys/mman.h>

#include "show.h"

#define PAGE 4096ul
#define PAGES 64

static int counter = 1;
static char data[PAGES * PAGE];
static char *mapping;

static unsigned long data_sum(void)
{
    unsigned long sum = 0;

    for (size_t i = 0; i < sizeof(data); i += 512)
        sum += (unsigned char)data[i];
    return sum;
}

static int write_everything(void)
{
    counter = 99;
    memset(data, 2, sizeof(data));
    return (int)(data_sum() % 100);
}

static int write_grandchild(void)
{
    data[0] = 50;
    in_child("grandchild", write_everything);
    return data[0] + data[512];
}

static void copy_on_write(void)
{
    part("copy on write");
    memset(data, 1, sizeof(data));
    in_child("child writes", write_everything);
    SHOW(data_sum());
    SHOW(counter);
    in_child("child with a child", write_grandchild);
    SHOW(data_sum());
}

/* Parent and eight children all write while the others still share. */
static void many(void)
{
    int status, sum = 0;

    part("many");
    for (int i = 0; i < 8; i++) {
        if (fork() == 0) {
            for (size_t k = 0; k < sizeof(data); k += PAGE)
                data[k] = (char)i;
            _exit((int)(data_sum() % 251));
        }
        data[(size_t)i * PAGE] = (char)(100 + i);
    }
    while (wait(&status) > 0)
        sum += WEXITSTATUS(status);
    SHOW(sum);
    SHOW(data_sum());
}

static int write_mapping(void)
{
    mapping[0] = 7;
    mapping[PAGE] = 8;
    return 0;
}

static void shared_mappings(void)
{
    char text[4] = "";
    int fd = open("shared", O_RDWR | O_CREAT | O_TRUNC, 0644);

    part("shared mappings");
    mapping = mmap(NULL, 2 * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    SHOW(mapping != MAP_FAILED);
    in_child("child writes a shared mapping", write_mapping);
    SHOW(mapping[0] + mapping[PAGE]);
    SHOW(munmap(mapping, 2 * PAGE));
    SHOW(ftruncate(fd, 2 * PAGE));
    mapping = mmap(NULL, 2 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
    SHOW(mapping != MAP_FAILED);
    SHOW(pwrite(fd, "abc", 3, 0));
    SHOW(pread(fd, text, 3, 0));
    SHOW(memcmp(mapping, "abc", 3));
    close(fd);
}

static void virtual_fork(void)
{
    volatile int seen = 0;
    int status;
    pid_t child;

    part("vfork");
    fflush(stdout);
    child = vfork();
    if (child == 0) {
        seen = 31;
        _exit(4);
    }
    SHOW(waitpid(child, &status, 0) == child);
    show_status("vfork child", status);
    SHOW(seen);
}

static void descriptors(void)
{
    int fd = open("offsets", O_RDWR | O_CREAT | O_TRUNC, 0644), status;

    part("descriptors after fork");
    if (fork() == 0) {
        if (write(fd, "child", 5) != 5)
            _exit(1);
        close(fd);
        _exit(0);
    }
    wait(&status);
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(write(fd, "parent", 6));
    SHOW(lseek(fd, 0, SEEK_CUR));
    close(fd);
}

int main(void)
{
    copy_on_write();
    many();
    shared_mappings();
    virtual_fork();
    descriptors();
    return 0;
}
