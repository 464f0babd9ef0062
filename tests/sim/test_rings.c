/* SPDX-License-Identifier: MIT
 *
 * tests/sim/test_rings.c: privilege: who may do what, how exceptions enter ring 0, how the ways out are checked.
 *
 * Most rows are one snippet at ring 3 or 0 and the first record that it leaves: vector, error code, RIP relative to the
 * snippet's start. A snippet that raises nothing ends in INT 0x80. The expectations are those of Intel SDM vol. 2
 * (exceptions of each instruction) and vol. 3A chapter 6.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "tests/sim/guest.h"

#define CODE GUEST_USER
#define STACK (GUEST_USER + 0x3000) /* top of a user page */
#define DATA (GUEST_USER + 0x5000)
#define CODE_FRAME 0x300000
#define STACK_FRAME 0x302000
#define DATA_FRAME 0x305000

/* PARAM: 0 selector CS, 8 SS, 16 RFLAGS, 24 RSP, 32 RIP. Out: 64 RAX, 72 RFLAGS at the resume point … */
SNIPPET(go,
        "lea rax, [rip + done]; mov [" AT(GUEST_CONTROL) "], rax; mov [" AT(GUEST_CONTROL) " + 8], rsp;"
        "mov ebx, " AT(GUEST_PARAM) "; push [rbx + 8]; push [rbx + 24]; push [rbx + 16]; push [rbx]; push [rbx + 32];"
        "movabs rsi, " AT(DATA) "; xor eax, eax; xor ecx, ecx; xor edx, edx; iretq;"
        "done: mov ebx, " AT(GUEST_PARAM) "; mov [rbx + 64], rax; mov ecx, ss; mov [rbx + 72], rcx; xor eax, eax; ret;");

#define S(name, text) SNIPPET(name, text "; int 0x80")

