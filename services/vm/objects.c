/* SPDX-License-Identifier: MIT
 *
 * services/vm/objects.c: memory that more than one space can see.
 *
 * A file's object is known by inode and version, so that all processes that run a
 * program share its text, and a changed file is another object. It outlives its last
 * mapping: the next exec finds the pages here, not on the disk. vm_shrink ends that.
 * While it lives it holds a handle of the file, which keeps the inode number its own.
 *
 * Shared anonymous memory is an object without a file, gone with its last area.
 */
#include "services/vm/space.h"

#define IDLE_FILES_MAX 32 /* objects without a user that stay cached */

long vm_ask_fs(struct vm *vm, struct call *call, struct request *rq)
{
    rq->service = SERVICE_FS;
    rq->call = call;
    return vm->host->ask(vm->host->ctx, rq);
}

struct vm_object *vm_object_shared(struct vm *vm)
{
    struct vm_object *object = vm_alloc(vm, sizeof *object);

    if (object) {
        object->kind = OBJECT_SHARED;
        object->users = 1;
    }
    return object;
}

/* Drops the pages that no space maps; returns how many. */
static size_t drop_idle_pages(struct vm *vm, struct vm_object *object)
{
    size_t dropped = 0;
    uint64_t page = 0, entry;

    for (; (entry = vm_page_next(&object->pages, &page, UINT64_MAX)); page++) {
        if (vm_frame_count(vm, entry_frame(entry)) > 1)
            continue;
        vm_page_set(&object->pages, page, 0);
        vm_page_trim(vm, &object->pages, page);
        vm_frame_drop(vm, entry_frame(entry));
        dropped++;
    }
    return dropped;
}

/* `object` has no users and is not in vm->files. */
static size_t object_free(struct vm *vm, struct vm_object *object)
{
    size_t dropped = drop_idle_pages(vm, object);

    vm_page_prune(vm, &object->pages, 0, UINT64_MAX);
    if (object->kind == OBJECT_FILE) {
        struct call call = {.nr = CALL_munmap};

        vm_ask_fs(vm, &call, &(struct request){.op = FS_RELEASE, .arg = {object->handle}});
    }
    vm->host->free(vm->host->ctx, object, sizeof *object);
    return dropped;
}

/* Frees idle objects beyond the first `keep`. */
static size_t trim_files(struct vm *vm, unsigned keep)
{
    size_t dropped = 0;
    unsigned idle = 0;

    for (struct vm_object **link = &vm->files; *link;) {
        struct vm_object *object = *link;

        if (object->users || idle++ < keep) {
            link = &object->next;
            continue;
        }
        *link = object->next;
        dropped += object_free(vm, object);
    }
    return dropped;
}

size_t vm_shrink(struct vm *vm)
{
    size_t dropped = trim_files(vm, 0);

    for (struct vm_object *object = vm->files; object; object = object->next)
        dropped += drop_idle_pages(vm, object);
    return dropped;
}

/* The object moves to the front of the list: least recently used ones gather at its end. */
static struct vm_object *find_file(struct vm *vm, const struct fs_identity *identity)
{
    for (struct vm_object **link = &vm->files; *link; link = &(*link)->next) {
        struct vm_object *object = *link;

        if (object->inode == identity->inode && object->version == identity->version) {
            *link = object->next;
            object->next = vm->files;
            return vm->files = object;
        }
    }
    return NULL;
}

static long file_create(struct vm *vm, struct call *call, uint64_t handle, const struct fs_identity *identity,
                        struct vm_object **out)
{
    struct vm_object *object = vm_alloc(vm, sizeof *object);
    long r = object ? vm_ask_fs(vm, call, &(struct request){.op = FS_HOLD, .arg = {handle}}) : -ENOMEM;

    if (r < 0) {
        if (object)
            vm->host->free(vm->host->ctx, object, sizeof *object);
        return r;
    }
    object->kind = OBJECT_FILE;
    object->users = 1;
    object->handle = handle;
    object->inode = identity->inode;
    object->version = identity->version;
    object->next = vm->files;
    *out = vm->files = object;
    return 0;
}

long vm_object_file(struct vm *vm, struct call *call, uint64_t handle, struct vm_object **out)
{
    struct fs_identity identity;
    long r = vm_ask_fs(vm, call, &(struct request){.op = FS_STAT_OF, .arg = {handle}, .data = &identity,
                                                   .size = sizeof identity, .data_out = 1});

    if (r < 0)
        return r;
    *out = find_file(vm, &identity);
    if (!*out)
        return file_create(vm, call, handle, &identity, out);
    (*out)->users++;
    return 0;
}

void vm_object_hold(struct vm_object *object)
{
    object->users++;
}

void vm_object_release(struct vm *vm, struct vm_object *object)
{
    if (--object->users)
        return;
    if (object->kind == OBJECT_FILE)
        trim_files(vm, IDLE_FILES_MAX);
    else
        object_free(vm, object);
}

/* Fills a frame with the page of the file, zeros behind its end. */
static long read_page(struct vm *vm, struct call *call, struct vm_object *object, uint64_t index, frame_t frame)
{
    char *window = vm->mmu->frame_window(vm->mmu->ctx, frame);
    struct request rq = {.op = FS_READ_AT, .pid = call->pid, .arg = {object->handle, index << PAGE_SHIFT},
                         .data = window, .size = PAGE_SIZE, .data_out = 1};
    long bytes = vm_ask_fs(vm, call, &rq);

    if (bytes == 0)
        return -EIO;
    if (bytes < 0)
        return bytes == CALL_WAIT || bytes == -ENOMEM ? bytes : -EIO;
    if (bytes < (long)PAGE_SIZE) {
        window = vm->mmu->frame_window(vm->mmu->ctx, frame);
        __builtin_memset(window + bytes, 0, PAGE_SIZE - bytes);
    }
    return 0;
}

static long fill_page(struct vm *vm, struct call *call, struct vm_object *object, uint64_t index, frame_t frame)
{
    if (object->kind == OBJECT_FILE)
        return read_page(vm, call, object, index, frame);
    vm->mmu->frame_zero(vm->mmu->ctx, frame);
    return 0;
}

long vm_object_page(struct vm *vm, struct call *call, struct vm_object *object, uint64_t index, frame_t *out)
{
    uint64_t entry = vm_page_get(&object->pages, index);
    long r;

    if (entry) {
        *out = entry_frame(entry);
        return 0;
    }
    *out = vm_frame_new(vm);
    if (*out == FRAME_NONE)
        return -ENOMEM;
    r = fill_page(vm, call, object, index, *out);
    if (r == 0)
        r = vm_page_reserve(vm, &object->pages, index);
    if (r < 0) {
        vm_frame_drop(vm, *out);
        return r;
    }
    vm_page_set(&object->pages, index, *out);
    return 0;
}
