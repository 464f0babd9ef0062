/* SPDX-License-Identifier: MIT
 *
 * tests/arch/programs/moved.c: whether a program can tell that its pages were moved instead of copied.
 *
 *     moved check SEED   random reads, writes and other calls on a few files, by whole pages and by odd bytes. What is
 *                        in the files and in every buffer is compared with a model now and then; prints a fingerprint
 *     moved data         copies a file; its measured region is the reads and writes alone, one operation for 64 KiB
 *     moved time         copies a file with fsync; prints how many microseconds that took
 *     moved durable      copies a file behind itself several times; says how many bytes are durable after each fsync
 *     moved memory       what a library can get wrong with a program's memory: grows, shrinks, cuts, protects
 */
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "workloads/region.h"

#define PAGE 4096ul
#define BUFFERS 3
#define BUFFER (24 * PAGE)
#define FILES 3
#define FILE_MAX (96 * PAGE)
#define STEPS 2000
#define COMPARE_EVERY 20
#define COPY_BYTES (2ul << 20)
#define DURABLE_ROUNDS 4
#define DURABLE_EVERY (4 * 16 * PAGE)
#define PRIVATE (MAP_PRIVATE | MAP_ANONYMOUS)

static char buffer[BUFFERS][BUFFER] __attribute__((aligned(4096)));
static char expected[BUFFERS][BUFFER];

static uint64_t seed;

static uint64_t draw(uint64_t below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return seed % below;
}

static void fail(const char *what, unsigned long step)
{
    fprintf(stderr, "moved: step %lu: %s\n", step, what);
    exit(1);
}

/* ---- check ---- */

/* A file, two descriptors of it, and what is in it. */
struct file {
    char name[16];
    int fd[2];
    off_t at[2];
    size_t size;
    char data[FILE_MAX];
};

static struct file files[FILES];
static unsigned long step;

/* Mostly whole pages. */
static size_t some(size_t most)
{
    size_t n = draw(4) ? draw(most / PAGE + 1) * PAGE : draw(most + 1);

    return n <= most ? n : most;
}

static void scribble(unsigned b)
{
    size_t from = draw(BUFFER), n = draw(BUFFER - from);
    char with = (char)draw(256);

    memset(buffer[b] + from, with, n);
    memset(expected[b] + from, with, n);
}

static void step_read(struct file *f, unsigned d, unsigned b)
{
    size_t offset = draw(8) ? draw(4) * PAGE : draw(BUFFER), n = some(BUFFER - offset), left, want;
    ssize_t got = read(f->fd[d], buffer[b] + offset, n);

    left = f->at[d] < (off_t)f->size ? f->size - (size_t)f->at[d] : 0;
    want = n < left ? n : left;
    if (got != (ssize_t)want)
        fail("read: bytes", step);
    memcpy(expected[b] + offset, f->data + f->at[d], want);
    f->at[d] += got;
}

static void step_write(struct file *f, unsigned d, unsigned b)
{
    size_t offset = draw(8) ? draw(4) * PAGE : draw(BUFFER), n = some(BUFFER - offset);

    if ((size_t)f->at[d] + n > FILE_MAX)
        return;
    if (write(f->fd[d], buffer[b] + offset, n) != (ssize_t)n)
        fail("write: bytes", step);
    if (n && (size_t)f->at[d] > f->size)
        memset(f->data + f->size, 0, (size_t)f->at[d] - f->size);
    memcpy(f->data + f->at[d], expected[b] + offset, n);
    f->at[d] += (off_t)n;
    if (n && (size_t)f->at[d] > f->size)
        f->size = (size_t)f->at[d];
    if (draw(2))
        scribble(b);
}

static void step_seek(struct file *f, unsigned d)
{
    static const char how[] = "sce";
    off_t to = (off_t)some(f->size);

    if (how[draw(3)] == 'e')
        to = (off_t)f->size;
    if (lseek(f->fd[d], to, SEEK_SET) != to)
        fail("lseek", step);
    f->at[d] = to;
}

static void step_truncate(struct file *f)
{
    size_t to = some(f->size + PAGE < FILE_MAX ? f->size + PAGE : f->size);

    if (ftruncate(f->fd[0], (off_t)to) != 0)
        fail("ftruncate", step);
    if (to > f->size)
        memset(f->data + f->size, 0, to - f->size);
    f->size = to;
}

