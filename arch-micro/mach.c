/* SPDX-License-Identifier: MIT
 *
 * arch-micro/mach.c: messages as the first generation sent them (Accetta et al., "Mach: A New Kernel Foundation for UNIX
 * Development", USENIX 1986), for `micro:mach`.
 *
 * A send looks the port's name up in the table of names, checks the right, allocates a message in the kernel, copies
 * header and body in, queues it, and leaves the rest to the scheduler. The receiver, when it runs, copies the message out to
 * itself and frees it. An answer is such a message to a reply port, whose send-once right is made for each call and
 * spent by the answer. Bulk data goes the same way (copy.c): into the kernel, and out again.
 *
 * The costs are real: the hash chains, the type descriptor for each word that is checked on both sides, and the buffer are
 * walked, not modelled.
 */
#include "arch-micro/kernel.h"
#include "guest/heap.h"
#include "guest/print.h"

/* The header says of each word what it is (mach_msg_type_t): checked when copied in and when copied out. */
#define TYPE_INTEGER 2u
#define TYPE_BITS 64u
#define TYPE(type, bits) ((type) << 8 | (bits))

struct mach_message {
    uint32_t bits, size;
    uint32_t remote_port, local_port; /* names: destination, and where the answer goes */
    uint32_t kind, id;
    struct {
        uint32_t type, reserved;
        uint64_t value;
    } body[MESSAGE_WORDS];
    unsigned words;
};

#define BITS_SEND 17u
#define BITS_SEND_ONCE 18u

/* ---- names of ports ---- */

#define PORT_BUCKETS 32

struct port_right {
    struct port_right *next;
    uint32_t name, type;
    const void *port; /* an endpoint, or for a send-once right the task that waits for the answer */
};

static struct port_right *ports[PORT_BUCKETS];

static struct port_right **bucket_of(uint32_t name)
{
    return &ports[name * 2654435761u >> 27];
}

static uint32_t name_of(const void *port)
{
    return (uint32_t)((uint64_t)port >> 4);
}

static struct port_right *right_find(uint32_t name, uint32_t type)
{
    struct port_right *right = *bucket_of(name);

    while (right && (right->name != name || right->type != type))
        right = right->next;
    return right;
}

static void right_insert(const void *port, uint32_t type)
{
    struct port_right *right = heap_alloc(sizeof(*right)), **bucket = bucket_of(name_of(port));

    if (!right)
        panic("not enough memory for a port right");
    *right = (struct port_right){.next = *bucket, .name = name_of(port), .type = type, .port = port};
    *bucket = right;
}

static void right_remove(const void *port, uint32_t type)
{
    for (struct port_right **link = bucket_of(name_of(port)); *link; link = &(*link)->next)
        if ((*link)->port == port && (*link)->type == type) {
            struct port_right *right = *link;

            *link = right->next;
            heap_free(right, sizeof(*right));
            return;
        }
}

void mach_port_create(const struct endpoint *endpoint)
{
    right_insert(endpoint, BITS_SEND);
}

void mach_port_destroy(const struct endpoint *endpoint)
{
    right_remove(endpoint, BITS_SEND);
}

/* ---- messages ---- */

static void copy_in(struct mach_message *message, const uint64_t *words, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        message->body[i].type = TYPE(TYPE_INTEGER, TYPE_BITS);
        message->body[i].value = words[i];
    }
    message->words = count;
    message->size = (uint32_t)(__builtin_offsetof(struct mach_message, body) + count * sizeof(message->body[0]));
}

static void copy_out(const struct mach_message *message, volatile uint64_t *words)
{
    for (unsigned i = 0; i < message->words; i++) {
        if (message->body[i].type != TYPE(TYPE_INTEGER, TYPE_BITS))
            panic("a message's word %u has type %x", i, message->body[i].type);
        words[i] = message->body[i].value;
    }
}

static struct mach_message *message_create(const struct task *from, uint32_t bits, uint32_t remote)
{
    struct mach_message *message = heap_alloc(sizeof(*message));

