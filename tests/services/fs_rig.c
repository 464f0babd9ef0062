/* SPDX-License-Identifier: MIT
 *
 * tests/services/fs_rig.c: see fs_rig.h.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <cmocka.h>

#include "tests/services/fs_rig.h"

#define WALL_NS 1700000000000000000ull

void rig_mount(struct fs_rig *r)
{
    struct fs_config config = {.wall_ns = WALL_NS, .seed = 7, .cache_blocks = r->cache_blocks, .tty_mask = 7};
    struct call call = {.nr = CALL_SYNC_ALL};
    long result;

    r->fs = fs_create(&r->f.host, &config);
    assert_non_null(r->fs);
    while ((result = fs_mount(r->fs, &call)) == CALL_WAIT)
        fake_disk_step(&r->f);
    assert_int_equal(result, 0);
    while ((result = fs_start(r->fs, &call, "/")) == CALL_WAIT)
        fake_disk_step(&r->f);
    assert_int_equal(result, 0);
    r->service = fs_service(r->fs);
}

void rig_create(struct fs_rig *r, size_t mib, size_t cache_blocks)
{
    struct mkfs *m;

    r->bytes = mib << 20;
    r->disk = calloc(1, r->bytes);
    r->cache_blocks = cache_blocks;
    assert_int_equal(mkfs_format(&m, &fake_memory, r->disk, r->bytes), 0);
    assert_int_equal(mkfs_close(m), 0);
    fake_host_init(&r->f, r->disk, r->bytes);
    rig_mount(r);
}

void rig_unmount(struct fs_rig *r)
{
    fs_destroy(r->fs);
    memset(r->f.queue, 0, sizeof r->f.queue);
}

void rig_sync(struct fs_rig *r)
{
    assert_int_equal(rig_call(r, CALL_SYNC_ALL, 0, 0, 0, 0), 0);
}

void rig_check(struct fs_rig *r)
{
    uint8_t *copy = malloc(r->bytes);
    struct mkfs *m;
    char why[256];

    rig_sync(r);
    memcpy(copy, r->disk, r->bytes);
    assert_int_equal(mkfs_open(&m, &fake_memory, copy, r->bytes), 0);
    if (mkfs_check(m, why, sizeof why))
        fail_msg("%s", why);
    assert_int_equal(mkfs_close(m), 0);
    free(copy);
}

void rig_destroy(struct fs_rig *r)
{
    rig_check(r);
    rig_unmount(r);
    fake_host_end(&r->f);
    free(r->disk);
}

long rig_call(struct fs_rig *r, uint32_t nr, uint64_t a0, uint64_t a1, uint64_t a2, uint64_t a3)
{
    return fake_call(&r->f, &r->service, 1, nr, a0, a1, a2, a3, 0, 0);
}

/* ---- past the cache ---- */

long rig_request(struct fs_rig *r, uint16_t op, const uint64_t arg[6], void *data, size_t size)
{
    struct call call = {.nr = CALL_SYNC_ALL, .pid = 1};
    struct request rq = {
        .service = SERVICE_FS, .op = op, .pid = 1, .data = data, .size = size, .data_out = 1, .call = &call};
    long result;

    memcpy(rq.arg, arg, sizeof rq.arg);
    while ((result = r->service.request(r->service.self, &rq)) == CALL_WAIT)
        assert_true(fake_disk_step(&r->f) || r->f.lose_every);
    return result;
}

static long disk(struct fs_rig *r, uint16_t op, uint64_t arg0, uint64_t arg1, uint64_t arg2)
{
    struct call call = {.nr = CALL_SYNC_ALL, .pid = 1};
    struct request rq = {.service = SERVICE_BLK, .op = op, .arg = {arg0, arg1, arg2}, .call = &call};
    long result;

    while ((result = r->f.host.ask(r->f.host.ctx, &rq)) == CALL_WAIT)
        assert_true(fake_disk_step(&r->f) || r->f.lose_every);
    return result;
}

