/* SPDX-License-Identifier: MIT
 *
 * tests/linux/programs/execs.c: execve: arguments, environment, scripts, what survives and what does not, refusals,
 * posix_spawn. Executes itself again with the first argument "report".
 */
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/auxv.h>
#include <sys/stat.h>

#include "show.h"

extern char **environ;
static char *self;

/* What the new program finds. */
static int report(int argc, char **argv)
{
    struct sigaction action;
    sigset_t mask;
    unsigned long bytes = 0;

    printf("argc %d", argc);
    for (int i = 2; i < argc; i++)
        bytes += strlen(argv[i]) + 1;
    printf(", %lu bytes, last '%.20s'\n", bytes, argv[argc - 1]);
    for (char **variable = environ; *variable != NULL; variable++)
        printf("environment: %.40s\n", *variable);
    SHOW(argv[argc] == NULL);
    SHOW(fcntl(20, F_GETFD));
    SHOW(fcntl(21, F_GETFD));
    sigaction(SIGUSR1, NULL, &action);
    SHOW(action.sa_handler == SIG_DFL);
    sigaction(SIGUSR2, NULL, &action);
    SHOW(action.sa_handler == SIG_IGN);
    sigprocmask(SIG_SETMASK, NULL, &mask);
    SHOW(sigismember(&mask, SIGHUP));
    SHOW(getauxval(AT_PAGESZ));
    SHOW(getauxval(AT_RANDOM) != 0);
    SHOW(getauxval(AT_SECURE));
    SHOW(getauxval(AT_PHNUM) > 0);
    fflush(stdout);
    return 17;
}

/* Forks, executes, prints how it ended. */
static void execute(const char *what, const char *path, char *const argv[], char *const envp[])
{
    int status;
    pid_t child;

    printf("== %s\n", what);
    fflush(stdout);
    child = fork();
    if (child == 0) {
        execve(path, argv, envp);
        printf("refused: errno %d\n", errno);
        fflush(stdout);
        _exit(0);
    }
    waitpid(child, &status, 0);
    show_status(what, status);
}

static void handler(int signal)
{
}

static void survivors(void)
{
    char *const arguments[] = {self, "report", "one", "", "three words here", NULL};
    char *const environment[] = {"A=1", "EMPTY=", "B=two words", NULL};
    char *const nothing[] = {NULL};
    sigset_t mask;

    part("survivors");
    dup2(1, 20);
    dup3(1, 21, O_CLOEXEC);
    signal(SIGUSR1, handler);
    signal(SIGUSR2, SIG_IGN);
    sigemptyset(&mask);
    sigaddset(&mask, SIGHUP);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    execute("arguments and environment", self, arguments, environment);
    execute("no environment", self, arguments, nothing);
    sigprocmask(SIG_UNBLOCK, &mask, NULL);
}

static void many_arguments(void)
{
    static char text[50000];
    char *arguments[1500] = {self, "report"}, *const environment[] = {NULL};
    int count = 2;

    part("many arguments");
    for (size_t used = 0; count < 1400; count++) {
        arguments[count] = text + used;
        used += (size_t)snprintf(text + used, 40, "argument-number-%d", count) + 1;
    }
    execute("many", self, arguments, environment);
    memset(text, 'x', sizeof(text) - 1);
    arguments[2] = text;
    arguments[3] = NULL;
    execute("long", self, arguments, environment);
}

static void too_long(void)
{
    char *text = malloc(200000), *const arguments[] = {self, "report", text, NULL}, *const environment[] = {NULL};

    memset(text, 'y', 199999);
    text[199999] = '\0';
    execute("one argument of 200 kB", self, arguments, environment);
    free(text);
}

static void make(const char *path, const char *text, mode_t mode)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);

    if (write(fd, text, strlen(text)) < 0)
        printf("write %s: errno %d\n", path, errno);
    fchmod(fd, mode);
    close(fd);
}

static void scripts(void)
{
    char *const arguments[] = {"script-name", "first", "second", NULL}, *const environment[] = {"V=1", NULL};

    part("scripts");
    make("script", "#!bin/busybox sh\necho \"$# $1 $2 $V\"\nexit 6\n", 0755);
    make("script2", "#! bin/busybox echo\n", 0755);
    make("script3", "#!bin/missing\n", 0755);
    make("text", "not a program\n", 0755);
    make("empty", "", 0755);
    make("plain", "#!bin/busybox sh\nexit 1\n", 0644);
    make("short-elf", "\177ELF\002\001\001", 0755);
    execute("script", "script", arguments, environment);
    execute("interpreter with an argument", "script2", arguments, environment);
    execute("missing interpreter", "script3", arguments, environment);
    execute("text", "text", arguments, environment);
    execute("empty", "empty", arguments, environment);
    execute("no permission", "plain", arguments, environment);
    execute("seven bytes of ELF", "short-elf", arguments, environment);
    execute("directory", "bin", arguments, environment);
    execute("missing", "missing", arguments, environment);
    execute("through a file", "text/x", arguments, environment);
    execute("empty path", "", arguments, environment);
    execute("bad arguments", self, (char *const *)8, environment);
    execute("bad argument", self, (char *const[]){self, (char *)8, NULL}, environment);
}

static void spawn(void)
{
    posix_spawn_file_actions_t actions;
    char *const arguments[] = {"busybox", "echo", "spawned", NULL}, *const environment[] = {NULL};
    char text[20] = "";
    int status, fd;
    pid_t child;

    part("posix_spawn");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 1, "spawn-output", O_WRONLY | O_CREAT | O_TRUNC, 0644);
    SHOW(posix_spawn(&child, "bin/busybox", &actions, NULL, arguments, environment));
    SHOW(waitpid(child, &status, 0) == child);
    show_status("spawned", status);
    fd = open("spawn-output", O_RDONLY);
    SHOW(read(fd, text, sizeof(text) - 1));
    printf("%s", text);
    close(fd);
    SHOW(posix_spawn(&child, "missing", NULL, NULL, arguments, environment));
}

static void busy(void)
{
    char *const arguments[] = {"busy", NULL};
    int fd = open("busy", O_CREAT | O_WRONLY, 0755);

    part("open for writing");
    SHOW(write(fd, "#!/bin/true\n", 12));
    SHOW(execve("busy", arguments, NULL));
    close(fd);
    SHOW(unlink("busy"));
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], "report") == 0)
        return report(argc, argv);
    self = argv[0];
    survivors();
    many_arguments();
    too_long();
    scripts();
    spawn();
    busy();
    return 0;
}