S(s_nothing, "nop");
S(s_ud2, "ud2");
S(s_div, "mov eax, 5; div ecx");
S(s_int3, "int3");
S(s_int80, "int 0x80");
S(s_int20, "int 0x20");
S(s_int13, "int 13");
S(s_into, ".byte 0xce");
S(s_hlt, "hlt");
S(s_cli, "cli");
S(s_sti, "sti");
S(s_in, "in al, dx");
S(s_in_imm, "in eax, 0x40");
S(s_out, "out dx, al");
S(s_out_word, "out 0x40, ax");
S(s_read_cr0, "mov rax, cr0");
S(s_write_cr0, "mov cr0, rax");
S(s_read_cr2, "mov rax, cr2");
S(s_write_cr3, "mov cr3, rax");
S(s_write_cr4, "mov cr4, rax");
S(s_clts, "clts");
S(s_lgdt, "lgdt [rsi]");
S(s_lidt, "lidt [rsi]");
S(s_ltr, "ltr ax");
S(s_lldt, "lldt ax");
S(s_lmsw, "lmsw ax");
S(s_rdmsr, "mov ecx, 0xc0000080; rdmsr");
S(s_wrmsr, "mov ecx, 0xc0000080; wrmsr");
S(s_invlpg, "invlpg [rsi]");
S(s_invpcid, "invpcid rax, [rsi]");
S(s_wbinvd, "wbinvd");
S(s_invd, "invd");
S(s_swapgs, "swapgs");
S(s_sysret, "lea rcx, [rip + 1f]; mov r11d, 2; sysretq; 1: nop");
S(s_rdtsc, "rdtsc");
S(s_rdtscp, "rdtscp");
S(s_load_null, "mov ds, eax");
S(s_load_beyond, "mov eax, 0x1230; mov ds, eax");
S(s_load_kernel, "mov eax, 0x10; mov ds, eax");
S(s_load_tss, "mov eax, 0x30; mov es, eax");
S(s_load_ss_null, "mov ss, eax");
S(s_load_ss_code, "mov eax, 0x2b; mov ss, eax");
S(s_read_high, "bts rax, 48; mov rax, [rax]");
S(s_write_high, "bts rax, 63; mov [rax], eax");
S(s_kernel_half, "mov rax, 0xffff800000000000; mov rax, [rax]");
S(s_invpcid_type, "mov eax, 4; invpcid rax, [rsi]");
S(s_invpcid_pcid, "mov eax, 1; mov qword ptr [rsi], 7; invpcid rax, [rsi]");
S(s_invpcid_reserved, "mov eax, 2; mov qword ptr [rsi], 0x1000; invpcid rax, [rsi]");
S(s_invpcid_high, "mov rcx, 0x8000000000000; mov [rsi + 8], rcx; invpcid rax, [rsi]");
S(s_invpcid_unmapped, "invpcid rax, [rsi - 0x1000]");
S(s_in_store, "mov eax, 5; in al, dx; mov dword ptr [rsi], 7; inc eax");
S(s_outs, "mov ecx, 3; rep outsb");
S(s_read_gdt, "mov eax, 0x90000; mov rax, [rax]");
S(s_write_tss, "mov eax, 0x92004; mov [rax], rax");
S(s_read_idt, "mov eax, 0x91000; mov rax, [rax]");
S(s_load_then_read, "mov eax, 0x23; mov ds, eax; jmp 1f; 1: mov eax, 0x90000; mov rax, [rax]");
S(s_vex_syscall, ".byte 0xc4, 0x21, 0xf0, 0x05");
S(s_sysenter, "mov eax, 1; mov ecx, 2; sysenter; mov eax, 3");
S(s_prefixed_sysenter, "mov eax, 1; .byte 0x66, 0x48; sysenter");
S(s_rdrand, "mov eax, 1; rdrand ecx; mov eax, 3");
S(s_rdseed, "rdseed rcx");
S(s_rdpid, ".byte 0xf3, 0x0f, 0xc7, 0xf8");
S(s_lock_btc, ".byte 0xf0, 0x0f, 0xbb, 0xc1");
S(s_write_fsbase, "wrfsbase rax");
S(s_lock_nop, ".byte 0xf0, 0x90");
S(s_iret_ring0, "push 0x10; push rsp; pushfq; push 8; lea rax, [rip + 1f]; push rax; iretq; 1: nop");
S(s_iret_ring3, "mov rbx, rsp; push 0x23; push rbx; pushfq; push 0x2b; lea rax, [rip + 1f]; push rax; iretq; 1: nop");
S(s_iret_cs_null, "push 0x23; push rsp; pushfq; push 0; lea rax, [rip + 1f]; push rax; iretq; 1: nop");
S(s_iret_cs_data, "push 0x23; push rsp; pushfq; push 0x10; lea rax, [rip + 1f]; push rax; iretq; 1: nop");
S(s_iret_cs_beyond, "push 0x23; push rsp; pushfq; push 0x2340; lea rax, [rip + 1f]; push rax; iretq; 1: nop");
S(s_iret_rpl, "push 0x23; push rsp; pushfq; push 0x0b; lea rax, [rip + 1f]; push rax; iretq; 1: nop");
S(s_iret_ss_null, "push 0; push rsp; pushfq; push 0x2b; lea rax, [rip + 1f]; push rax; iretq; 1: nop");
S(s_iret_ss_kernel, "push 0x13; push rsp; pushfq; push 0x2b; lea rax, [rip + 1f]; push rax; iretq; 1: nop");
S(s_iret_ss_code, "push 0x2b; push rsp; pushfq; push 0x2b; lea rax, [rip + 1f]; push rax; iretq; 1: nop");
S(s_iret_high, "push 0x23; push rsp; pushfq; push 0x2b; bts rax, 60; push rax; iretq; 1: nop");
S(s_popf_iopl, "push 0x3202; popfq; cli");
S(s_far_bad, "push 0x1238; lea rax, [rip + 1f]; push rax; retfq; 1: nop");

struct row {
    const uint8_t *code, *end;
    const char *name;
    unsigned ring;
    unsigned vector;
    uint64_t error;
    int rip; /* relative to the snippet; ANYWHERE: not checked */
};

#define ANYWHERE 1000
#define END -1 /* behind its INT 0x80: nothing was raised before */
#define ROW(name, ring, vector, error, rip) {s_##name, s_##name##_end, #name, ring, vector, error, rip}
#define BOTH(name, vector, error, rip) ROW(name, 3, vector, error, rip), ROW(name, 0, vector, error, rip)
#define RING0_ONLY(name, at) ROW(name, 3, 13, 0, at), ROW(name, 0, 0x80, 0, END)

