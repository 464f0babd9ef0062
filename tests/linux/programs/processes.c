/* SPDX-License-Identifier: MIT
 *
 * tests/linux/programs/processes.c: exit statuses, waiting, groups and sessions, identity, orphans.
 */
#include <signal.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include "show.h"

static void statuses(void)
{
    int status;
    pid_t child, other;

    part("statuses");
    for (int code = 0; code < 1024; code += 255) {
        fflush(stdout);
        child = fork();
        if (child == 0)
            _exit(code);
        waitpid(child, &status, 0);
        show_status("exit", status);
    }
    SHOW(waitpid(-1, &status, 0));
    SHOW(waitpid(child, &status, 0));
    SHOW(waitpid(-1, &status, 0x8000));
    child = fork();
    if (child == 0) {
        pause();
        _exit(1);
    }
    SHOW(waitpid(child, &status, WNOHANG));
    SHOW(waitpid(-1, &status, WNOHANG));
    other = fork();
    if (other == 0)
        _exit(12);
    SHOW(waitpid(other, &status, 0) == other);
    show_status("the second first", status);
    SHOW(kill(child, SIGKILL));
    SHOW(waitpid(-1, &status, 0) == child);
    show_status("the first second", status);
}

/* Forty children, all zombies before the first wait. */
static void crowd(void)
{
    int ends[2], status, sum = 0, reaped = 0;
    char byte;

    part("crowd");
    SHOW(pipe(ends));
    fflush(stdout);
    for (int i = 0; i < 40; i++)
        if (fork() == 0) {
            close(ends[0]);
            _exit(i);
        }
    close(ends[1]);
    SHOW(read(ends[0], &byte, 1));
    while (wait(&status) > 0) {
        reaped++;
        sum += WEXITSTATUS(status);
    }
    SHOW(reaped);
    SHOW(sum);
    close(ends[0]);
}

/* A grandchild outlives its parent and gets another. */
static void orphan(void)
{
    int ends[2], status;
    char byte = 0;
    pid_t child;

    part("orphan");
    SHOW(pipe(ends));
    fflush(stdout);
    child = fork();
    if (child == 0) {
        pid_t parent = getpid();

        if (fork() == 0) {
            while (getppid() == parent)
                usleep(1000);
            byte = 'o';
            _exit(write(ends[1], &byte, 1) != 1);
        }
        _exit(0);
    }
    close(ends[1]);
    SHOW(waitpid(child, &status, 0) == child);
    SHOW(read(ends[0], &byte, 1));
    SHOW(byte);
    SHOW(read(ends[0], &byte, 1));
    close(ends[0]);
}

static int new_session(void)
{
    SHOW(setsid() == getpid());
    SHOW(getsid(0) == getpid());
    SHOW(getpgrp() == getpid());
    SHOW(setsid());
    return 0;
}

static void groups(void)
{
    int status, killed = 0;
    pid_t leader, member;

    part("groups");
    in_child("session", new_session);
    leader = fork();
    if (leader == 0) {
        setpgid(0, 0);
        pause();
        _exit(1);
    }
    setpgid(leader, leader);
    SHOW(getpgid(leader) == leader);
    member = fork();
    if (member == 0) {
        setpgid(0, leader);
        pause();
        _exit(1);
    }
    setpgid(member, leader);
    SHOW(kill(-leader, SIGTERM));
    for (int i = 0; i < 2; i++)
        killed += waitpid(-leader, &status, 0) > 0 && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM;
    SHOW(killed);
    SHOW(kill(-leader, SIGTERM));
    SHOW(setpgid(0, 2000000000));
    SHOW(getpgid(2000000000));
}

static void identity(void)
{
    struct utsname name;
    struct rlimit limit;

    part("identity");
    SHOW(getuid() == geteuid() && getgid() == getegid());
    SHOW(setuid(getuid()));
    SHOW(uname(&name));
    printf("%s %s\n", name.sysname, name.machine);
    SHOW(getrlimit(RLIMIT_STACK, &limit) == 0 && limit.rlim_cur >= 65536);
    SHOW(getrlimit(99, &limit));
    SHOW(sysconf(_SC_PAGESIZE));
}

int main(void)
{
    statuses();
    crowd();
    orphan();
    groups();
    identity();
    return 0;
}
