/* SPDX-License-Identifier: MIT
 *
 * tests/services/test_pipe.c: pipes, alone and through fs's descriptors, with poll, fork and exit.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "services/pipe/pipe.h"
#include "tests/services/fs_rig.h"

#define RING 65536

struct lone {
    struct fake_host f;
    struct pipe *p;
};

static int set_up(void **state)
{
    struct lone *l = calloc(1, sizeof *l);

    fake_host_init(&l->f, NULL, 0);
    l->p = pipe_create(&l->f.host);
    assert_non_null(l->p);
    *state = l;
    return 0;
}

static int tear_down(void **state)
{
    struct lone *l = *state;

    pipe_release(l->p, 0);
    pipe_release(l->p, 1);
    fake_host_end(&l->f);
    free(l);
    return 0;
}

static long put(struct lone *l, const void *data, size_t bytes, int nonblock)
{
    struct call call = {.nr = CALL_write};

    return pipe_write(l->p, &call, P(data), bytes, nonblock);
}

static long get(struct lone *l, void *data, size_t bytes, int nonblock)
{
    struct call call = {.nr = CALL_read};

    return pipe_read(l->p, &call, P(data), bytes, nonblock);
}

static void test_bytes_in_order(void **state)
{
    struct lone *l = *state;
    uint64_t seed = 1, in = 0, out = 0;
    uint8_t data[9000];

    for (int i = 0; i < 3000; i++) {
        size_t n = fake_random(&seed) % sizeof data + 1;
        long r;

        if (fake_random(&seed) % 2) {
            for (size_t k = 0; k < n; k++)
                data[k] = (uint8_t)((in + k) * 7);
            r = put(l, data, n, 1);
            in += r > 0 ? (uint64_t)r : 0;
            assert_true(r > 0 || r == -EAGAIN);
        } else {
            r = get(l, data, n, 1);
            assert_true(r > 0 || (r == -EAGAIN && in == out));
            for (long k = 0; k < r; k++)
                assert_int_equal(data[k], (uint8_t)((out + (uint64_t)k) * 7));
            out += r > 0 ? (uint64_t)r : 0;
        }
        assert_int_equal(pipe_bytes(l->p), in - out);
    }
    assert_true(out > RING);
}

static void test_short_writes_are_atomic(void **state)
{
    struct lone *l = *state;
    char *data = calloc(1, RING);

    assert_int_equal(put(l, data, RING - 4095, 0), RING - 4095);
    assert_int_equal(put(l, data, 4096, 1), -EAGAIN);
    assert_int_equal(pipe_bytes(l->p), RING - 4095);
    assert_int_equal(put(l, data, 4096, 0), CALL_WAIT);
    assert_int_equal(pipe_bytes(l->p), RING - 4095);
    assert_int_equal(put(l, data, 4097, 1), 4095);
    assert_int_equal(put(l, data, 1, 1), -EAGAIN);
    free(data);
}

static void test_long_write_keeps_its_progress(void **state)
{
    struct lone *l = *state;
    uint8_t *data = malloc(3 * RING), *out = malloc(3 * RING);
    struct call call = {.nr = CALL_write};
    size_t got = 0;
    long r;

    for (int i = 0; i < 3 * RING; i++)
        data[i] = (uint8_t)(i * 31 >> 5);
    while ((r = pipe_write(l->p, &call, P(data), 3 * RING, 0)) == CALL_WAIT) {
        l->f.woken_count = 0;
        r = get(l, out + got, 10000, 0);
        assert_int_equal(r, 10000);
        got += 10000;
        assert_true(fake_was_woken(&l->f, call.channel));
    }
    assert_int_equal(r, 3 * RING);
    while (got < 3 * RING)
        got += (size_t)get(l, out + got, 3 * RING - got, 1);
    assert_memory_equal(data, out, 3 * RING);
    free(data);
    free(out);
}

static void test_interrupted_and_broken(void **state)
{
    struct lone *l = *state;
    char *data = calloc(1, RING + 1);
    struct call call = {.nr = CALL_write};

    assert_int_equal(pipe_write(l->p, &call, P(data), RING + 1, 0), CALL_WAIT);
    call.flags = CALL_INTERRUPTED;
    assert_int_equal(pipe_write(l->p, &call, P(data), RING + 1, 0), RING);
    call = (struct call){.nr = CALL_write, .flags = CALL_INTERRUPTED};
    assert_int_equal(pipe_write(l->p, &call, P(data), 1, 0), -ERESTART);
    pipe_hold(l->p, 0);
    pipe_release(l->p, 0);
    assert_int_equal(put(l, data, 1, 1), -EAGAIN);
    pipe_release(l->p, 0); /* no reader */
    assert_int_equal(put(l, data, 1, 1), -EPIPE);
    assert_int_equal(pipe_poll(l->p, 1) & POLLERR, POLLERR);
    pipe_hold(l->p, 0);
    assert_int_equal(get(l, data, RING + 1, 0), RING);
    call = (struct call){.nr = CALL_read, .flags = CALL_INTERRUPTED};
    assert_int_equal(pipe_read(l->p, &call, P(data), 1, 0), -ERESTART);
    pipe_release(l->p, 1); /* no writer */
    assert_int_equal(get(l, data, 1, 0), 0);
    assert_int_equal(pipe_poll(l->p, 0), POLLHUP);
    pipe_hold(l->p, 1);
    free(data);
}