static const struct row rows[] = {
    BOTH(nothing, 0x80, 0, END),
    BOTH(ud2, 6, 0, 0),
    BOTH(div, 0, 0, 5),
    BOTH(int3, 3, 0, 1),
    BOTH(int80, 0x80, 0, 2),
    ROW(int20, 3, 13, 0x102, 0),
    ROW(int20, 0, 0x20, 0, 2),
    ROW(int13, 3, 13, 0x6a, 0),
    BOTH(into, 6, 0, 0),
    ROW(hlt, 3, 13, 0, 0),
    RING0_ONLY(cli, 0),
    ROW(sti, 3, 13, 0, 0),
    RING0_ONLY(in, 0),
    RING0_ONLY(in_imm, 0),
    RING0_ONLY(out, 0),
    RING0_ONLY(out_word, 0),
    RING0_ONLY(read_cr0, 0),
    ROW(write_cr0, 3, 13, 0, 0),
    RING0_ONLY(read_cr2, 0),
    ROW(write_cr3, 3, 13, 0, 0),
    ROW(write_cr4, 3, 13, 0, 0),
    RING0_ONLY(clts, 0),
    ROW(lgdt, 3, 13, 0, 0),
    ROW(lidt, 3, 13, 0, 0),
    ROW(ltr, 3, 13, 0, 0),
    RING0_ONLY(lldt, 0),
    ROW(lmsw, 3, 13, 0, 0),
    RING0_ONLY(rdmsr, 5),
    ROW(wrmsr, 3, 13, 0, 5),
    RING0_ONLY(invlpg, 0),
    RING0_ONLY(invpcid, 0),
    ROW(invpcid_type, 0, 13, 0, 5),
    ROW(invpcid_pcid, 0, 13, 0, 12),
    ROW(invpcid_reserved, 0, 13, 0, 12),
    ROW(invpcid_high, 0, 13, 0, 14),
    ROW(invpcid_unmapped, 0, 14, 0, 0),
    ROW(in_store, 3, 13, 0, 5),
    ROW(outs, 3, 13, 0, 5),
    BOTH(write_fsbase, 6, 0, 0),
    ROW(read_gdt, 3, 14, 5, 5), /* the GDT is ring 0's, though loading a segment reads it */
    ROW(write_tss, 3, 14, 7, 5),
    ROW(read_idt, 3, 14, 5, 5),
    ROW(load_then_read, 3, 14, 5, 14),
    BOTH(vex_syscall, 6, 0, 0), /* the engine takes this for SYSCALL */
    BOTH(sysenter, 13, 0, 10),
    BOTH(prefixed_sysenter, 13, 0, 5),
    BOTH(rdrand, 6, 0, 5), /* not in CPUID; the engine would ask the host */
    BOTH(rdseed, 6, 0, 0),
    BOTH(rdpid, 6, 0, 0),
    BOTH(lock_btc, 6, 0, 0), /* the engine gives up on this one */
    RING0_ONLY(wbinvd, 0),
    RING0_ONLY(invd, 0),
    RING0_ONLY(swapgs, 0),
    ROW(sysret, 3, 13, 0, 13),
    BOTH(rdtsc, 0x80, 0, END),
    BOTH(rdtscp, 0x80, 0, END),
    BOTH(load_null, 0x80, 0, END),
    BOTH(load_beyond, 13, 0x1230, 5),
    ROW(load_kernel, 3, 13, 0x10, 5),
    ROW(load_kernel, 0, 0x80, 0, END),
    BOTH(load_tss, 13, 0x30, 5),
    ROW(load_ss_null, 3, 13, 0, 0),
    BOTH(load_ss_code, 13, 0x28, 5),
    BOTH(read_high, 13, 0, 5),
    BOTH(write_high, 13, 0, 5),
    ROW(kernel_half, 3, 14, 4, 10),
    ROW(kernel_half, 0, 14, 0, 10),
    BOTH(lock_nop, 6, 0, 0),
    ROW(iret_ring0, 3, 13, 8, ANYWHERE),
    ROW(iret_ring0, 0, 0x80, 0, END),
    BOTH(iret_ring3, 0x80, 0, END),
    BOTH(iret_cs_null, 13, 0, ANYWHERE),
    BOTH(iret_cs_data, 13, 0x10, ANYWHERE),
    BOTH(iret_cs_beyond, 13, 0x2340, ANYWHERE),
    BOTH(iret_rpl, 13, 8, ANYWHERE),
    ROW(iret_ss_null, 0, 13, 0, ANYWHERE),
    ROW(iret_ss_kernel, 0, 13, 0x10, ANYWHERE),
    ROW(iret_ss_code, 0, 13, 0x28, ANYWHERE),
    ROW(popf_iopl, 3, 13, 0, 6),
    BOTH(far_bad, 13, 0x1238, ANYWHERE),
};

