# The way into U-mode and back, and the program that runs there.
    .text

# enter_user(pc, data, pages, rounds): returns when the program's trap handler calls leave_user.
    .globl enter_user
enter_user:
    addi    sp, sp, -112
    sd      ra, 0(sp)
    sd      s0, 8(sp)
    sd      s1, 16(sp)
    sd      s2, 24(sp)
    sd      s3, 32(sp)
    sd      s4, 40(sp)
    sd      s5, 48(sp)
    sd      s6, 56(sp)
    sd      s7, 64(sp)
    sd      s8, 72(sp)
    sd      s9, 80(sp)
    sd      s10, 88(sp)
    sd      s11, 96(sp)
    csrr    t0, stvec
    sd      t0, 104(sp)
    la      t0, user_trap
    csrw    stvec, t0
    csrw    sscratch, sp
    csrw    sepc, a0
    li      t0, 0x100               # SPP: to U-mode
    csrc    sstatus, t0
    mv      a0, a1
    mv      a1, a2
    mv      a2, a3
    sret

    .globl leave_user
leave_user:
    la      t0, saved_stack
    ld      sp, 0(t0)
    ld      t0, 104(sp)
    csrw    stvec, t0
    ld      ra, 0(sp)
    ld      s0, 8(sp)
    ld      s1, 16(sp)
    ld      s2, 24(sp)
    ld      s3, 32(sp)
    ld      s4, 40(sp)
    ld      s5, 48(sp)
    ld      s6, 56(sp)
    ld      s7, 64(sp)
    ld      s8, 72(sp)
    ld      s9, 80(sp)
    ld      s10, 88(sp)
    ld      s11, 96(sp)
    addi    sp, sp, 112
    ret

# A trap from U-mode: all that a C function may change is kept below the stack of enter_user.
    .balign 4
user_trap:
    csrrw   sp, sscratch, sp
    addi    sp, sp, -128
    sd      ra, 0(sp)
    sd      t0, 8(sp)
    sd      t1, 16(sp)
    sd      t2, 24(sp)
    sd      a0, 32(sp)
    sd      a1, 40(sp)
    sd      a2, 48(sp)
    sd      a3, 56(sp)
    sd      a4, 64(sp)
    sd      a5, 72(sp)
    sd      a6, 80(sp)
    sd      a7, 88(sp)
    sd      t3, 96(sp)
    sd      t4, 104(sp)
    sd      t5, 112(sp)
    sd      t6, 120(sp)
    la      t0, saved_stack
    addi    t1, sp, 128
    sd      t1, 0(t0)
    csrr    a0, scause
    csrr    a1, stval
    mv      a2, a7
    call    handle_trap
    csrr    t0, sepc
    add     t0, t0, a0
    csrw    sepc, t0
    ld      ra, 0(sp)
    ld      t0, 8(sp)
    ld      t1, 16(sp)
    ld      t2, 24(sp)
    ld      a0, 32(sp)
    ld      a1, 40(sp)
    ld      a2, 48(sp)
    ld      a3, 56(sp)
    ld      a4, 64(sp)
    ld      a5, 72(sp)
    ld      a6, 80(sp)
    ld      a7, 88(sp)
    ld      t3, 96(sp)
    ld      t4, 104(sp)
    ld      t5, 112(sp)
    ld      t6, 120(sp)
    addi    sp, sp, 128
    csrrw   sp, sscratch, sp
    sret

    .bss
    .balign 8
saved_stack:
    .zero   8

# The program: a0 = its data, a1 = pages, a2 = rounds. System call 0 does nothing, 1 ends a round, 2 ends all.
    .text
    .balign 4
    .globl user_program, user_program_end
user_program:
    mv      t0, a0
    mv      t1, a1
1:  sd      t1, 0(t0)
    ld      t2, 0(t0)
    li      a7, 0
    ecall
    li      t2, 4096
    add     t0, t0, t2
    addi    t1, t1, -1
    bnez    t1, 1b
    li      a7, 1
    ecall
    addi    a2, a2, -1
    bnez    a2, user_program
    li      a7, 2
    ecall
user_program_end:
