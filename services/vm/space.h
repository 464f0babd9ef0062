/* SPDX-License-Identifier: MIT
 *
 * services/vm/space.h: vm's inside: what an address space is made of.
 *
 *     member ──► space ──► areas   what addresses mean (mmap's view), a tree by start
 *     (a pid)          └─► pages   which frame is behind which page, a tree of leaves
 *     area ──► object ──► pages    memory that several spaces see: a file, shared memory
 *
 * Frames are counted: one for each page of a space and each page of an object that
 * holds it. A private page may be written in place if its count is 1, else it is
 * copied first (copy on write). A page of a file's object is counted by the object,
 * so a private mapping of it is always copied.
 *
 * An entry of a page map is the frame's address with PAGE_* bits in its low 12 bits.
 * The placement's page table holds a page if and only if PAGE_MAPPED is set, and
 * lets it be written if and only if PAGE_WRITABLE is set.
 */
#ifndef RINGSIDE_SERVICES_VM_SPACE_H
#define RINGSIDE_SERVICES_VM_SPACE_H

#include <stdbool.h>
#include <linux/mman.h>

#include "services/host.h"
#include "services/requests.h"
#include "services/vm/tree.h"
#include "services/vm/vm.h"

#define PAGE_SIZE 4096ul
#define PAGE_SHIFT 12
#define PAGE_MASK (PAGE_SIZE - 1)

#define PAGE_MAPPED 1ul   /* in the placement's page table */
#define PAGE_WRITABLE 2ul /* … and writable there */
#define PAGE_PRIVATE 4ul  /* this space's own contents, or shared only by copy on write */

#define LEAF_PAGES 16
#define MEMBER_BUCKETS 64
#define AREAS_MAX 65530        /* Linux's default vm.max_map_count */
#define MAP_LOWEST 0x10000ul   /* Linux's default vm.mmap_min_addr */
#define STACK_GUARD (256 * PAGE_SIZE) /* kept free below a stack, as Linux's stack_guard_gap */

struct vm_leaf {
    struct vm_node node; /* key: page number / LEAF_PAGES */
    uint32_t used;       /* entries that are not 0 */
    uint64_t entry[LEAF_PAGES];
};

struct vm_pages {
    struct vm_tree leaves;
    struct vm_leaf *last; /* where the last lookup ended */
    size_t used;
};

enum vm_object_kind { OBJECT_SHARED, OBJECT_FILE };

struct vm_object {
    struct vm_object *next; /* in vm->files; newest use first */
    enum vm_object_kind kind;
    uint32_t users; /* areas that name it */
    uint64_t handle, inode, version; /* OBJECT_FILE: fs's handle, one reference is ours */
    struct vm_pages pages;
};

enum vm_area_flags { AREA_SHARED = 1, AREA_STACK = 2, AREA_RESERVED = 4 /* sealed: VM_RESERVE */ };

struct vm_area {
    struct vm_node node; /* key: first address */
    uint64_t end;
    uint32_t prot, flags;
    struct vm_object *object; /* NULL: private anonymous memory */
    uint64_t index;           /* page of the object at the area's start */
    uint64_t fill_end;        /* the page that holds this address has the object's bytes below it and zeros from
                                 it on; 0: no such page */
};

/* Soft limits of setrlimit, in bytes. */
struct vm_limits {
    uint64_t space, data, stack;
};

struct vm_space {
    long id; /* the placement's */
    bool limited; /* a member's limits are not the first ones */
    uint32_t users;
    uint32_t area_count;
    struct vm_tree areas;
    struct vm_area *last;
    struct vm_pages pages;
    uint64_t brk_start, brk_end;
};

struct vm_member {
    struct vm_member *next;
    struct vm_space *space;
    struct vm_limits limits;
    int32_t pid;
};

struct vm {
    const struct host *host;
    const struct vm_host *mmu;
    uint64_t frame_limit;
    uint32_t **counts; /* frame number → references, in pages of COUNTS_EACH */
    struct vm_object *files;
    struct vm_member *members[MEMBER_BUCKETS];
};

static inline uint64_t page_up(uint64_t bytes)
{
    return (bytes + PAGE_MASK) & ~PAGE_MASK;
}

static inline frame_t entry_frame(uint64_t entry)
{
    return entry & ~PAGE_MASK;
}

static inline uint64_t area_start(const struct vm_area *area)
{
    return area->node.key;
}

static inline uint64_t area_index(const struct vm_area *area, uint64_t address)
{
    return area->index + ((address - area_start(area)) >> PAGE_SHIFT);
}

/* What the page table is told: x86 has no page that can be written or executed but not read. */
static inline unsigned hardware_prot(uint32_t prot, bool writable)
{
    return VM_PROT_READ | (prot & VM_PROT_EXEC) | (writable ? VM_PROT_WRITE : 0);
}

static inline struct vm_area *area_of(struct vm_node *node)
{
    return (struct vm_area *)node; /* node is its first member */
}

/* frames.c: memory, counted. Allocation takes back cached file pages before it gives up. */
void *vm_alloc(struct vm *vm, size_t bytes);
bool vm_counts_create(struct vm *vm);
void vm_counts_destroy(struct vm *vm);
frame_t vm_frame_new(struct vm *vm); /* one reference; FRAME_NONE without memory */
void vm_frame_hold(struct vm *vm, frame_t frame);
void vm_frame_drop(struct vm *vm, frame_t frame); /* frees it with the last reference */
uint32_t vm_frame_count(const struct vm *vm, frame_t frame);