static void set_up(struct guest *guest, const uint8_t *code, const uint8_t *end, unsigned ring)
{
    guest_open(guest, "tiny");
    guest_code(guest, CODE_FRAME, code, end);
    /* The code may be executed by both rings: SMEP is off. */
    guest_map(guest, CODE, CODE_FRAME, PAGE_4K, PAGE_ALL);
    guest_map(guest, STACK - 4096, STACK_FRAME, PAGE_4K, PAGE_ALL);
    guest_map(guest, DATA, DATA_FRAME, PAGE_4K, PAGE_ALL);
    guest_put(guest, GUEST_PARAM, ring ? GUEST_USER_CS : GUEST_KERNEL_CS);
    guest_put(guest, GUEST_PARAM + 8, ring ? GUEST_USER_SS : GUEST_KERNEL_SS);
    guest_put(guest, GUEST_PARAM + 16, 2);
    guest_put(guest, GUEST_PARAM + 24, STACK - 64);
    guest_put(guest, GUEST_PARAM + 32, CODE);
}

static void run_row(const struct row *row, enum machine_model model)
{
    struct guest guest;
    set_up(&guest, row->code, row->end, row->ring);
    guest.model = model;
    guest_must_run(&guest, go, go_end, 0);
    struct guest_record r = guest_record(&guest, 0);
    int64_t rip = (int64_t)(r.rip - CODE), expected = row->rip == END ? row->end - row->code : row->rip;
    if (r.vector != row->vector || r.error != row->error || (row->rip != ANYWHERE && rip != expected))
        fail_msg("%s at ring %u: vector %llu error %#llx RIP +%lld, expected %u %#llx +%lld", row->name, row->ring,
                 (unsigned long long)r.vector, (unsigned long long)r.error, (long long)rip, row->vector,
                 (unsigned long long)row->error, (long long)expected);
    assert_int_equal(guest_logged(&guest), 1);
    guest_close(&guest);
}

static void test_instructions(void **state)
{
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        run_row(&rows[i], MODEL_TIMING);
        run_row(&rows[i], MODEL_COUNT);
    }
}

/* A refused port access changes nothing, and nothing behind it runs. */
static void test_refused_port_is_exact(void **state)
{
    struct guest guest;
    set_up(&guest, s_in_store, s_in_store_end, 3);
    guest_must_run(&guest, go, go_end, 0);
    assert_int_equal(guest_word(&guest, GUEST_PARAM + 64), 5);
    assert_int_equal(guest_word(&guest, DATA_FRAME), 0);
    guest_close(&guest);
}

/* Frames: where they are, and what they hold (SDM vol. 3A 6.14). */
static void test_frames(void **state)
{
    for (unsigned ring = 0; ring <= 3; ring += 3) {
        for (unsigned ist = 0; ist <= 7; ist++) {
            struct guest guest;
            set_up(&guest, s_ud2, s_ud2_end, ring);
            guest_put(&guest, GUEST_PARAM + 16, 0xad7); /* all arithmetic flags, IF */
            guest_put(&guest, GUEST_PARAM + 24, STACK - 61);
            guest_gate(&guest, 6, GUEST_STUBS + 6 * 16, GUEST_KERNEL_CS, ist, 14 + ist % 2, 0, true);
            guest_must_run(&guest, go, go_end, 0);
            struct guest_record r = guest_record(&guest, 0);
            uint64_t top = ist ? GUEST_ISTS + ist * 4096 : ring ? GUEST_STACKS + 0x1000 : (STACK - 61) & ~15ull;
            assert_int_equal(r.frame & 0xffffffffffff, top - 40);
            assert_int_equal(r.rip, CODE);
            assert_int_equal(r.rsp, STACK - 61);
            assert_int_equal(r.cs, ring ? GUEST_USER_CS : GUEST_KERNEL_CS);
            assert_int_equal(r.frame >> 48, ring ? GUEST_USER_SS : GUEST_KERNEL_SS);
            assert_int_equal(r.rflags & ~0x10000ull, 0xad7);
            guest_close(&guest);
        }
    }
}

