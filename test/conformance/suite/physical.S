# A program in the style of the suites' physical environment: M-mode with PMP open, the tests in U-mode, which end by
# ECALL with the number of the test that failed, or 1, in gp. -DWRONG=N makes test N fail.
#ifndef WRONG
#define WRONG 0
#endif

.macro check number, register, expected
  li gp, \number
  li t6, \expected + (\number == WRONG)
  bne \register, t6, fail
.endm

  .section .text.entry, "ax"
  .globl _start
_start:
  csrr a0, mhartid
1:bnez a0, 1b
  # What a machine does not have traps, to where the suites go on; Smrnmi's mnstatus is such a thing.
  la t0, 1f
  csrw mtvec, t0
  csrwi 0x744, 8
  .balign 4
1:la t0, 1f
  csrw mtvec, t0
  csrwi satp, 0
  .balign 4
1:la t0, 1f
  csrw mtvec, t0
  li t0, (1 << 53) - 1   # all memory, NAPOT
  csrw pmpaddr0, t0
  li t0, 0x1f
  csrw pmpcfg0, t0
  .balign 4
1:csrwi mie, 0
  la t0, 1f
  csrw mtvec, t0
  csrwi medeleg, 0
  csrwi mideleg, 0
  .balign 4
1:la t0, trap
  csrw mtvec, t0
  li t0, 0xb109          # to S-mode, which no test gets to
  csrw medeleg, t0
  csrwi medeleg, 0
  csrwi mstatus, 0
  la t0, tests
  csrw mepc, t0
  li t0, 0x2000          # FS: Initial
  csrs mstatus, t0
  csrwi fcsr, 0
  csrr a0, mhartid
  mret

  .balign 4
trap:
  csrr t5, mcause
  li t6, 8               # ECALL from U
  beq t5, t6, end
  li gp, 1337            # any other is a failure
end:
  fence
  li t5, 1
  beq gp, t5, 1f
  slli gp, gp, 1
  ori gp, gp, 1
1:la t5, tohost
2:sw gp, 0(t5)
  sw zero, 4(t5)
  j 2b

tests:
  li a1, 0x7fffffff
  addiw a2, a1, 1
  check 2, a2, -0x80000000
  la a3, words
  ld a2, 1(a3)           # misaligned
  check 3, a2, 0x0908070605040302
  li a1, 5
  amoadd.d a2, a1, (a3)
  check 4, a2, 0x0807060504030201
  ld a2, 0(a3)
  check 5, a2, 0x0807060504030206
  li a1, 3
  fcvt.d.l fa0, a1
  fmul.d fa0, fa0, fa0
  fcvt.l.d a2, fa0
  check 6, a2, 9
  jal a2, 1f
1:sub a2, a2, a2
  check 7, a2, 0
  li gp, 1
fail:
  ecall

  .data
  .balign 8
words:
  .dword 0x0807060504030201, 0x100f0e0d0c0b0a09

  .section .tohost, "aw"
  .balign 64
  .globl tohost
  .size tohost, 8
tohost:
  .dword 0
  .balign 64
  .globl fromhost
  .size fromhost, 8
fromhost:
  .dword 0