void rig_move(struct fs_rig *r, uint16_t op, uint64_t sector, void *data, uint64_t bytes)
{
    long result;

    do {
        long ticket = disk(r, op, sector, bytes, P(data));

        assert_true(ticket > 0);
        result = disk(r, BLK_DONE, (uint64_t)ticket, 0, 0);
    } while (result == -ESTALE);
    assert_int_equal(result, 0);
}

/* The data is the test's, but a device writes through the same pointer as it reads. */
static long extend_by(struct fs_rig *r, uint64_t handle, uint64_t at, void *data, uint64_t bytes, uint64_t *done)
{
    struct fs_extent extent;
    long result = rig_ask(r, FS_EXTENT_RESERVE, &extent, sizeof extent, handle, bytes);

    if (result)
        return result;
    assert_in_range(extent.bytes, FS_BLOCK, bytes);
    rig_move(r, BLK_WRITE, extent.sector, data, extent.bytes);
    *done += extent.bytes;
    return rig_ask(r, FS_EXTENT_COMMIT, NULL, 0, handle, at, extent.sector, extent.bytes, at + extent.bytes);
}

long rig_extend(struct fs_rig *r, long fd, const void *data, uint64_t bytes)
{
    long handle = rig_ask(r, FS_FILE_OF, NULL, 0, (uint64_t)fd, VM_WRITE), result = 0;
    struct fs_identity identity;
    uint64_t done = 0;

    assert_true(handle > 0);
    assert_int_equal(rig_ask(r, FS_STAT_OF, &identity, sizeof identity, (uint64_t)handle), 0);
    while (result == 0 && done < bytes)
        result = extend_by(r, (uint64_t)handle, identity.size + done, (char *)(uintptr_t)data + done, bytes - done,
                           &done);
    assert_int_equal(rig_ask(r, FS_RELEASE, NULL, 0, (uint64_t)handle), 0);
    return result;
}

/* ---- digest ---- */

struct digest {
    struct mkfs *m;
    uint64_t sum;
};

static uint64_t mix(uint64_t sum, const void *data, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        sum = (sum ^ ((const uint8_t *)data)[i]) * 0x100000001b3ull;
    return sum;
}

/* Order of names does not count: each entry's own sum is added. */
static int digest_one(void *ctx, const char *path, const struct mkfs_attr *attr)
{
    struct digest *d = ctx;
    uint64_t sum = mix(0xcbf29ce484222325ull, path, strlen(path));

    sum = mix(sum, &attr->mode, sizeof attr->mode);
    if (S_ISREG(attr->mode) || S_ISLNK(attr->mode)) {
        uint8_t *data = malloc(attr->size + 1);

        assert_int_equal(mkfs_read(d->m, path, 0, data, attr->size), attr->size);
        sum = mix(sum, data, attr->size);
        free(data);
    }
    d->sum += sum;
    return 0;
}

uint64_t rig_digest(struct mkfs *m)
{
    struct digest d = {.m = m};

    assert_int_equal(mkfs_walk(m, "/", digest_one, &d), 0);
    return d.sum;
}

int rig_set_up(void **state)
{
    struct fs_rig *r = calloc(1, sizeof *r);

    rig_create(r, 8, 256);
    *state = r;
    return 0;
}

int rig_tear_down(void **state)
{
    rig_destroy(*state);
    free(*state);
    return 0;
}

void rig_put(struct fs_rig *r, const char *path, const char *text)
{
    long fd = sys(r, open, path, O_CREAT | O_WRONLY | O_TRUNC, 0644);

    assert_in_range(fd, 3, 1023);
    assert_int_equal(sys(r, write, fd, text, strlen(text)), strlen(text));
    assert_int_equal(sys(r, close, fd), 0);
}

void rig_expect(struct fs_rig *r, const char *path, const char *text)
{
    char data[256] = {0};
    long fd = sys(r, open, path, O_RDONLY);

    assert_in_range(fd, 3, 1023);
    assert_int_equal(sys(r, read, fd, data, sizeof data), strlen(text));
    assert_string_equal(data, text);
    assert_int_equal(sys(r, close, fd), 0);
}
