/* SPDX-License-Identifier: MIT
 *
 * tests/linux/programs/names.c: the name space: links, renames, directories, *at calls, open files that lose
 * their names.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "show.h"

static void make(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0644);

    SHOW(write(fd, text, strlen(text)));
    close(fd);
}

static long links_of(const char *path)
{
    struct stat st;

    return lstat(path, &st) == 0 ? (long)st.st_nlink : -1;
}

static void show_text(const char *path)
{
    char text[64] = "";
    int fd = open(path, O_RDONLY);

    printf("%s holds %zd bytes: ", path, read(fd, text, sizeof(text) - 1));
    printf("%s\n", text);
    close(fd);
}

static void links(void)
{
    char target[8];

    part("links");
    make("a", "first");
    SHOW(link("a", "b"));
    SHOW(links_of("a"));
    SHOW(link("a", "b"));
    SHOW(link("missing", "c"));
    SHOW(link(".", "c"));
    SHOW(unlink("a"));
    SHOW(links_of("b"));
    show_text("b");
    SHOW(symlink("b", "s"));
    SHOW(readlink("s", target, sizeof(target)));
    SHOW(readlink("b", target, sizeof(target)));
    SHOW(symlink("a-longer-target", "t"));
    SHOW(readlink("t", target, 4));
    SHOW(readlink("t", target, 0));
    SHOW(symlink("", "empty"));
    SHOW(unlink("."));
    SHOW(unlink("missing"));
}

static void open_without_name(void)
{
    char text[8] = "";
    struct stat st;
    int fd = open("gone", O_RDWR | O_CREAT, 0644);

    part("open files without a name");
    SHOW(write(fd, "still", 5));
    SHOW(unlink("gone"));
    SHOW(access("gone", F_OK));
    SHOW(fstat(fd, &st) == 0 ? (long)st.st_nlink : -1);
    SHOW(pread(fd, text, 5, 0));
    SHOW(write(fd, "!", 1));
    SHOW(lseek(fd, 0, SEEK_END));
    make("gone", "other");
    SHOW(pread(fd, text, 5, 0));
    SHOW(text[0]);
    SHOW(rename("b", "gone"));
    show_text("gone");
    close(fd);
}

static void renames(void)
{
    int fd;

    part("renames");
    SHOW(mkdir("d", 0755));
    SHOW(mkdir("d/e", 0755));
    SHOW(rename("d", "d/e/f"));
    SHOW(rename("d", "d"));
    SHOW(rename("d/e", "moved"));
    SHOW(mkdir("full", 0755));
    make("full/x", "x");
    SHOW(rename("moved", "full"));
    SHOW(rename("full", "moved"));
    show_text("moved/x");
    SHOW(rename("moved/x", "moved"));
    SHOW(rename("gone", "moved"));
    SHOW(rename("moved", "gone"));
    SHOW(rename("missing", "y"));
    make("from", "new");
    make("to", "old");
    fd = open("to", O_RDONLY);
    SHOW(rename("from", "to"));
    show_text("to");
    SHOW(lseek(fd, 0, SEEK_END));
    close(fd);
    SHOW(syscall(SYS_renameat2, AT_FDCWD, "to", AT_FDCWD, "gone", 1u));
    SHOW(syscall(SYS_renameat2, AT_FDCWD, "to", AT_FDCWD, "fresh", 1u));
}

static void long_names(void)
{
    char name[300], path[5000];

    part("long names");
    memset(name, 'n', sizeof(name));
    name[255] = '\0';
    SHOW(close(open(name, O_WRONLY | O_CREAT, 0644)));
    SHOW(unlink(name));
    name[255] = 'n';
    name[256] = '\0';
    SHOW(open(name, O_WRONLY | O_CREAT, 0644));
    memset(path, '/', sizeof(path));
    path[0] = '.';
    strcpy(path + 4000, "d");
    SHOW(access(path, F_OK));
    strcpy(path + 4095, "d");
    SHOW(access(path, F_OK));
}

static void at_calls(void)
{
    struct stat st;
    int dir = open("d", O_RDONLY | O_DIRECTORY), fd;

    part("*at calls");
    SHOW(mkdirat(dir, "sub", 0700));
    fd = openat(dir, "sub/file", O_RDWR | O_CREAT, 0640);
    SHOW(write(fd, "12", 2));
    close(fd);
    SHOW(fstatat(dir, "sub/file", &st, 0) == 0 ? (long)st.st_size : -1);
    SHOW(symlinkat("sub/file", dir, "l"));
    SHOW(fstatat(dir, "l", &st, AT_SYMLINK_NOFOLLOW) == 0 ? (long)st.st_size : -1);
    SHOW(fstatat(dir, "l", &st, 0) == 0 ? (long)st.st_size : -1);
    SHOW(fstatat(dir, "", &st, 0));
    SHOW(fstatat(dir, "", &st, AT_EMPTY_PATH) == 0 && S_ISDIR(st.st_mode));
    SHOW(fstatat(99, "l", &st, 0));
    SHOW(fstatat(99, "/", &st, 0));
    SHOW(faccessat(dir, "l", R_OK, 0));
    SHOW(linkat(dir, "sub/file", AT_FDCWD, "hard", 0));
    SHOW(renameat(dir, "sub/file", AT_FDCWD, "taken"));
    SHOW(unlinkat(dir, "sub", 0));
    SHOW(unlinkat(dir, "l", AT_REMOVEDIR));
    SHOW(unlinkat(dir, "sub", AT_REMOVEDIR));
    SHOW(unlinkat(dir, "l", 0));
    close(dir);
}

static void removal(void)
{
    part("removal");
    SHOW(rmdir("moved"));
    SHOW(rmdir("gone"));
    SHOW(rmdir("d/."));
    SHOW(rmdir("d/.."));
    SHOW(rmdir("/"));
    SHOW(mkdir("d", 0755));
    SHOW(mkdir("missing/d", 0755));
    SHOW(mkdir("slash/", 0755));
    SHOW(rmdir("slash/"));
    SHOW(rmdir("d"));
    SHOW(unlink("moved/x/"));
    SHOW(access("moved/x/..", F_OK));
    SHOW(access("moved/./../moved//x", F_OK));
    SHOW(unlink("moved/x"));
    SHOW(rmdir("moved"));
}

int main(void)
{
    links();
    open_without_name();
    renames();
    long_names();
    at_calls();
    removal();
    return 0;
}
