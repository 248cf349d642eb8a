# Entry of the first hart, in S-mode under SBI: a0 = hart id; a1 = device tree.
    .section .text.entry, "ax"
    .globl _start
_start:
    .option push
    .option norelax
    la      gp, __global_pointer$
    .option pop
    mv      tp, a0
    la      sp, first_stack_top
    la      t0, trap_entry
    csrw    stvec, t0
    la      t0, bss_start
    la      t1, bss_end
1:  bgeu    t0, t1, 2f
    sd      zero, 0(t0)
    addi    t0, t0, 8
    j       1b
2:  call    main
    call    finish

# Where other harts begin (SBI HSM hart_start): a1 points to {stack top, function, argument}.
    .globl secondary_start
secondary_start:
    .option push
    .option norelax
    la      gp, __global_pointer$
    .option pop
    mv      tp, a0
    la      t0, trap_entry
    csrw    stvec, t0
    ld      sp, 0(a1)
    ld      t0, 8(a1)
    ld      a0, 16(a1)
    jalr    t0
3:  wfi
    j       3b

# Interrupts are never enabled: what comes here is a fault, of the program or of the machine. One more in its report
# (a bad stack, say) ends the machine without a word, with the same status 3.
    .balign 4
trap_entry:
    la      t0, trap_again
    csrw    stvec, t0
    csrr    a0, scause
    csrr    a1, sepc
    csrr    a2, stval
    call    report_trap
    .balign 4
trap_again:
    li      t0, 0x100000
    li      t1, 0x33333
    sw      t1, 0(t0)
4:  j       4b
