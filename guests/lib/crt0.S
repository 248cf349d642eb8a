# Entry of every hart, in S-mode under SBI: a0 = hart id; a1 = device tree on the first hart, the stack's top on others.
    .section .text.entry, "ax"
    .globl _start
_start:
    .option push
    .option norelax
    la      gp, __global_pointer$
    .option pop
    mv      tp, a0
    la      sp, first_stack_top
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
    ld      sp, 0(a1)
    ld      t0, 8(a1)
    ld      a0, 16(a1)
    jalr    t0
3:  wfi
    j       3b