/* pages.c: page maps. Page numbers, not addresses. */
uint64_t vm_page_get(struct vm_pages *pages, uint64_t page); /* entry; 0: none */
/* Makes room for an entry, so that vm_page_set cannot fail. */
long vm_page_reserve(struct vm *vm, struct vm_pages *pages, uint64_t page);
void vm_page_set(struct vm_pages *pages, uint64_t page, uint64_t entry);
/* Frees what a vm_page_reserve or a vm_page_set to 0 left empty. */
void vm_page_trim(struct vm *vm, struct vm_pages *pages, uint64_t page);
void vm_page_prune(struct vm *vm, struct vm_pages *pages, uint64_t start, uint64_t end); /* … in a range */
/* Moves *page to the first used page in [*page, end); its entry, or 0: none. */
uint64_t vm_page_next(struct vm_pages *pages, uint64_t *page, uint64_t end);

/* objects.c */
struct vm_object *vm_object_shared(struct vm *vm); /* one user; NULL without memory */
/* The object of a file; fs's handle stays the caller's. 0 with one more user, or -errno. */
long vm_object_file(struct vm *vm, struct call *call, uint64_t handle, struct vm_object **out);
void vm_object_hold(struct vm_object *object);
void vm_object_release(struct vm *vm, struct vm_object *object);
/* A page of it, from the disk if it must be: 0, -ENOMEM, -EIO beyond the end, or CALL_WAIT. The reference is the
 * object's. */
long vm_object_page(struct vm *vm, struct call *call, struct vm_object *object, uint64_t index, frame_t *out);
long vm_ask_fs(struct vm *vm, struct call *call, struct request *rq);

/* areas.c */
struct vm_area *vm_area_find(struct vm_space *space, uint64_t address);  /* that contains it */
struct vm_area *vm_area_after(struct vm_space *space, uint64_t address); /* first that ends above it */
struct vm_area *vm_area_next(struct vm_area *area);
void vm_area_insert(struct vm_space *space, struct vm_area *area, uint64_t start);
void vm_area_free(struct vm *vm, struct vm_area *area); /* not in a space any more; releases its object */
/* Makes `address` a border between areas, if it lies in one. 0 or -ENOMEM. */
long vm_area_split(struct vm *vm, struct vm_space *space, uint64_t address);
/* Joins an area with its neighbours where nothing tells them apart. */
void vm_area_merge(struct vm *vm, struct vm_space *space, struct vm_area *area);
/* To a place where nothing is; its pages are moved already. */
void vm_area_move(struct vm *vm, struct vm_space *space, struct vm_area *area, uint64_t start, uint64_t bytes);
bool vm_range_free(struct vm_space *space, uint64_t start, uint64_t end);    /* no area there */
bool vm_range_covered(struct vm_space *space, uint64_t start, uint64_t end); /* no hole there */
bool vm_range_sealed(struct vm_space *space, uint64_t start, uint64_t end);  /* some of it is reserved */
uint64_t vm_gap_find(struct vm_space *space, uint64_t bytes);                /* 0: none */
/* Unmaps everything in a range that begins and ends at borders of areas. */
void vm_range_remove(struct vm *vm, struct vm_space *space, uint64_t start, uint64_t end);
void vm_range_drop(struct vm *vm, struct vm_space *space, uint64_t start, uint64_t end); /* the pages only */
/* A new area replaces what is in its range: 0, or -ENOMEM and nothing has changed. Takes over the caller's reference
 * to the object when it succeeds. */
struct vm_mapping {
    uint64_t start, end;
    uint32_t prot, flags;
    struct vm_object *object;
    uint64_t index, fill_end;
};
long vm_area_create(struct vm *vm, struct vm_space *space, const struct vm_mapping *mapping);

/* protect.c */
long vm_range_protect(struct vm *vm, struct vm_space *space, uint64_t start, uint64_t end, uint32_t prot);

/* spaces.c */
struct vm_space *vm_space_of(const struct vm *vm, int pid); /* NULL: none */
long vm_space_create(struct vm *vm, int pid);
long vm_space_fork(struct vm *vm, int child, int parent);
long vm_space_share(struct vm *vm, int child, int parent);
long vm_space_exec(struct vm *vm, int pid);
long vm_space_exit(struct vm *vm, int pid);

struct vm_limits *vm_limits_of(const struct vm *vm, int pid); /* of a member */

/* limits.c: whether `bytes` more of such memory are within the limits of `pid`, if what is at `place` goes for them (0:
 * nothing). */
bool vm_may_grow(const struct vm *vm, int pid, struct vm_space *space, uint64_t bytes, uint64_t place, uint32_t prot,
                 uint32_t flags);
long vm_limit(struct vm *vm, struct request *rq);

/* requests.c, poke.c */
long vm_request(void *self, struct request *rq);
long vm_poke(struct vm *vm, struct request *rq);
long vm_reserve(struct vm *vm, struct request *rq);

/* fault.c: makes the page at `address` of a private area the space's own copy, whatever its protection: its frame. */
long vm_page_own(struct vm *vm, struct call *call, struct vm_space *space, struct vm_area *area, uint64_t address,
                 frame_t *frame);

/* Calls: mmap.c, protect.c, advise.c, remap.c, fault.c. */
call_op vm_call_mmap, vm_call_munmap, vm_call_brk, vm_call_mprotect, vm_call_madvise, vm_call_msync, vm_call_mremap,
    vm_call_fault;
/* More than the machine's memory at once: refused, as Linux's heuristic overcommit does. */
bool vm_too_much(const struct vm *vm, uint64_t bytes);

#endif