static void open_file(struct file *f, unsigned d, int flags)
{
    f->fd[d] = open(f->name, O_RDWR | O_CREAT | flags, 0644);
    f->at[d] = 0;
    if (f->fd[d] < 0)
        fail("open", step);
}

static void step_reopen(struct file *f, unsigned d)
{
    int empty = draw(3) == 0 ? O_TRUNC : 0;

    if (close(f->fd[d]) != 0)
        fail("close", step);
    open_file(f, d, empty);
    if (empty)
        f->size = 0;
}

static void step_look(struct file *f, unsigned d)
{
    struct stat st;
    char one[PAGE];
    size_t at = some(FILE_MAX - PAGE), left = at < f->size ? f->size - at : 0;
    ssize_t n = pread(f->fd[d], one, sizeof one, (off_t)at);

    if (fstat(f->fd[d], &st) != 0 || (size_t)st.st_size != f->size)
        fail("fstat: size", step);
    if (n != (ssize_t)(left < sizeof one ? left : sizeof one) || memcmp(one, f->data + at, (size_t)n) != 0)
        fail("pread", step);
}

static void step_patch(struct file *f, unsigned d, unsigned b)
{
    size_t at = some(f->size), n = some(PAGE);

    if (at + n > FILE_MAX || pwrite(f->fd[d], buffer[b], n, (off_t)at) != (ssize_t)n)
        return;
    memcpy(f->data + at, expected[b], n);
    if (n && at + n > f->size)
        f->size = at + n;
}

static void step_any(void)
{
    struct file *f = &files[draw(FILES)];
    unsigned d = (unsigned)draw(3) == 0, b = (unsigned)draw(BUFFERS), what = (unsigned)draw(24);

    if (what < 9)
        step_read(f, d, b);
    else if (what < 17)
        step_write(f, d, b);
    else if (what < 19)
        step_seek(f, d);
    else if (what == 19)
        step_truncate(f);
    else if (what == 20)
        step_reopen(f, d);
    else if (what == 21)
        step_look(f, d);
    else if (what == 22)
        step_patch(f, d, b);
    else if (draw(2) ? fsync(f->fd[d]) : posix_fadvise(f->fd[d], 0, 0, POSIX_FADV_DONTNEED))
        fail("fsync or posix_fadvise", step);
}

static void compare_buffers(void)
{
    for (unsigned b = 0; b < BUFFERS; b++)
        if (memcmp(buffer[b], expected[b], BUFFER) != 0)
            fail("a buffer", step);
}

static unsigned long compare_file(struct file *f, unsigned long hash)
{
    static char found[FILE_MAX + 1];
    int fd = open(f->name, O_RDONLY);
    ssize_t n = read(fd, found, sizeof found);

    if (n != (ssize_t)f->size || memcmp(found, f->data, f->size) != 0)
        fail(f->name, step);
    close(fd);
    return fnv(hash, found, f->size);
}

static int check(const char *from)
{
    unsigned long hash = FNV_START;

    seed = strtoul(from, NULL, 10) * 2654435761u + 1;
    for (unsigned i = 0; i < FILES; i++) {
        snprintf(files[i].name, sizeof files[i].name, "moved.%u", i);
        open_file(&files[i], 0, O_TRUNC);
        open_file(&files[i], 1, 0);
    }
    for (step = 0; step < STEPS; step++) {
        step_any();
        if (step % COMPARE_EVERY == 0)
            compare_buffers();
    }
    compare_buffers();
    for (unsigned i = 0; i < FILES; i++)
        hash = compare_file(&files[i], hash);
    printf("moved: %d steps, %016lx\n", STEPS, hash);
    return 0;
}

/* ---- a copy ---- */

static void make_source(void)
{
    int fd = open("moved.from", O_WRONLY | O_CREAT | O_TRUNC, 0644);

    require(fd >= 0, "open moved.from");
    for (size_t done = 0; done < COPY_BYTES; done += 16 * PAGE) {
        for (size_t i = 0; i < 16 * PAGE; i++)
            buffer[0][i] = (char)(done / PAGE + i);
        require(write(fd, buffer[0], 16 * PAGE) == (ssize_t)(16 * PAGE), "write moved.from");
    }
    require(fsync(fd) == 0 && posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED) == 0 && close(fd) == 0, "moved.from");
}

