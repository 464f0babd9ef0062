/* SPDX-License-Identifier: MIT
 *
 * tests/linux/programs/directories.c: large and deep directories, reading while they change, the working directory.
 */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "show.h"

#define MANY 700

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Count, and a fingerprint of the sorted names: the order is the file system's own affair. */
static void show_directory(const char *path)
{
    static char *names[MANY + 8];
    static char all[MANY * 24];
    struct dirent *entry;
    size_t count = 0, bytes = 0;
    int dots = 0, files = 0;
    DIR *dir = opendir(path);

    if (dir == NULL) {
        printf("%s: errno %d\n", path, errno);
        return;
    }
    while ((entry = readdir(dir)) != NULL && count < MANY + 8) {
        dots += entry->d_name[0] == '.';
        files += entry->d_type == DT_REG;
        names[count++] = strdup(entry->d_name);
    }
    closedir(dir);
    qsort(names, count, sizeof(names[0]), by_name);
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(names[i]);

        memcpy(all + bytes, names[i], n);
        bytes += n;
        free(names[i]);
    }
    printf("%s: %zu entries, %d with a dot, %d files, %016lx\n", path, count, dots, files, fingerprint(all, bytes));
}

static void large(void)
{
    char path[64];
    int made = 0, removed = 0;

    part("large");
    SHOW(mkdir("large", 0755));
    for (int i = 0; i < MANY; i++) {
        int fd;

        snprintf(path, sizeof(path), "large/file-%d-%d", i * 7919 % 1000, i);
        fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0644);
        made += fd >= 0 && write(fd, path, strlen(path)) == (ssize_t)strlen(path) && close(fd) == 0;
    }
    SHOW(made);
    show_directory("large");
    for (int i = 0; i < MANY; i += 3) {
        snprintf(path, sizeof(path), "large/file-%d-%d", i * 7919 % 1000, i);
        removed += unlink(path) == 0;
    }
    SHOW(removed);
    show_directory("large");
    SHOW(rmdir("large"));
}

/* Every name is seen exactly once although each is removed as it is seen. */
static void remove_while_reading(void)
{
    struct dirent *entry;
    int removed = 0, failed = 0, dir = open("large", O_RDONLY | O_DIRECTORY);
    DIR *stream = fdopendir(dir);

    part("remove while reading");
    while ((entry = readdir(stream)) != NULL)
        if (entry->d_name[0] != '.') {
            if (unlinkat(dir, entry->d_name, 0) == 0)
                removed++;
            else
                failed++;
        }
    SHOW(removed);
    SHOW(failed);
    rewinddir(stream);
    entry = readdir(stream);
    SHOW(entry != NULL && entry->d_name[0] == '.');
    closedir(stream);
    show_directory("large");
    SHOW(rmdir("large"));
}

static void deep(void)
{
    char path[64], cwd[4096];
    int down = 0, up = 0, start = open(".", O_RDONLY | O_DIRECTORY);
    size_t base = strlen(getcwd(cwd, sizeof(cwd)));

    part("deep");
    base = base == 1 ? 0 : base;
    for (int i = 0; i < 40; i++) {
        snprintf(path, sizeof(path), "level-%d", i);
        down += mkdir(path, 0755) == 0 && chdir(path) == 0;
    }
    SHOW(down);
    SHOW(getcwd(cwd, sizeof(cwd)) != NULL);
    printf("cwd ends in %s\n", cwd + base);
    SHOW(syscall(SYS_getcwd, cwd, 10ul));
    close(open("bottom", O_WRONLY | O_CREAT, 0644));
    SHOW(access("../level-39/bottom", F_OK));
    for (int i = 39; i >= 1; i--)
        up += chdir("..") == 0;
    SHOW(up);
    SHOW(access("level-1/level-2/level-3/level-4", F_OK));
    SHOW(fchdir(start));
    SHOW(chdir("level-0/level-1"));
    SHOW(chdir("missing"));
    SHOW(chdir("level-2/level-3/../level-3"));
    SHOW(fchdir(start));
    SHOW(chdir("bin/busybox"));
    SHOW(fchdir(99));
    close(start);
}

static void removed_cwd(void)
{
    char cwd[100];

    part("removed working directory");
    SHOW(mkdir("r", 0755));
    SHOW(chdir("r"));
    SHOW(rmdir("../r"));
    SHOW(syscall(SYS_getcwd, cwd, sizeof(cwd)));
    SHOW(open("x", O_WRONLY | O_CREAT, 0644));
    SHOW(access(".", F_OK));
    SHOW(chdir(".."));
    SHOW(access("bin/busybox", X_OK));
}

int main(void)
{
    large();
    remove_while_reading();
    deep();
    removed_cwd();
    return 0;
}
