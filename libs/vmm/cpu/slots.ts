/**
 * Numbers that the hart module (AssemblyScript) and libs/vmm/hart.ts share: where each stored CSR lies in the hart's
 * block, and why `run` returns. Like layout.ts it holds nothing but whole-number constants.
 */

// Stored CSRs: the u64 of slot n is at H_CSR + 8 * n. CSRs that are views of others (sstatus, sie, sip) have no slot.
export const MSTATUS = 0;
export const MEDELEG = 1;
export const MIDELEG = 2;
export const MIE = 3;
/** The hart's own interrupt-pending bits; those set from outside are in H_MIP. */
export const MIP = 4;
export const MTVEC = 5;
export const MCOUNTEREN = 6;
export const MSCRATCH = 7;
export const MEPC = 8;
export const MCAUSE = 9;
export const MTVAL = 10;
export const MENVCFG = 11;
export const STVEC = 12;
export const SCOUNTEREN = 13;
export const SSCRATCH = 14;
export const SEPC = 15;
export const SCAUSE = 16;
export const STVAL = 17;
export const SENVCFG = 18;
export const SATP = 19;
/** What to add to the retired instructions to get mcycle. */
export const MCYCLE_OFFSET = 20;
export const PMPCFG0 = 21;
export const PMPCFG2 = 22;
/** pmpaddr0 to pmpaddr15 take 16 slots from here. */
export const PMPADDR0 = 23;
/** Not a CSR: 1 if an ECALL from S-mode is the host's to answer (SBI) instead of a trap. */
export const SBI = 39;
/** Rounding mode and accrued exceptions of F and D. */
export const FCSR = 40;
/** What to add to the retired instructions to get minstret. */
export const MINSTRET_OFFSET = 41;
export const MCOUNTINHIBIT = 42;
export const SLOTS = 43;

// Why `run` returned.
/** The budget is used up. */
export const EXIT_BUDGET = 0;
/** The guest executed WFI and no enabled interrupt is pending. */
export const EXIT_WFI = 1;
/** The guest called the SBI (ECALL from S-mode); pc is past the ECALL. */
export const EXIT_SBI = 2;
/** H_ATTENTION is not zero; nothing was executed since it was seen. */
export const EXIT_ATTENTION = 3;
/** The next instruction needs a page that is missing, H_MISSING says which; it has changed nothing. */
export const EXIT_PAGE = 4;