static void test_bad_addresses(void **state)
{
    struct lone *l = *state;
    char data[4];

    assert_int_equal(put(l, (void *)16, 4, 0), -EFAULT);
    assert_int_equal(pipe_bytes(l->p), 0);
    assert_int_equal(put(l, "abcd", 4, 0), 4);
    assert_int_equal(get(l, (void *)16, 4, 0), -EFAULT);
    assert_int_equal(get(l, data, 4, 0), 4);
    assert_memory_equal(data, "abcd", 4);
}

static void test_one_copy_each_way(void **state)
{
    struct lone *l = *state;
    char *data = calloc(1, RING);

    assert_int_equal(put(l, data, RING, 0), RING);
    assert_int_equal(l->f.copies, 1);
    assert_int_equal(get(l, data, RING, 0), RING);
    assert_int_equal(l->f.copies, 2);
    assert_int_equal(l->f.copied, 2 * RING);
    free(data);
}

/* ---- through fs ---- */

static void test_descriptors(void **state)
{
    struct fs_rig r;
    struct call call;
    void *much;
    struct stat st;
    char data[8];
    int fd[2], n;

    rig_create(&r, 4, 0);
    assert_int_equal(sys(&r, pipe2, fd, O_CLOEXEC), 0);
    assert_int_equal(fd[0], 3);
    assert_int_equal(fd[1], 4);
    assert_int_equal(sys(&r, fcntl, 3, F_GETFD), FD_CLOEXEC);
    assert_int_equal(sys(&r, write, 3, "x", 1), -EBADF);
    assert_int_equal(sys(&r, read, 4, data, 1), -EBADF);
    assert_int_equal(sys(&r, write, 4, "hello", 5), 5);
    assert_int_equal(sys(&r, ioctl, 3, FIONREAD, &n), 0);
    assert_int_equal(n, 5);
    assert_int_equal(sys(&r, lseek, 3, 0, 0), -ESPIPE);
    assert_int_equal(sys(&r, pread64, 3, data, 1, 0), -ESPIPE);
    assert_int_equal(sys(&r, fstat, 3, &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    assert_int_equal(sys(&r, read, 3, data, 8), 5);
    assert_int_equal(sys(&r, fcntl, 3, F_SETFL, O_NONBLOCK), 0);
    assert_int_equal(sys(&r, read, 3, data, 8), -EAGAIN);
    assert_int_equal(sys(&r, close, 4), 0);
    assert_int_equal(sys(&r, read, 3, data, 8), 0);
    assert_int_equal(sys(&r, pipe, 16), -EFAULT);
    assert_int_equal(sys(&r, pipe, fd), 0);
    assert_int_equal(fd[0], 4);
    sys(&r, close, fd[0]);
    assert_int_equal(sys(&r, write, fd[1], "x", 1), -EPIPE);
    assert_int_equal(r.f.signal, SIGPIPE);

    assert_int_equal(sys(&r, pipe, fd), 0); /* a reader that goes while a long write waits: what went in counts */
    r.f.signal = 0;
    much = calloc(1, 70000);
    call = (struct call){.nr = CALL_write, .pid = 1, .arg = {(uint64_t)fd[1], P(much), 70000}};
    assert_int_equal(fake_run(&r.f, &r.service, &call), CALL_WAIT);
    sys(&r, close, fd[0]);
    assert_int_equal(fake_run(&r.f, &r.service, &call), RING);
    assert_int_equal(r.f.signal, SIGPIPE);
    free(much);
    rig_destroy(&r);
}

static long ask(struct fs_rig *r, uint16_t op, int pid, uint64_t arg0)
{
    struct call call = {.nr = CALL_fork, .pid = pid};
    struct request rq = {.service = SERVICE_FS, .op = op, .pid = pid, .arg = {arg0}, .call = &call};

    return r->service.request(r->service.self, &rq);
}

static void test_fork_and_exit(void **state)
{
    struct fs_rig r;
    struct call read = {.nr = CALL_read, .pid = 2, .arg = {3, 0, 8}};
    char data[8];
    int fd[2];

    rig_create(&r, 4, 0);
    read.arg[1] = P(data);
    assert_int_equal(sys(&r, pipe, fd), 0);
    assert_int_equal(ask(&r, FS_FORK, 2, 1), 0);
    assert_int_equal(fake_call(&r.f, &r.service, 2, CALL_close, 4, 0, 0, 0, 0, 0), 0);
    assert_int_equal(fake_run(&r.f, &r.service, &read), CALL_WAIT);
    assert_int_equal(sys(&r, write, 4, "hi", 2), 2);
    assert_true(fake_was_woken(&r.f, read.channel));
    assert_int_equal(fake_run(&r.f, &r.service, &read), 2);
    read.done = 0;
    assert_int_equal(fake_run(&r.f, &r.service, &read), CALL_WAIT);
    assert_int_equal(sys(&r, fcntl, 4, F_SETFD, FD_CLOEXEC), 0);
    assert_int_equal(ask(&r, FS_EXEC, 1, 0), 0);
    assert_int_equal(sys(&r, write, 4, "x", 1), -EBADF);
    assert_true(fake_was_woken(&r.f, read.channel));
    assert_int_equal(fake_run(&r.f, &r.service, &read), 0);
    assert_int_equal(ask(&r, FS_EXIT, 2, 0), 0);
    rig_destroy(&r);
}

static void test_poll_and_select(void **state)
{
    struct fs_rig r;
    struct pollfd p[3] = {{3, POLLIN, 0}, {4, POLLOUT, 0}, {-1, POLLIN, 7}};
    struct call wait = {.nr = CALL_poll, .pid = 1, .arg = {0, 1, (uint64_t)-1}};
    struct timeval tv = {0, 5000};
    fd_set in;
    uint64_t before;
    int fd[2];

    rig_create(&r, 4, 0);
    assert_int_equal(sys(&r, pipe, fd), 0);
    assert_int_equal(sys(&r, poll, p, 3, 0), 1);
    assert_int_equal(p[0].revents, 0);
    assert_int_equal(p[1].revents, POLLOUT);
    assert_int_equal(p[2].revents, 0);
    wait.arg[0] = P(p);
    assert_int_equal(fake_run(&r.f, &r.service, &wait), CALL_WAIT);
    assert_int_equal(wait.channel, CHANNEL_POLL);
    assert_int_equal(sys(&r, write, 4, "x", 1), 1);
    assert_true(fake_was_woken(&r.f, CHANNEL_POLL));
    assert_int_equal(fake_run(&r.f, &r.service, &wait), 1);
    assert_int_equal(p[0].revents, POLLIN);
    p[0].fd = 99;
    assert_int_equal(sys(&r, poll, p, 1, -1), 1);
    assert_int_equal(p[0].revents, POLLNVAL);

    FD_ZERO(&in);
    FD_SET(3, &in);
    assert_int_equal(sys(&r, select, 4, &in, 0, 0), 1);
    assert_true(FD_ISSET(3, &in));
    assert_int_equal(sys(&r, read, 3, p, 1), 1);
    before = r.f.now;
    assert_int_equal(fake_call(&r.f, &r.service, 1, CALL_select, 4, P(&in), 0, 0, P(&tv), 0), 0);
    assert_false(FD_ISSET(3, &in));
    assert_true(r.f.now >= before + 5000000);
    assert_int_equal(tv.tv_usec, 0);
    before = r.f.now;
    p[0].fd = 3;
    assert_int_equal(sys(&r, poll, p, 1, 7), 0);
    assert_int_equal(r.f.now, before + 7000000);
    FD_SET(77, &in);
    assert_int_equal(sys(&r, select, 78, &in, 0, 0), -EBADF);
    rig_destroy(&r);
}

/* The mask of ppoll and pselect6 is proc's from before the first look to after the last. */
static void test_masked_waits(void **state)
{
    struct fs_rig r;
    struct pollfd p = {3, POLLIN, 0};
    struct timespec t = {0, 5000};
    uint64_t mask = 0x2000, set[2] = {P(&mask), 8}, in = 8;
    struct call poll = {.nr = CALL_ppoll, .pid = 1, .arg = {P(&p), 1, 0, P(&mask), 8}};
    int fd[2];

    rig_create(&r, 4, 0);
    assert_int_equal(sys(&r, pipe, fd), 0);
    assert_int_equal(fake_run(&r.f, &r.service, &poll), CALL_WAIT);
    assert_int_equal(poll.channel, CHANNEL_POLL);
    assert_int_equal(r.f.mask, mask);
    poll.flags = CALL_INTERRUPTED;
    r.f.proc_busy = true; /* it is not forgotten that it was interrupted */
    assert_int_equal(service_call(&r.service, &poll), CALL_WAIT);
    assert_int_equal(poll.channel, CHANNEL(SERVICE_PROC, 1));
    poll.flags = 0;
    assert_int_equal(service_call(&r.service, &poll), -EINTR);
    assert_int_equal(r.f.mask, 0);
    assert_int_equal(r.f.masks, 1);
    assert_int_equal(r.f.unmasked, 1);

    r.f.proc_busy = true; /* nothing has begun yet */
    poll = (struct call){.nr = CALL_ppoll, .pid = 1, .arg = {P(&p), 1, P(&t), P(&mask), 8}};
    assert_int_equal(service_call(&r.service, &poll), CALL_WAIT);
    assert_int_equal(poll.channel, CHANNEL(SERVICE_PROC, 1));
    assert_int_equal(r.f.masks, 1);
    assert_int_equal(fake_run(&r.f, &r.service, &poll), 0); /* the time is up */
    assert_int_equal(r.f.masks, 2);
    assert_int_equal(r.f.unmasked, 0);

    r.f.signal_due = true; /* before it waits, whatever the time */
    t = (struct timespec){0, 0};
    assert_int_equal(fake_call(&r.f, &r.service, 1, CALL_ppoll, P(&p), 1, P(&t), P(&mask), 8, 0), -EINTR);
    assert_int_equal(fake_call(&r.f, &r.service, 1, CALL_pselect6, 4, P(&in), 0, 0, P(&t), P(set)), -EINTR);
    assert_int_equal(r.f.unmasked, 1);
    assert_int_equal(sys(&r, write, 4, "x", 1), 1); /* but what is ready comes first */
    assert_int_equal(fake_call(&r.f, &r.service, 1, CALL_ppoll, P(&p), 1, P(&t), P(&mask), 8, 0), 1);
    assert_int_equal(fake_call(&r.f, &r.service, 1, CALL_pselect6, 4, P(&in), 0, 0, P(&t), P(set)), 1);
    assert_int_equal(r.f.unmasked, 0);
    assert_int_equal(r.f.masks, 6);
    assert_int_equal(r.f.mask, 0);

    assert_int_equal(fake_call(&r.f, &r.service, 1, CALL_ppoll, P(&p), 1, P(&t), P(&mask), 4, 0), -EINVAL);
    assert_int_equal(fake_call(&r.f, &r.service, 1, CALL_ppoll, P(&p), 1, P(&t), 8, 8, 0), -EFAULT);
    assert_int_equal(fake_call(&r.f, &r.service, 1, CALL_pselect6, 4, P(&in), 0, 0, P(&t), 8), -EFAULT);
    set[0] = 0; /* no mask, whatever its size */
    assert_int_equal(fake_call(&r.f, &r.service, 1, CALL_pselect6, 4, P(&in), 0, 0, P(&t), P(set)), 1);
    t = (struct timespec){0, -1};
    assert_int_equal(fake_call(&r.f, &r.service, 1, CALL_ppoll, P(&p), 1, P(&t), P(&mask), 8, 0), -EINVAL);
    assert_int_equal(t.tv_nsec, -1);
    assert_int_equal(r.f.masks, 6);
    rig_destroy(&r);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(test_bytes_in_order),
        T(test_short_writes_are_atomic),
        T(test_long_write_keeps_its_progress),
        T(test_interrupted_and_broken),
        T(test_bad_addresses),
        T(test_one_copy_each_way),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_fork_and_exit),
        cmocka_unit_test(test_poll_and_select),
        cmocka_unit_test(test_masked_waits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