    if (!message)
        panic("not enough memory for a message");
    message->bits = bits;
    message->remote_port = remote;
    message->local_port = name_of(from);
    message->kind = from->kind;
    message->id = from->nr;
    return message;
}

static void words_of(const struct task *from, uint64_t words[6])
{
    const struct user_regs *in = &from->thread.context->regs;

    if (from->kind == MSG_CALL) {
        words[0] = in->rdi;
        words[1] = in->rsi;
        words[2] = in->rdx;
        words[3] = in->r10;
        words[4] = in->r8;
        words[5] = in->r9;
        return;
    }
    for (unsigned i = 0; i < 6; i++)
        words[i] = from->word[i];
}

void mach_put(struct task *from)
{
    struct mach_message *message = message_create(from, BITS_SEND, name_of(from->to));
    uint64_t words[6];

    if (!right_find(message->remote_port, BITS_SEND))
        panic("a message to a port that is not there");
    right_insert(from, BITS_SEND_ONCE);
    if (from->kind == MSG_REQUEST) {
        copy_in(message, (const uint64_t *)message_page(from), MESSAGE_WORDS);
    } else {
        words_of(from, words);
        copy_in(message, words, 6);
    }
    from->buffer = message;
}

void mach_drop(struct task *from)
{
    right_remove(from, BITS_SEND_ONCE);
    heap_free(from->buffer, sizeof(struct mach_message));
    from->buffer = NULL;
}

__attribute__((noinline)) static void message_take(struct task *to, const struct task *from)
{
    const struct mach_message *message = from->buffer;
    struct user_regs *out = &to->thread.context->regs;
    uint64_t words[MESSAGE_WORDS];

    out->rax = ipc_label(from);
    if (from->kind == MSG_REQUEST) {
        copy_out(message, (volatile uint64_t *)message_page(to));
        return;
    }
    copy_out(message, words);
    out->rdi = words[0];
    out->rsi = words[1];
    out->rdx = words[2];
    out->r10 = words[3];
    out->r8 = words[4];
    out->r9 = words[5];
}

void mach_take(struct task *to, struct task *from)
{
    message_take(to, from);
    heap_free(from->buffer, sizeof(struct mach_message));
    from->buffer = NULL;
    ipc_taken(to, from);
}

/* The answer's words: what the general path moves, by way of a message. */
static unsigned answer_words(const struct task *to, const struct task *from, long result, uint64_t words[MESSAGE_WORDS])
{
    const struct user_regs *in = &from->thread.context->regs;

    if (to->kind == MSG_REQUEST) {
        const uint64_t *page = (const uint64_t *)message_page(from) + MESSAGE_WORDS - MESSAGE_ANSWER_WORDS;

        for (unsigned i = 0; i < MESSAGE_ANSWER_WORDS; i++)
            words[i] = page[i];
        return MESSAGE_ANSWER_WORDS;
    }
    words[0] = (uint64_t)result;
    words[1] = in->r10;
    words[2] = in->r8;
    words[3] = in->r9;
    return to->kind == MSG_PLAIN ? 4 : 1;
}

__attribute__((noinline)) static void message_take_answer(struct task *to, const struct mach_message *message)
{
    uint64_t words[MESSAGE_WORDS] = {0};

    if (to->kind == MSG_REQUEST) {
        copy_out(message, (volatile uint64_t *)message_page(to) + MESSAGE_WORDS - MESSAGE_ANSWER_WORDS);
        to->result = 0;
        return;
    }
    copy_out(message, words);
    to->result = (long)words[0];
    for (unsigned i = 0; i < 3; i++)
        to->answer[i] = words[1 + i];
}

void mach_answer(struct task *to, struct task *from, long result)
{
    struct port_right *right = right_find(name_of(to), BITS_SEND_ONCE);
    struct mach_message *message;
    uint64_t words[MESSAGE_WORDS];

    if (!right)
        panic("task %u waits without a reply port", to->handle);
    message = message_create(from, BITS_SEND_ONCE, right->name);
    copy_in(message, words, answer_words(to, from, result, words));
    right_remove(to, BITS_SEND_ONCE);
    message_take_answer(to, message);
    heap_free(message, sizeof(*message));
}
