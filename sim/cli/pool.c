/* SPDX-License-Identifier: MIT
 *
 * sim/cli/pool.c: see pool.h. A pipe a worker; its end is the end of the answer.
 */
#include "sim/cli/pool.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define WORKERS_MAX 256
#define PIECE 65536
#define TICK_MS 100

struct worker {
    pid_t pid;
    size_t index;
};

struct crew {
    const struct pool *pool;
    struct pool_answer *answers;
    struct worker worker[WORKERS_MAX];
    struct pollfd pipe[WORKERS_MAX]; /* worker i's answer */
    size_t busy;
    size_t begun, count;
};

static unsigned host_cpus(void)
{
    cpu_set_t set;

    return sched_getaffinity(0, sizeof set, &set) == 0 ? (unsigned)CPU_COUNT(&set) : 1;
}

static size_t crew_size(const struct pool *pool)
{
    unsigned workers = pool->workers ? pool->workers : host_cpus();

    return workers < WORKERS_MAX ? workers : WORKERS_MAX;
}

/* The new process. It must not outlive us, nor flush what we have yet to print. */
static _Noreturn void be_worker(const struct pool *pool, size_t index, int out, pid_t parent)
{
    int null = open("/dev/null", O_WRONLY);

    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(1);
    if (null >= 0)
        dup2(null, STDERR_FILENO);
    _exit(pool->work(pool->ctx, index, out));
}

/* false: the host gives no more processes, errno. */
static bool start(struct crew *crew, size_t index)
{
    pid_t parent = getpid(), pid;
    int ends[2];

    if (pipe2(ends, O_CLOEXEC) != 0)
        return false;
    fflush(NULL);
    pid = fork();
    if (pid == 0)
        be_worker(crew->pool, index, ends[1], parent);
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        errno = EAGAIN;
        return false;
    }
    crew->worker[crew->busy] = (struct worker){pid, index};
    crew->pipe[crew->busy++] = (struct pollfd){.fd = ends[0], .events = POLLIN};
    return true;
}

/* Takes what has come; false at the end of the answer. */
static bool take_piece(struct pool_answer *answer, int fd)
{
    char *data = realloc(answer->data, answer->bytes + PIECE);
    ssize_t bytes;

    if (!data)
        return false;
    answer->data = data;
    bytes = read(fd, data + answer->bytes, PIECE);
    if (bytes > 0)
        answer->bytes += (size_t)bytes;
    return bytes > 0 || (bytes < 0 && errno == EINTR);
}

static void dismiss(struct crew *crew, size_t i)
{
    struct pool_answer *answer = &crew->answers[crew->worker[i].index];

    close(crew->pipe[i].fd);
    while (waitpid(crew->worker[i].pid, &answer->status, 0) < 0 && errno == EINTR)
        ;
    crew->busy--;
    crew->worker[i] = crew->worker[crew->busy];
    crew->pipe[i] = crew->pipe[crew->busy];
}

static void tell(const struct crew *crew)
{
    if (crew->pool->progress)
        crew->pool->progress(crew->pool->ctx, crew->begun - crew->busy, crew->count);
}

/* Waits until one of them has ended at least. */
static void collect(struct crew *crew)
{
    for (size_t before = crew->busy; crew->busy == before;) {
        int ready = poll(crew->pipe, crew->busy, crew->pool->progress ? TICK_MS : -1);

        if (ready == 0)
            tell(crew);
        if (ready <= 0)
            continue;
        for (size_t i = crew->busy; i-- > 0;)
            if (crew->pipe[i].revents && !take_piece(&crew->answers[crew->worker[i].index], crew->pipe[i].fd))
                dismiss(crew, i);
    }
}

void pool_run(const struct pool *pool, struct pool_answer *answers, size_t count)
{
    struct crew crew = {.pool = pool, .answers = answers, .count = count};
    size_t size = crew_size(pool);

    memset(answers, 0, count * sizeof *answers);
    while (crew.begun < count || crew.busy) {
        while (crew.begun < count && crew.busy < size && start(&crew, crew.begun))
            crew.begun++;
        if (crew.busy)
            collect(&crew);
        else if (crew.begun < count)
            answers[crew.begun++].why = errno; /* the host gives not even one process */
        tell(&crew);
    }
}