/* What a handler finds: interrupts off behind an interrupt gate and on behind a trap gate, TF and NT clear, SS null when
 * it came from ring 3. The handler of vector 6 is at GUEST_TEST + 0x800. */
SNIPPET(look_around,
        "jmp start; .org look_around + 0x800, 0x90;"
        "pushfq; pop rax; mov [" AT(GUEST_PARAM) " + 96], rax; mov eax, ss; mov [" AT(GUEST_PARAM) " + 104], rax;"
        "mov eax, cs; mov [" AT(GUEST_PARAM) " + 112], rax; cli;"
        "mov rsp, [" AT(GUEST_CONTROL) " + 8]; mov eax, 0x10; mov ss, eax; jmp [" AT(GUEST_CONTROL) "];"
        "start: lea rax, [rip + back]; mov [" AT(GUEST_CONTROL) "], rax; mov [" AT(GUEST_CONTROL) " + 8], rsp;"
        "mov ebx, " AT(GUEST_PARAM) "; push [rbx + 8]; push [rbx + 24]; push [rbx + 16]; push [rbx]; push [rbx + 32]; iretq;"
        "back: xor eax, eax; ret;");

static void test_handler_state(void **state)
{
    for (unsigned kind = 0; kind < 4; kind++) {
        struct guest guest;
        unsigned ring = kind & 1 ? 3 : 0, trap = kind >> 1;
        set_up(&guest, s_ud2, s_ud2_end, ring);
        guest_put(&guest, GUEST_PARAM + 16, 0x4202); /* NT, IF */
        guest_gate(&guest, 6, GUEST_TEST + 0x800, GUEST_KERNEL_CS, 0, 14 + trap, 0, true);
        guest_must_run(&guest, look_around, look_around_end, 0);
        assert_int_equal(guest_word(&guest, GUEST_PARAM + 96), trap ? 0x202 : 2);
        assert_int_equal(guest_word(&guest, GUEST_PARAM + 104), ring ? 0 : GUEST_KERNEL_SS);
        assert_int_equal(guest_word(&guest, GUEST_PARAM + 112), GUEST_KERNEL_CS);
        guest_close(&guest);
    }
}

/* An exception whose own delivery fails: the gate of the first is not present (a contributory #NP) or its stack is not
 * mapped (#PF). SDM vol. 3A table 6-5. */
struct second_fault {
    const uint8_t *code, *end;
    unsigned first;
    bool stack; /* else the gate is not present */
    unsigned vector;
    uint64_t error;
};

#define SECOND(name, first, stack, vector, error) {s_##name, s_##name##_end, first, stack, vector, error}

static const struct second_fault second_faults[] = {
    SECOND(ud2, 6, false, 11, 6 * 8 + 3),     /* benign: the second is delivered */
    SECOND(int3, 3, false, 11, 3 * 8 + 2),    /* a software interrupt is not external */
    SECOND(int80, 0x80, false, 11, 0x402),
    SECOND(div, 0, false, 8, 0),              /* contributory twice: #DF */
    SECOND(load_beyond, 13, false, 8, 0),
    SECOND(kernel_half, 14, false, 8, 0),     /* page fault, then contributory: #DF */
    SECOND(ud2, 6, true, 14, 2),
    SECOND(div, 0, true, 14, 2),              /* contributory, then page fault: one after the other */
    SECOND(load_beyond, 13, true, 14, 2),
    SECOND(int80, 0x80, true, 14, 2),
};