static unsigned long pump(int from, int to)
{
    unsigned long pieces = 0;
    ssize_t n;

    for (; (n = read(from, buffer[1], 16 * PAGE)) > 0; pieces++)
        require(write(to, buffer[1], (size_t)n) == n, "write moved.to");
    require(n == 0, "read moved.from");
    return pieces;
}

static int copy(int timed)
{
    struct timespec begin, end;
    unsigned long pieces;
    int from, to;

    make_source();
    to = open("moved.to", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    from = open("moved.from", O_RDONLY);
    require(from >= 0 && to >= 0, "open");
    clock_gettime(CLOCK_MONOTONIC, &begin);
    region_begin();
    pieces = pump(from, to);
    region_end(pieces);
    require(fsync(to) == 0 && close(from) == 0 && close(to) == 0, "moved.to");
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (timed)
        printf("%ld\n", (end.tv_sec - begin.tv_sec) * 1000000 + (end.tv_nsec - begin.tv_nsec) / 1000);
    else
        printf("moved: %lu pieces\n", pieces);
    return 0;
}

/* ---- durable ---- */

static int durable(void)
{
    unsigned long bytes = 0;
    int from, to;

    make_source();
    setvbuf(stdout, NULL, _IONBF, 0);
    to = open("moved.to", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    from = open("moved.from", O_RDONLY);
    require(from >= 0 && to >= 0, "open");
    for (unsigned round = 0; round < DURABLE_ROUNDS; round++) {
        require(lseek(from, 0, SEEK_SET) == 0, "lseek");
        for (ssize_t n; (n = read(from, buffer[1], 16 * PAGE)) > 0; bytes += (unsigned long)n) {
            require(write(to, buffer[1], (size_t)n) == n, "write moved.to");
            if (bytes % DURABLE_EVERY)
                continue;
            require(fsync(to) == 0, "fsync moved.to");
            printf("%lu\n", bytes + (unsigned long)n);
        }
    }
    return 0;
}

/* ---- memory ---- */

/* musl's brk() only fails. */
static int set_brk(char *to)
{
    return syscall(SYS_brk, to) == (long)to;
}

static int memory(void)
{
    char *area = mmap(NULL, 8 * PAGE, PROT_READ | PROT_WRITE, PRIVATE, -1, 0), deep[PAGE * 64];
    char *heap = (char *)(((uintptr_t)sbrk(0) + PAGE - 1) & -PAGE);
    int null = open("/dev/zero", O_RDONLY);

    require(area != MAP_FAILED && null >= 0, "mmap");
    memset(area, 1, 8 * PAGE);
    require(munmap(area + 2 * PAGE, PAGE) == 0, "munmap the middle");
    require(read(null, area + PAGE, 2 * PAGE) == (ssize_t)PAGE || errno == EFAULT, "read into a hole");
    require(mprotect(area + 4 * PAGE, 2 * PAGE, PROT_READ) == 0, "mprotect the middle");
    require(read(null, area + 4 * PAGE, 1) == -1 && errno == EFAULT, "read into what is read-only");
    require(mprotect(area + 2 * PAGE, 2 * PAGE, PROT_READ) == -1 && errno == ENOMEM, "mprotect a hole");
    require(area[3 * PAGE] == 1 && area[5 * PAGE] == 1 && area[7 * PAGE] == 1, "what is left");
    require(set_brk(heap + 5 * PAGE), "brk up");
    memset(heap, 2, 5 * PAGE);
    require(set_brk(heap + PAGE) && set_brk(heap + 5 * PAGE), "brk down and up");
    require(heap[0] == 2 && heap[4 * PAGE] == 0, "what is new is zero");
    memset(deep, 3, sizeof deep);
    require(mmap(NULL, 0, PROT_READ, PRIVATE, -1, 0) == MAP_FAILED && errno == EINVAL, "mmap of nothing");
    printf("moved: memory %d\n", deep[PAGE] + area[0]);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "check") == 0)
        return check(argv[2]);
    if (argc == 2 && strcmp(argv[1], "data") == 0)
        return copy(0);
    if (argc == 2 && strcmp(argv[1], "time") == 0)
        return copy(1);
    if (argc == 2 && strcmp(argv[1], "durable") == 0)
        return durable();
    if (argc == 2 && strcmp(argv[1], "memory") == 0)
        return memory();
    fprintf(stderr, "usage: moved check SEED | data | time | durable | memory\n");
    return 2;
}
