# M-mode part of the virtual environment: all memory and all traps to S-mode, which runs behind page tables.
  .section .text.entry, "ax"
  .globl _start
_start:
  csrr a0, mhartid
1:bnez a0, 1b
  la sp, stack_top
  li t0, -1
  csrw pmpaddr0, t0
  li t0, 0x1f
  csrw pmpcfg0, t0
  csrw medeleg, t0
  li t0, 0xb1ff
  csrw medeleg, t0
  la t0, supervisor_trap
  csrw stvec, t0
  csrw sscratch, sp
  li t0, 0x1800
  csrc mstatus, t0
  li t0, 0x40800         # MPP: S-mode; SUM
  csrs mstatus, t0
  la t0, supervisor
  csrw mepc, t0
  mret

# Saves all registers, calls handle(cause, value, registers) and returns to where the trap came from.
  .balign 4
supervisor_trap:
  csrrw sp, sscratch, sp
  addi sp, sp, -256
  .irp n,1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  sd x\n, 8*\n(sp)
  .endr
  csrr a0, scause
  csrr a1, stval
  mv a2, sp
  call handle
  .irp n,1,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
  ld x\n, 8*\n(sp)
  .endr
  addi sp, sp, 256
  csrrw sp, sscratch, sp
  sret

  .globl enter_user
enter_user:              # (pc, sp, argument)
  csrw sepc, a0
  li t0, 0x100
  csrc sstatus, t0
  mv sp, a1
  mv a0, a2
  sret

  .bss
  .balign 16
  .skip 8192
stack_top:

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