static void test_second_faults(void **state)
{
    for (size_t i = 0; i < sizeof second_faults / sizeof *second_faults; i++) {
        const struct second_fault *s = &second_faults[i];
        struct guest guest;
        set_up(&guest, s->code, s->end, 3);
        uint64_t first = GUEST_STUBS + s->first * 16;
        guest_gate(&guest, s->first, first, GUEST_KERNEL_CS, s->stack ? 2 : 0, 14, 3, s->stack);
        for (unsigned vector = 8; vector <= 14; vector += 3) /* #DF, #NP, #PF on a good stack */
            if (vector != s->first)
                guest_gate(&guest, vector, GUEST_STUBS + vector * 16, GUEST_KERNEL_CS, 1, 14, 0, true);
        if (s->stack)
            guest_put(&guest, GUEST_TSS + 36 + 8, GUEST_USER + 0x9000); /* IST 2: not mapped */
        guest_must_run(&guest, go, go_end, 0);
        struct guest_record r = guest_record(&guest, 0);
        if (r.vector != s->vector || r.error != s->error)
            fail_msg("row %zu: vector %llu error %#llx", i, (unsigned long long)r.vector, (unsigned long long)r.error);
        if (s->stack)
            assert_int_equal(r.cr2, GUEST_USER + 0x9000 - 8);
        assert_int_equal(guest_logged(&guest), 1);
        assert_int_equal(guest_counter(&guest, COUNTER_exceptions), 1);
        guest_close(&guest);
    }
}

/* A page fault while delivering a page fault is a double fault; CR2 is of the second. */
static void test_double_fault(void **state)
{
    struct guest guest;
    set_up(&guest, s_kernel_half, s_kernel_half_end, 3);
    guest_put(&guest, GUEST_TSS + 4, GUEST_USER + 0xa000); /* RSP0: not mapped */
    guest_gate(&guest, 8, GUEST_STUBS + 8 * 16, GUEST_KERNEL_CS, 3, 14, 0, true);
    guest_must_run(&guest, go, go_end, 0);
    struct guest_record r = guest_record(&guest, 0);
    assert_int_equal(r.vector, 8);
    assert_int_equal(r.error, 0);
    assert_int_equal(r.cr2, GUEST_USER + 0xa000 - 8);
    assert_int_equal(r.frame & 0xffffffffffff, GUEST_ISTS + 3 * 4096 - 40);
    assert_int_equal(r.cs, GUEST_USER_CS);
    guest_close(&guest);
}

static void crashes(struct guest *guest, const char *says)
{
    assert_int_equal(guest_run(guest, go, go_end), END_CRASH);
    char *text = NULL;
    size_t bytes = 0;
    FILE *out = open_memstream(&text, &bytes);
    machine_report(guest->machine, out);
    fclose(out);
    if (!strstr(text, says))
        fail_msg("the report does not say `%s`: %.200s", says, text);
    free(text);
    guest_close(guest);
}

static void test_triple_fault(void **state)
{
    struct guest guest;
    set_up(&guest, s_kernel_half, s_kernel_half_end, 3);
    guest_put(&guest, GUEST_TSS + 4, GUEST_USER + 0xa000); /* and #DF has no IST */
    crashes(&guest, "triple fault");

    set_up(&guest, s_div, s_div_end, 0);
    guest_gate(&guest, 0, 0, GUEST_KERNEL_CS, 0, 14, 0, false);
    guest_gate(&guest, 8, 0, GUEST_KERNEL_CS, 0, 14, 0, false);
    crashes(&guest, "triple fault");
}

SNIPPET(debug_register, "mov rax, 0x403; mov dr7, rax; xor eax, eax; ret");

static void test_debug_register(void **state)
{
    struct guest guest;
    guest_open(&guest, "tiny");
    assert_int_equal(guest_run(&guest, debug_register, debug_register_end), END_CRASH);
    guest_close(&guest);
}

/* Bad gates: wrong type, wrong or absent code segment (SDM vol. 2A, INT n). */
static void test_bad_gates(void **state)
{
    static const struct {
        uint16_t selector;
        unsigned type;
        uint64_t vector, error;
    } gates[] = {
        {GUEST_KERNEL_CS, 5, 13, 6 * 8 + 3}, {0, 14, 13, 1},        {GUEST_KERNEL_SS, 14, 13, 0x11},
        {GUEST_USER_CS, 14, 13, 0x29},       {0x2340, 14, 13, 0x2341},
    };
    for (size_t i = 0; i < sizeof gates / sizeof *gates; i++) {
        struct guest guest;
        set_up(&guest, s_ud2, s_ud2_end, 3);
        guest_gate(&guest, 6, GUEST_STUBS + 6 * 16, gates[i].selector, 0, gates[i].type, 0, true);
        guest_must_run(&guest, go, go_end, 0);
        struct guest_record r = guest_record(&guest, 0);
        assert_int_equal(r.vector, gates[i].vector);
        assert_int_equal(r.error, gates[i].error);
        guest_close(&guest);
    }
}

