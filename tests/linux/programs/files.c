/* SPDX-License-Identifier: MIT
 *
 * tests/linux/programs/files.c: open flags, offsets, holes, vectors, shared descriptions, locks of bytes.
 */
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/uio.h>

#include "show.h"

static char buffer[16384];

static void show_bytes(const char *what, ssize_t n)
{
    printf("%s: %zd bytes, %016lx\n", what, n, n > 0 ? fingerprint(buffer, (size_t)n) : 0);
}

static void open_flags(void)
{
    part("open flags");
    SHOW(close(open("f", O_WRONLY | O_CREAT | O_EXCL, 0644)));
    SHOW(open("f", O_WRONLY | O_CREAT | O_EXCL, 0644));
    SHOW(open("missing", O_RDONLY));
    SHOW(open("f", O_RDONLY | O_DIRECTORY));
    SHOW(open("f/x", O_RDONLY));
    SHOW(open(".", O_WRONLY));
    SHOW(open("f/", O_RDONLY));
    SHOW(open("", O_RDONLY));
    SHOW(symlink("f", "link"));
    SHOW(open("link", O_RDONLY | O_NOFOLLOW));
    SHOW(symlink("self", "self"));
    SHOW(open("self", O_RDONLY));
    SHOW(symlink("new-through-link", "dangling"));
    SHOW(open("dangling", O_RDONLY));
    SHOW(close(open("dangling", O_WRONLY | O_CREAT, 0600)));
    SHOW(access("new-through-link", F_OK));
    SHOW(unlink("new-through-link"));
    SHOW(open("dangling", O_WRONLY | O_CREAT | O_EXCL, 0600));
    SHOW(fcntl(open("f", O_RDWR | O_APPEND | O_NONBLOCK), F_GETFL) & ~O_LARGEFILE);
}

static void offsets(void)
{
    int fd = open("f", O_RDWR | O_TRUNC);

    part("offsets and holes");
    SHOW(write(fd, "0123456789", 10));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(lseek(fd, -3, SEEK_END));
    show_bytes("read at end", read(fd, buffer, 100));
    SHOW(lseek(fd, -11, SEEK_CUR));
    SHOW(lseek(fd, 0, 99));
    SHOW(lseek(fd, 9000, SEEK_SET));
    show_bytes("read beyond", read(fd, buffer, 100));
    SHOW(write(fd, "tail", 4));
    show_bytes("pread whole", pread(fd, buffer, sizeof(buffer), 0));
    show_bytes("pread hole", pread(fd, buffer, 4096, 100));
    SHOW(pread(fd, buffer, 10, -1));
    SHOW(pwrite(fd, "XY", 2, 5));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(ftruncate(fd, 7));
    show_bytes("after shrink", pread(fd, buffer, sizeof(buffer), 0));
    SHOW(ftruncate(fd, 12000));
    show_bytes("after grow", pread(fd, buffer, sizeof(buffer), 0));
    SHOW(ftruncate(fd, -1));
    SHOW(truncate("f", 3));
    SHOW(lseek(fd, 0, SEEK_END));
    SHOW(pwrite(fd, "far", 3, 5000000));
    SHOW(lseek(fd, 0, SEEK_END));
    show_bytes("sparse middle", pread(fd, buffer, sizeof(buffer), 3000000));
    close(fd);
}

static void append_and_vectors(void)
{
    struct iovec out[3] = {{"ab", 2}, {"", 0}, {"cdefg", 5}};
    struct iovec in[2] = {{buffer, 3}, {buffer + 3, 100}};
    int fd = open("v", O_RDWR | O_CREAT | O_APPEND, 0644);

    part("append, readv, writev");
    SHOW(write(fd, "start", 5));
    SHOW(lseek(fd, 0, SEEK_SET));
    SHOW(writev(fd, out, 3));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(lseek(fd, 1, SEEK_SET));
    show_bytes("readv", readv(fd, in, 2));
    SHOW(readv(fd, in, 0));
    SHOW(readv(fd, in, -1));
    SHOW(preadv(fd, in, 2, 4));
    SHOW(pwritev(fd, out, 1, 0));
    SHOW(lseek(fd, 0, SEEK_END));
    close(fd);
}

static void descriptors(void)
{
    int fd = open("d", O_RDWR | O_CREAT, 0644), copy;

    part("descriptors");
    copy = dup(fd);
    SHOW(copy == fd + 1);
    SHOW(write(fd, "12345", 5));
    SHOW(lseek(copy, 0, SEEK_CUR));
    SHOW(dup2(fd, 40) == 40);
    SHOW(lseek(40, 2, SEEK_SET));
    SHOW(lseek(fd, 0, SEEK_CUR));
    SHOW(dup2(fd, fd) == fd);
    SHOW(dup3(fd, fd, 0));
    SHOW(dup2(99, 41));
    SHOW(dup2(fd, -1));
    SHOW(dup2(fd, 1 << 20));
    SHOW(dup3(fd, 42, O_CLOEXEC));
    SHOW(fcntl(42, F_GETFD));
    SHOW(fcntl(fd, F_GETFD));
    SHOW(fcntl(fd, F_SETFD, FD_CLOEXEC));
    SHOW(fcntl(fd, F_GETFD));
    SHOW(fcntl(fd, F_DUPFD, 50));
    SHOW(fcntl(fd, F_DUPFD_CLOEXEC, 50));
    SHOW(fcntl(51, F_GETFD));
    SHOW(fcntl(fd, F_SETFL, O_APPEND));
    SHOW(fcntl(copy, F_GETFL) & O_APPEND);
    SHOW(fcntl(fd, 9999, 0));
    SHOW(close(fd));
    SHOW(close(fd));
    SHOW(write(copy, "z", 1));
    SHOW(lseek(40, 0, SEEK_CUR));
}

static void modes(void)
{
    struct stat st;
    int fd;

    part("modes and times");
    umask(027);
    SHOW(close(open("m", O_WRONLY | O_CREAT, 0666)));
    SHOW(stat("m", &st) == 0 ? (long)st.st_mode : -1);
    SHOW(umask(022));
    SHOW(chmod("m", 04751));
    SHOW(stat("m", &st) == 0 ? (long)st.st_mode : -1);
    fd = open("m", O_RDONLY);
    SHOW(fchmod(fd, 0600));
    SHOW(fstat(fd, &st) == 0 ? (long)st.st_mode : -1);
    SHOW(write(fd, "x", 1));
    SHOW(utimensat(AT_FDCWD, "m", (struct timespec[2]){{100, 5}, {200, 7}}, 0));
    SHOW(stat("m", &st));
    SHOW(st.st_atim.tv_sec);
    SHOW(st.st_mtim.tv_sec);
    SHOW(st.st_mtim.tv_nsec);
    SHOW(utimensat(AT_FDCWD, "m", (struct timespec[2]){{0, UTIME_OMIT}, {300, 0}}, 0));
    SHOW(stat("m", &st) == 0 ? (long)st.st_atim.tv_sec : -1);
    SHOW(st.st_mtim.tv_sec);
    SHOW(futimens(fd, NULL));
    SHOW(fstat(fd, &st) == 0 && st.st_mtim.tv_sec > 1000);
    SHOW(lstat("link", &st));
    SHOW(S_ISLNK(st.st_mode));
    SHOW(st.st_size);
    SHOW(stat("/dev/null", &st) == 0 && S_ISCHR(st.st_mode));
    close(fd);
}

int main(void)
{
    open_flags();
    offsets();
    append_and_vectors();
    descriptors();
    modes();
    return 0;
}
