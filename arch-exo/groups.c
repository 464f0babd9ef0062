/* SPDX-License-Identifier: MIT
 *
 * arch-exo/groups.c: a group's own memory: the region that all of its spaces have, with the library in it, from its
 * start to its end.
 */
#include "abi/devices.h"
#include "arch-exo/kernel.h"
#include "guest/image.h"
#include "guest/print.h"
#include "guest/tables.h"

/* ---- the region ---- */

struct space *space_at(struct list *link)
{
    return space_of(LIST_MEMBER(link, struct place, link) - kernel.place);
}

void drop_translations(struct group *group)
{
    for (struct list *link = group->spaces.next; link != &group->spaces; link = link->next)
        space_flush(space_at(link));
}

/* The tables are the same in all spaces of the group, so only a change of what was there has to be made
 * known to them. */
long shared_map(struct group *group, uint64_t address, uint64_t frame, unsigned rights)
{
    bool was = space_held(group->shared, address);
    size_t before = frames_available();
    long result = 0;

    if (frame) {
        result = space_map(group->shared, address, frame, rights);
        group->tables += before - frames_available();
    } else
        space_unmap(group->shared, address, 1, NULL);
    if (was)
        drop_translations(group);
    return result;
}

/* Its module's; and its number, if another one has that. */
static void name_group(struct group *group)
{
    unsigned n = 0;

    for (; group->module->name[n]; n++)
        group->name[n] = group->module->name[n];
    if (group->number > kernel.boot->module_count) {
        group->name[n++] = '.';
        group->name[n] = (char)('0' + group->number);
    }
}

/* The first table of each GiB exists from the start, so that spaces can point to it. */
void group_create(unsigned number, const struct boot_module *module)
{
    struct group *group = &kernel.group[number - 1];
    uint64_t ram = kernel.boot->ram_bytes;

    *group = (struct group){.number = number, .module = module, .shared = space_create()};
    name_group(group);
    group_alarm_init(group);
    list_init(&group->spaces);
    group->gibibytes = 2 + (unsigned)((ram + LEVEL_SPAN(2) - 1) / LEVEL_SPAN(2));
    if (!group->shared || !entry_make(group->shared->root, LIB_BASE, 1, group->shared))
        panic("not enough memory for group %u", number);
    for (uint64_t offset = 0; offset < ram; offset += LEVEL_SPAN(2))
        if (!entry_make(group->shared->root, LIB_WINDOW + offset, 1, group->shared))
            panic("not enough memory for group %u", number);
}

/* Its slot of the root is a table of its own, with the group's entries; the private one is filled by env_private. */
static bool add_library(struct group *group, struct space *space)
{
    uint64_t *entry = entry_make(space->root, LIB_BASE, 2, space), *shared = entry_find(group->shared->root, LIB_BASE, 2);

    for (unsigned i = 0; entry && i < group->gibibytes; i++)
        entry[i] = shared[i];
    return entry;
}

struct space *group_space(struct group *group)
{
    long number = group->space_count < group_share(SPACES_MAX) ? lend_space_create(group->number) : -ENOMEM;
    struct space *space = number > 0 ? space_of(number) : NULL;

    if (!space)
        return NULL;
    if (add_library(group, space)) {
        *place_of(space) = (struct place){0};
        list_add(&group->spaces, &place_of(space)->link);
        group->space_count++;
        return space;
    }
    lend_space_destroy(space);
    return NULL;
}

/* Else the end of the space would look into the group's tables. */
void space_end(struct group *group, struct space *space)
{
    uint64_t *entry = entry_find(space->root, LIB_BASE, 2);

    for (unsigned i = 0; entry && i < group->gibibytes; i++)
        entry[i] = 0;
    list_remove(&place_of(space)->link);
    group->space_count--;
    group->tables -= place_of(space)->tables;
    lend_space_destroy(space);
}

/* ---- the library's image ---- */

static void *image_page(void *ctx, uint64_t address, unsigned rights)
{
    struct group *group = ctx;
    uint64_t frame = frame_alloc();

    if (!frame || space_map(group->shared, address, frame, rights) < 0)
        panic("not enough memory for library '%s'", group->module->name);
    return direct(frame);
}

static void map_rest(struct group *group)
{
    uint64_t boot = physical(kernel.boot) & ~(PAGE_BYTES - 1), end = physical(kernel.boot) + sizeof(*kernel.boot);

    for (uint64_t frame = boot; frame < end; frame += PAGE_BYTES)
        if (space_map(group->shared, LIB_BOOT_INFO + (frame - boot), frame, PAGE_READ) < 0)
            panic("not enough memory for library '%s'", group->module->name);
    if (space_map(group->shared, LIB_DEVICES + (MMIO_CLOCK - MMIO_BASE), MMIO_CLOCK, PAGE_READ) < 0)
        panic("not enough memory for library '%s'", group->module->name);
}

uint64_t group_load(struct group *group)
{
    const struct image_place place = {LIB_IMAGE, LIB_BOOT_INFO};

    map_rest(group);
    return image_load(group->module, &place, true, image_page, group);
}

static void free_own(uint64_t frame)
{
    if (frame >= kernel.boot->free_start && frame < MMIO_BASE && !lend_any(frame))
        frame_free(frame);
}

void groups_end(void)
{
    for (unsigned i = 0; i < kernel.groups; i++) {
        if (kernel.group[i].alarm.expired)
            alarm_cancel(&kernel.group[i].alarm);
        while (!list_empty(&kernel.group[i].spaces))
            space_end(&kernel.group[i], space_at(kernel.group[i].spaces.next));
        space_unmap(kernel.group[i].shared, LIB_BASE, (LIB_PRIVATE - LIB_BASE) / PAGE_BYTES, free_own);
        space_destroy(kernel.group[i].shared);
    }
}
