/* SPDX-License-Identifier: MIT
 *
 * ipc_cases: situations of endpoints and handles that need thought, one line each.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/arch/programs/kernel_call.h"

#define NAP 1000 /* us: long enough for the others to wait */

static uint64_t endpoint;

static long wait_message(void)
{
    return kernel_call3(IPC_WAIT, endpoint, 0, 0);
}

static long call(void)
{
    return kernel_call3(IPC_CALL, endpoint, 1, 2);
}

static int code(long r)
{
    return (int)(r < 0 ? -r : r < 100 ? r : 100);
}

static pid_t start(long (*what)(void))
{
    pid_t child = fork();

    if (child == 0)
        _exit(code(what()));
    usleep(NAP);
    return child;
}

/* Exit status, or 1000 and the signal. */
static int end_of(pid_t child)
{
    int status;

    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFSIGNALED(status) ? 1000 + WTERMSIG(status) : WEXITSTATUS(status);
}

static long call_later(void)
{
    usleep(4 * NAP);
    return call();
}

/* The first one is woken, but the second has the news before it runs, and waits in its place. */
static void two_receivers(void)
{
    pid_t first = start(wait_message), caller = start(call_later);
    long busy = wait_message(), notice, label, answered;

    kernel_call3(IPC_NOTIFY, endpoint, 1, 0);
    notice = wait_message();
    label = wait_message();
    answered = kernel_call3(IPC_REPLY, LABEL_HANDLE(label), 5, 0);
    printf("two receivers: %d, %s, %s, answered %ld, the first %d, the caller %d\n", code(busy),
           LABEL_KIND(notice) == MSG_NOTIFY ? "noticed" : "nothing",
           LABEL_KIND(label) == MSG_PLAIN ? "called" : "nothing", answered, end_of(first), end_of(caller));
}

static long receive_and_die(void)
{
    wait_message();
    return 7;
}

static void receiver_dies(void)
{
    pid_t receiver = start(receive_and_die);
    int answer = code(call());

    printf("the receiver dies in service: %d\n", answer);
    end_of(receiver);
}

static void caller_dies(void)
{
    pid_t caller = start(call);
    long label = wait_message();
    int end;

    kill(caller, SIGKILL);
    end = end_of(caller);
    printf("the caller is killed in service: %d, the answer %ld\n", end,
           kernel_call3(IPC_REPLY, LABEL_HANDLE(label), 0, 0));
}

static void answered_twice(void)
{
    pid_t caller = start(call);
    long label = wait_message(), first = kernel_call3(IPC_REPLY, LABEL_HANDLE(label), 9, 0);

    printf("answered twice: %ld, %ld, the caller %d\n", first, kernel_call3(IPC_REPLY, LABEL_HANDLE(label), 10, 0),
           end_of(caller));
}

static uint64_t handle_of_another;

static long reply_for_another(void)
{
    return kernel_call3(IPC_REPLY, handle_of_another, 11, 0);
}

static void answered_by_another(void)
{
    pid_t caller = start(call);
    int other;

    handle_of_another = LABEL_HANDLE(wait_message());
    other = end_of(start(reply_for_another));
    kernel_call3(IPC_REPLY, handle_of_another, 12, 0);
    printf("answered by another: %d, the caller %d\n", other, end_of(caller));
}

static volatile sig_atomic_t rang;

static void ring(int signo)
{
    rang = signo;
}

static void nobody_receives(void)
{
    struct itimerval timer = {.it_value = {0, NAP}};
    struct sigaction action = {.sa_handler = ring};

    sigaction(SIGALRM, &action, NULL);
    setitimer(ITIMER_REAL, &timer, NULL);
    printf("nobody receives: %d\n", code(call()));
}

static long call_notify_and_ring(void)
{
    long r = call();

    kernel_call3(IPC_NOTIFY, endpoint, 1, 0);
    kill(getppid(), SIGALRM);
    return r;
}

/* A signal comes between the news that ends a wait and the end of the wait: its handler runs, and the news is still there. */
static void signal_after_the_news(void)
{
    struct sigaction action = {.sa_handler = ring};
    pid_t caller = start(call_notify_and_ring);
    long news;

    sigaction(SIGALRM, &action, NULL);
    rang = 0;
    news = kernel_call3(IPC_REPLY_WAIT, LABEL_HANDLE(wait_message()), 13, endpoint);
    printf("a signal after the news: %s, %s, the caller %d\n", rang ? "rang" : "did not ring",
           news > 0 && LABEL_KIND(news) == MSG_NOTIFY ? "noticed" : "nothing", end_of(caller));
}

static void unanswered_is_killed(void)
{
    pid_t caller = start(call);

    wait_message();
    kill(caller, SIGTERM);
    printf("never answered: %d\n", end_of(caller));
}

int main(void)
{
    endpoint = (uint64_t)kernel_call3(IPC_ENDPOINT, 0, 0, 0);
    setvbuf(stdout, NULL, _IONBF, 0);
    two_receivers();
    receiver_dies();
    caller_dies();
    answered_twice();
    answered_by_another();
    nobody_receives();
    signal_after_the_news();
    unanswered_is_killed();
    return 0;
}
