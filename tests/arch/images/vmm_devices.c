/* SPDX-License-Identifier: MIT
 *
 * tests/arch/images/vmm_devices.c: attacks by way of the virtual devices: corrupt queues, foreign memory
 * (vmm_attacks.def).
 */

#include "tests/arch/images/vmm_queue.h"

/* Cycles. */
uint64_t now(void)
{
    return kit_read(MMIO_CLOCK) | (uint64_t)kit_read(MMIO_CLOCK + 4) << 32;
}

/* ---- queues ---- */

struct queue queue;

static uint32_t status(void)
{
    return kit_read(queue.device + VIRTIO_MMIO_STATUS);
}

static void reset(uint64_t device)
{
    queue.device = device;
    kit_write(device + VIRTIO_MMIO_STATUS, 0);
    kit_write(device + VIRTIO_MMIO_STATUS, 3);
    kit_write(device + VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
    kit_write(device + VIRTIO_MMIO_DRIVER_FEATURES, 1);
    kit_write(device + VIRTIO_MMIO_STATUS, 11);
}

static void set_queue(unsigned number, uint32_t size, uint64_t descriptors, uint64_t available, uint64_t used)
{
    uint64_t device = queue.device;

    kit_write(device + VIRTIO_MMIO_QUEUE_SEL, number);
    kit_write(device + VIRTIO_MMIO_QUEUE_NUM, size);
    kit_write(device + VIRTIO_MMIO_QUEUE_DESC_LOW, (uint32_t)descriptors);
    kit_write(device + VIRTIO_MMIO_QUEUE_DESC_HIGH, (uint32_t)(descriptors >> 32));
    kit_write(device + VIRTIO_MMIO_QUEUE_AVAIL_LOW, (uint32_t)available);
    kit_write(device + VIRTIO_MMIO_QUEUE_AVAIL_HIGH, (uint32_t)(available >> 32));
    kit_write(device + VIRTIO_MMIO_QUEUE_USED_LOW, (uint32_t)used);
    kit_write(device + VIRTIO_MMIO_QUEUE_USED_HIGH, (uint32_t)(used >> 32));
    kit_write(device + VIRTIO_MMIO_QUEUE_READY, 1);
    kit_write(device + VIRTIO_MMIO_STATUS, 15);
}

void start(uint64_t device, unsigned number)
{
    queue.at = kit_frame();
    kit_frame();
    kit_frame();
    queue.descriptor = (struct vring_desc *)queue.at;
    queue.available = (struct vring_avail *)(queue.at + PAGE);
    queue.used = (struct vring_used *)(queue.at + 2 * PAGE);
    reset(device);
    set_queue(number, SIZE, queue.at, queue.at + PAGE, queue.at + 2 * PAGE);
}

void describe(unsigned n, uint64_t address, uint64_t bytes, uint16_t flags, unsigned next)
{
    queue.descriptor[n].addr = address;
    queue.descriptor[n].len = (uint32_t)bytes;
    queue.descriptor[n].flags = flags;
    queue.descriptor[n].next = (uint16_t)next;
}

void notify(unsigned number)
{
    kit_write(queue.device + VIRTIO_MMIO_QUEUE_NOTIFY, number);
}

void post(unsigned head)
{
    queue.available->ring[queue.available->idx % SIZE] = (uint16_t)head;
    queue.available->idx++;
}

/* Until so many are used, or the device is broken, or it takes too long. */
static void await(unsigned count)
{
    uint64_t end = now() + 100 * MS;

    while (now() < end && queue.used->idx != count && !(status() & RESET))
        ;
}

static long broken(void)
{
    return status() & RESET;
}

/* ---- queues that cannot be ---- */

static long queue_of(uint32_t size, uint64_t descriptors, uint64_t available, uint64_t used)
{
    reset(DISK);
    set_queue(0, size, descriptors, available, used);
    notify(0);
    return broken();
}

#define QUEUE(name, ...)                                                                                               \
    long attack_##name(void)                                                                                           \
    {                                                                                                                  \
        uint64_t at = kit_frame();                                                                                     \
                                                                                                                       \
        ((volatile uint16_t *)at)[1] = 1;                                                                              \
        return queue_of(__VA_ARGS__);                                                                                  \
    }

QUEUE(queue_of_0, 0, at, at, at)
QUEUE(queue_of_3, 3, at, at, at)
QUEUE(queue_of_256, 256, at, at, at)
QUEUE(queue_of_all_ones, ~0u, at, at, at)
QUEUE(queue_misaligned, 8, at + 1, at, at)
QUEUE(queue_ring_behind_memory, 8, at, BEYOND, at)
QUEUE(queue_ring_straddling_memory, 8, at, BEYOND - 2, at)
QUEUE(queue_ring_wrapping, 8, at, -4ul, at)
QUEUE(queue_descriptors_behind_memory, 8, BEYOND, at, at)
QUEUE(queue_descriptors_in_monitor, 8, MONITOR_IMAGE, at, at)
QUEUE(queue_descriptors_in_device, 8, MMIO_LAPIC, at, at)

/* ---- chains that cannot be ---- */

static long chain_of_disk(void)
{
    post(0);
    notify(0);
    await(1);
    return broken();
}

long attack_chain_loop(void)
{
    start(DISK, 0);
    describe(0, queue.at, 16, VRING_DESC_F_NEXT, 1);
    describe(1, queue.at, 16, VRING_DESC_F_NEXT, 0);
    return chain_of_disk();
}

long attack_chain_out_of_table(void)
{
    start(DISK, 0);
    describe(0, queue.at, 16, VRING_DESC_F_NEXT, 4096);
    return chain_of_disk();
}

long attack_chain_head_out_of_table(void)
{
    start(DISK, 0);
    post(40000);
    notify(0);
    return broken();
}

long attack_chain_indirect(void)
{
    start(DISK, 0);
    describe(0, queue.at, 16, VRING_DESC_F_INDIRECT, 0);
    return chain_of_disk();
}

long attack_chain_of_wrong_order(void)
{
    start(DISK, 0);
    describe(0, queue.at, 16, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 1);
    describe(1, queue.at, 16, 0, 0);
    return chain_of_disk();
}

long attack_chains_more_than_queue(void)
{
    start(DISK, 0);
    queue.available->idx = 30000;
    notify(0);
    return broken();
}

/* ---- requests of the disk ---- */

static struct virtio_blk_outhdr *header;
static volatile uint8_t *result;

/* Header, one segment of data, status; -1 when it was not answered. */
static long request(uint32_t type, uint64_t sector, uint64_t address, uint64_t bytes)
{
    start(DISK, 0);
    header = (struct virtio_blk_outhdr *)(queue.at + 3072);
    result = (uint8_t *)(queue.at + 3090);
    *header = (struct virtio_blk_outhdr){.type = type, .sector = sector};
    *result = 0xff;
    describe(0, (uint64_t)header, sizeof(*header), VRING_DESC_F_NEXT, 1);
    describe(1, address, bytes, VRING_DESC_F_NEXT | (type == VIRTIO_BLK_T_IN ? VRING_DESC_F_WRITE : 0), 2);
    describe(2, (uint64_t)result, 1, VRING_DESC_F_WRITE, 0);
    post(0);
    notify(0);
    await(1);
    return broken() ? RESET : *result == 0xff ? -1 : *result;
}

static uint64_t sectors(void)
{
    return kit_read(DISK + VIRTIO_MMIO_CONFIG) | (uint64_t)kit_read(DISK + VIRTIO_MMIO_CONFIG + 4) << 32;
}

#define REQUEST(name, type, ...)                                                                                       \
    long attack_##name(void)                                                                                           \
    {                                                                                                                  \
        uint64_t at = kit_frame();                                                                                     \
                                                                                                                       \
        (void)at;                                                                                                      \
        return request(VIRTIO_BLK_T_##type, __VA_ARGS__);                                                              \
    }

REQUEST(disk_read, IN, 0, at, SECTOR)
REQUEST(disk_read_behind_slice, IN, sectors(), at, SECTOR)
REQUEST(disk_write_behind_slice, OUT, sectors(), at, SECTOR)
REQUEST(disk_write_before_slice, OUT, -sectors(), at, SECTOR)
REQUEST(disk_write_straddling_slice, OUT, sectors() - 1, at, 2 * SECTOR)
REQUEST(disk_write_wrapping, OUT, ~0ul, at, 2 * SECTOR)
REQUEST(disk_odd_bytes, OUT, 0, at, 100)
REQUEST(disk_no_bytes, IN, 0, at, 0)
REQUEST(disk_unknown_request, GET_ID + 1000, 0, at, SECTOR)
REQUEST(disk_dma_behind_memory, IN, 0, BEYOND, SECTOR)
REQUEST(disk_dma_straddling_memory, IN, 0, BEYOND - 256, SECTOR)
REQUEST(disk_dma_in_monitor, IN, 0, MONITOR_IMAGE, SECTOR)
REQUEST(disk_dma_wrapping, IN, 0, -256ul, SECTOR)
REQUEST(disk_dma_into_device, IN, 0, MMIO_LAPIC, SECTOR)
REQUEST(disk_dma_from_behind_memory, OUT, 0, BEYOND, SECTOR)

long attack_disk_request_of_one_part(void)
{
    start(DISK, 0);
    describe(0, queue.at, 16, 0, 0);
    return chain_of_disk();
}

long attack_disk_status_of_many_bytes(void)
{
    start(DISK, 0);
    describe(0, queue.at, 16, VRING_DESC_F_NEXT, 1);
    describe(1, queue.at, 4096, VRING_DESC_F_WRITE, 0);
    return chain_of_disk();
}

long attack_disk_status_behind_memory(void)
{
    start(DISK, 0);
    *(struct virtio_blk_outhdr *)(queue.at + 3072) = (struct virtio_blk_outhdr){.type = VIRTIO_BLK_T_FLUSH};
    describe(0, queue.at + 3072, 16, VRING_DESC_F_NEXT, 1);
    describe(1, BEYOND, 1, VRING_DESC_F_WRITE, 0);
    return chain_of_disk();
}

/* ---- DMA into page tables ---- */

static bool write_page(uint64_t sector, uint64_t page)
{
    return request(VIRTIO_BLK_T_OUT, sector, page, PAGE) == 0;
}

/* What comes from the disk into a table in use is its new content. */
long attack_dma_into_own_tables(void)
{
    uint64_t root = kit_root(), first = kit_frame(), second = kit_frame(), table;

    kit_map(root, PLACE, second | P | W);
    table = (uint64_t)kit_entry(root, PLACE, 0) & ~(PAGE - 1);
    if (!write_page(8, table))
        return -1;
    *(uint64_t *)first = 1;
    *(uint64_t *)second = 2;
    *(volatile uint64_t *)table = first | P | W;
    enter(root);
    if (load(PLACE) != RETURNED || loaded != 1)
        return -2;
    if (request(VIRTIO_BLK_T_IN, 8, table, PAGE))
        return -3;
    write_cr3(root);
    return load(PLACE) == RETURNED ? (long)loaded : -4;
}

/* The same, but the page becomes a table while the disk is at it. */
long attack_dma_into_tables_to_be(void)
{
    uint64_t root = kit_root(), first = kit_frame(), second = kit_frame(), table;

    kit_map(root, PLACE, second | P | W);
    table = (uint64_t)kit_entry(root, PLACE, 0) & ~(PAGE - 1);
    if (!write_page(8, table))
        return -1;
    *(uint64_t *)first = 1;
    *(uint64_t *)second = 2;
    *(volatile uint64_t *)table = first | P | W;
    start(DISK, 0);
    header = (struct virtio_blk_outhdr *)(queue.at + 3072);
    *header = (struct virtio_blk_outhdr){.type = VIRTIO_BLK_T_IN, .sector = 8};
    describe(0, (uint64_t)header, sizeof(*header), VRING_DESC_F_NEXT, 1);
    describe(1, table, PAGE, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, 2);
    describe(2, queue.at + 3090, 1, VRING_DESC_F_WRITE, 0);
    post(0);
    notify(0);
    enter(root);
    if (load(PLACE) != RETURNED || loaded != 1)
        return -2;
    await(1);
    write_cr3(root);
    return load(PLACE) == RETURNED ? (long)loaded : -4;
}

/* The queue itself is in page tables in use. */
long attack_queue_on_tables(void)
{
    uint64_t root = kit_root(), table;

    kit_map(root, PLACE, kit_frame() | P | W);
    table = (uint64_t)kit_entry(root, PLACE, 0) & ~(PAGE - 1);
    enter(root);
    load(PLACE);
    reset(DISK);
    set_queue(0, 8, table + 1024, table + 2048, table + 3072);
    for (unsigned i = 0; i < 50; i++) {
        load(PLACE);
        ((volatile struct vring_desc *)(table + 1024))[0] =
            (struct vring_desc){.addr = table, .len = 16, .flags = VRING_DESC_F_NEXT, .next = 0};
        ((volatile struct vring_avail *)(table + 2048))->idx = (uint16_t)(i + 1);
        notify(0);
    }
    return load(PLACE) == RETURNED ? broken() : -1;
}

/* What the device writes is what it reads. */
long attack_queue_rings_overlap(void)
{
    uint64_t at = kit_frame();

    reset(CONSOLE);
    set_queue(RECEIVE, SIZE, at, at + 2048, at + 2048);
    for (unsigned i = 0; i < SIZE; i++)
        ((volatile struct vring_desc *)at)[i] = (struct vring_desc){.addr = at, .len = 64, .flags = VRING_DESC_F_WRITE};
    ((volatile struct vring_avail *)(at + 2048))->idx = SIZE - 1;
    notify(RECEIVE);
    reset(CONSOLE);
    return 0;
}

/* ---- many ---- */

/* All that a queue can hold, all for input that there is not. */
long attack_console_128_buffers(void)
{
    uint64_t at = kit_frame();

    start(CONSOLE, RECEIVE);
    for (unsigned i = 0; i < SIZE; i++) {
        describe(i, at, 16, VRING_DESC_F_WRITE, 0);
        post(i);
    }
    notify(RECEIVE);
    await(SIZE);
    return queue.used->idx;
}

long attack_console_buffer_behind_memory(void)
{
    start(CONSOLE, RECEIVE);
    describe(0, BEYOND, 16, VRING_DESC_F_WRITE, 0);
    post(0);
    notify(RECEIVE);
    return broken();
}

long attack_console_print_behind_memory(void)
{
    start(CONSOLE, TRANSMIT);
    describe(0, BEYOND - 8, 16, 0, 0);
    post(0);
    notify(TRANSMIT);
    return broken();
}

long attack_console_print_nothing(void)
{
    start(CONSOLE, TRANSMIT);
    for (unsigned i = 0; i < SIZE; i++) {
        describe(i, BEYOND, 0, 0, 0);
        post(i);
    }
    notify(TRANSMIT);
    await(SIZE);
    return queue.used->idx;
}

/* So many requests of so many segments that the machine's disk has no room for others'. */
void fill_disk(unsigned requests, unsigned segments)
{
    uint64_t at = kit_frame(), headers = kit_frame();

    start(DISK, 0);
    for (unsigned i = 0; i < requests; i++) {
        unsigned first = i * (segments + 2), n = first;

        ((struct virtio_blk_outhdr *)headers)[i] = (struct virtio_blk_outhdr){.type = VIRTIO_BLK_T_IN, .sector = i};
        describe(n, headers + i * 16, 16, VRING_DESC_F_NEXT, n + 1);
        for (n++; n <= first + segments; n++)
            describe(n, at, SECTOR, VRING_DESC_F_NEXT | VRING_DESC_F_WRITE, n + 1);
        describe(n, at + 3000, 1, VRING_DESC_F_WRITE, 0);
        post(first);
    }
    notify(0);
}

long attack_disk_many_segments(void)
{
    fill_disk(1, 126);
    await(1);
    return queue.used->idx;
}

long attack_disk_many_requests(void)
{
    fill_disk(42, 1);
    await(42);
    return queue.used->idx;
}

/* One request is in all places of the queue. */
long attack_disk_one_request_everywhere(void)
{
    fill_disk(1, 1);
    for (unsigned i = 1; i < SIZE; i++)
        post(0);
    notify(0);
    await(SIZE);
    return queue.used->idx;
}

long attack_reset_in_flight(void)
{
    for (unsigned i = 0; i < 20; i++)
        fill_disk(2, 40);
    reset(DISK);
    return request(VIRTIO_BLK_T_IN, 0, kit_frame(), SECTOR);
}

static uint64_t random_state = 88172645463325252ul;

uint32_t random32(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (uint32_t)(random_state >> 32);
}

/* Anything into all registers of a device, memory as it may be. */
static long any_registers(uint64_t device)
{
    uint64_t at = kit_frame();

    for (unsigned i = 0; i < 1500; i++) {
        uint64_t reg = device + random32() % 0x110;
        uint32_t value = random32() % 4 ? random32() % 16 : random32() % 2 ? (uint32_t)at : random32();

        switch (random32() % 5) {
        case 0:
            *(volatile uint8_t *)reg = (uint8_t)value;
            break;
        case 1:
            *(volatile uint64_t *)(reg & ~7ul) = value;
            break;
        case 2:
            loaded = *(volatile uint16_t *)(reg & ~1ul);
            break;
        default:
            kit_write(reg & ~3ul, value);
        }
        ((volatile uint32_t *)at)[random32() % 1024] = random32() % 8;
    }
    kit_write(device + VIRTIO_MMIO_STATUS, 0);
    return 0;
}

long attack_disk_any_registers(void)
{
    return any_registers(DISK);
}

long attack_console_any_registers(void)
{
    return any_registers(CONSOLE);
}

long attack_disk_notify_any_queue(void)
{
    start(DISK, 0);
    for (unsigned i = 0; i < 300; i++)
        notify(i < 200 ? i : random32());
    return broken();
}