/* An exception inside a handler nests on the same stack. The handler of 6 is at GUEST_TEST + 0x800. */
SNIPPET(nests,
        "jmp start2; .org nests + 0x800, 0x90;"
        "mov [" AT(GUEST_PARAM) " + 96], rsp; mov rax, 0xffff800000000000; mov rax, [rax];"
        "start2: lea rax, [rip + back2]; mov [" AT(GUEST_CONTROL) "], rax; mov [" AT(GUEST_CONTROL) " + 8], rsp;"
        "mov ebx, " AT(GUEST_PARAM) "; push [rbx + 8]; push [rbx + 24]; push [rbx + 16]; push [rbx]; push [rbx + 32]; iretq;"
        "back2: xor eax, eax; ret;");

static void test_nested(void **state)
{
    struct guest guest;
    set_up(&guest, s_ud2, s_ud2_end, 3);
    guest_gate(&guest, 6, GUEST_TEST + 0x800, GUEST_KERNEL_CS, 0, 14, 0, true);
    guest_must_run(&guest, nests, nests_end, 0);
    struct guest_record r = guest_record(&guest, 0);
    uint64_t outer = guest_word(&guest, GUEST_PARAM + 96);
    assert_int_equal(outer, GUEST_STACKS + 0x1000 - 40);
    assert_int_equal(r.vector, 14);
    assert_int_equal(r.error, 0);
    assert_int_equal(r.cs, GUEST_KERNEL_CS);
    assert_int_equal(r.rsp, outer);
    assert_int_equal(r.frame & 0xffffffffffff, (outer & ~15ull) - 40);
    assert_int_equal(guest_counter(&guest, COUNTER_exceptions), 2);
    assert_int_equal(guest_counter(&guest, COUNTER_mode_switches), 2);
    guest_close(&guest);
}

/* SYSCALL and SYSRET (SDM vol. 2B). Ring 3 calls N times with rising RAX; ring 0 answers RAX + 1 and returns. */
SNIPPET(calls,
        "mov ecx, 0xc0000082; lea rax, [rip + entry]; xor edx, edx; wrmsr;"
        "lea rax, [rip + out]; mov [" AT(GUEST_CONTROL) "], rax; mov [" AT(GUEST_CONTROL) " + 8], rsp;"
        "push " AT(GUEST_USER_SS) "; movabs rax, " AT(STACK) "; push rax; push 0x40ed7; push " AT(GUEST_USER_CS) ";"
        "movabs rax, " AT(CODE) "; push rax; xor eax, eax; iretq;"
        "entry: pushfq; pop rdx; mov [" AT(GUEST_PARAM) " + 64], rdx; mov [" AT(GUEST_PARAM) " + 72], r11;"
        "mov [" AT(GUEST_PARAM) " + 80], rcx; mov [" AT(GUEST_PARAM) " + 88], rsp; mov edx, cs; mov [" AT(GUEST_PARAM) " + 96], rdx;"
        "mov edx, ss; mov [" AT(GUEST_PARAM) " + 104], rdx; inc eax; sysretq;"
        "out: xor eax, eax; ret;");
S(user_calls, "1: syscall; cmp eax, 10; jne 1b; mov ebx, cs; mov ecx, ss; pushfq; pop rdx");

static void test_syscall(void **state)
{
    struct guest guest;
    set_up(&guest, s_nothing, s_nothing_end, 3);
    guest_code(&guest, CODE_FRAME, user_calls, user_calls_end);
    guest_must_run(&guest, calls, calls_end, 0);
    const uint64_t flags = 0x40ed7 & ~0x28ull; /* bits 3 and 5 do not exist; CMP leaves PF and ZF as its result says */
    assert_int_equal(guest_word(&guest, GUEST_PARAM + 80), CODE + 2);
    assert_int_equal(guest_word(&guest, GUEST_PARAM + 88), STACK);
    assert_int_equal(guest_word(&guest, GUEST_PARAM + 96), GUEST_KERNEL_CS);
    assert_int_equal(guest_word(&guest, GUEST_PARAM + 104), GUEST_KERNEL_SS);
    assert_int_equal(guest_word(&guest, GUEST_PARAM + 64) & 0x44700, 0); /* FMASK of the kit: AC, NT, DF, IF, TF */
    assert_int_equal(guest_word(&guest, GUEST_PARAM + 72) & 0x40600, flags & 0x40600);
    assert_int_equal(guest_counter(&guest, COUNTER_syscalls), 10);
    assert_int_equal(guest_counter(&guest, COUNTER_exceptions), 1);
    assert_int_equal(guest_counter(&guest, COUNTER_interrupts), 0);
    assert_int_equal(guest_counter(&guest, COUNTER_mode_switches), 22); /* in: IRETQ; 10 × 2; out: INT */
    assert_int_equal(guest_counter(&guest, COUNTER_context_switches), 0);
    struct guest_record r = guest_record(&guest, 0);
    assert_int_equal(r.vector, 0x80);
    assert_int_equal(r.cs, GUEST_USER_CS);
    assert_int_equal(r.frame >> 48, GUEST_USER_SS);
    guest_close(&guest);
}

/* Prefixes make SYSCALL longer, and nothing else: RCX is behind it, the entry is LSTAR exactly. */
static void test_prefixed_syscall(void **state)
{
    static const struct {
        uint8_t code[8];
        unsigned length;
    } forms[] = {{{0x0f, 0x05}, 2}, {{0x48, 0x0f, 0x05}, 3}, {{0x66, 0x0f, 0x05}, 3}, {{0x2e, 0x66, 0x4f, 0x0f, 0x05}, 5}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct guest guest;
        set_up(&guest, s_nothing, s_nothing_end, 3);
        memcpy(guest_memory(&guest, CODE_FRAME), forms[i].code, sizeof forms[i].code);
        guest_must_run(&guest, go, go_end, 0);
        assert_int_equal(guest_word(&guest, GUEST_CONTROL + GUEST_SYSCALL_RCX), CODE + forms[i].length);
        assert_int_equal(guest_word(&guest, GUEST_CONTROL + GUEST_SYSCALL_CS), GUEST_KERNEL_CS);
        assert_int_equal(guest_logged(&guest), 0);
        guest_close(&guest);
    }
}

/* SYSCALL without EFER.SCE is an unknown instruction. */
SNIPPET(no_sce, "mov ecx, 0xc0000080; rdmsr; and eax, -2; wrmsr; lea rax, [rip + 1f]; mov [" AT(GUEST_CONTROL) "], rax;"
                "mov [" AT(GUEST_CONTROL) " + 8], rsp; xor eax, eax; syscall; ud2; 1: xor eax, eax; ret");

static void test_syscall_disabled(void **state)
{
    struct guest guest;
    set_up(&guest, s_nothing, s_nothing_end, 3);
    guest_must_run(&guest, no_sce, no_sce_end, 0);
    struct guest_record r = guest_record(&guest, 0);
    assert_int_equal(r.vector, 6);
    assert_int_equal(guest_counter(&guest, COUNTER_syscalls), 0);
    guest_close(&guest);
}

/* POPFQ at ring 3 below IOPL leaves IF and IOPL alone. */
S(user_popf, "push 0x3202; popfq; pushfq; pop rax; mov rax, rax");

static void test_popf_keeps_if(void **state)
{
    for (unsigned on = 0; on < 2; on++) {
        struct guest guest;
        set_up(&guest, user_popf, user_popf_end, 3);
        guest_put(&guest, GUEST_PARAM + 16, on ? 0x202 : 2);
        guest_must_run(&guest, go, go_end, 0);
        assert_int_equal(guest_word(&guest, GUEST_PARAM + 64) & 0x3200, on ? 0x200 : 0);
        guest_close(&guest);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_instructions),
        cmocka_unit_test(test_refused_port_is_exact),
        cmocka_unit_test(test_frames),
        cmocka_unit_test(test_handler_state),
        cmocka_unit_test(test_second_faults),
        cmocka_unit_test(test_double_fault),
        cmocka_unit_test(test_triple_fault),
        cmocka_unit_test(test_debug_register),
        cmocka_unit_test(test_bad_gates),
        cmocka_unit_test(test_nested),
        cmocka_unit_test(test_syscall),
        cmocka_unit_test(test_prefixed_syscall),
        cmocka_unit_test(test_syscall_disabled),
        cmocka_unit_test(test_popf_keeps_if),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
