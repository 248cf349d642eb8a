/** The tools of the comparison themselves: what they find, how small they make it, how they tell it. */
import { describe, expect, it } from 'vitest';
import { amo, b, cbo, csr, csri, i, jal, lui, r, s, sfence, shift, unary } from '../vmm/assembler.js';
import { disassemble } from '../vmm/disassembler.js';
import { expectSame } from './compare.js';
import { differenceOf } from './difference.js';
import { REGISTERS, TRAP_M } from './frame.js';
import type { Outcome, Program } from './program.js';
import { leaveOut, shrink } from './shrink.js';

const word = (value: number) => value.toString(16).padStart(16, '0');
const registers = (a0: number) => [word(REGISTERS), ...Array.from({ length: 31 }, (_, n) => word(n === 9 ? a0 : 0))];
const trap = (cause: number) => [TRAP_M, cause, 0x55, 0x8000_0100, 0].map((value) => word(value));
const outcome = (...blocks: string[][][]): Outcome => ({ blocks, memory: { '80100000': [word(0), word(0)] } });

const NOP = i('addi', 0, 0, 0);
const [FIRST, SECOND] = [r('xor', 10, 11, 12), r('sub', 10, 10, 13)];

/** As if a machine did something else once it has executed FIRST and then SECOND. */
function runner(isWrong: boolean) {
  return ({ blocks }: Program): Outcome => {
    const code = blocks.flat(2);
    const strange = code.includes(FIRST) && code.indexOf(SECOND) > code.indexOf(FIRST);
    return outcome(...blocks.map(() => [registers(isWrong && strange ? 1 : 0)]));
  };
}

describe('a difference', () => {
  it('is the first in the log, with the names of what is in it', () => {
    expect(differenceOf(outcome([registers(1)]), outcome([registers(1)]))).toBeUndefined();
    expect(
      differenceOf(outcome([registers(1)], [registers(2)]), outcome([registers(1)], [registers(3)])),
    ).toMatchObject({
      kind: 'record',
      block: 1,
      text: `block 1: a0: Drover ${word(2)}, QEMU ${word(3)}`,
    });
    expect(differenceOf(outcome([trap(2), registers(0)]), outcome([trap(5), registers(0)]))?.text).toContain(
      `a trap at 0000000080000100\n  cause: Drover ${word(2)}, QEMU ${word(5)}`,
    );
    expect(differenceOf(outcome([trap(2), registers(0)]), outcome([registers(0)]))).toMatchObject({
      kind: 'traps',
      text: expect.stringMatching(/Drover traps in M-mode .*, QEMU comes to the end/),
    });
  });

  it('may be in memory alone', () => {
    const other = { ...outcome(), memory: { '80100000': [word(0), word(7)] } };
    expect(differenceOf(outcome(), other)).toEqual({
      kind: 'memory',
      text: `memory at 0x80100008: Drover ${word(0)}, QEMU ${word(7)}`,
    });
  });
});

describe('a program', () => {
  const filler = Array.from({ length: 20 }, () => [NOP]);
  const program: Program = {
    setUp: [[lui(10, 1)]],
    blocks: [filler, [...filler, [FIRST], ...filler], filler, [...filler, [SECOND], ...filler], filler],
    memory: [],
  };

  it('is made as small as can be, and never past what shows it', () => {
    const small = shrink(program, ({ blocks }) => {
      const code = blocks.flat(2);
      return code.includes(FIRST) && code.includes(SECOND);
    });
    expect(small.blocks).toEqual([[[FIRST]], [[SECOND]]]);
    expect(small.setUp).toEqual(program.setUp);
    expect(shrink(program, (candidate) => candidate === program)).toMatchObject({ blocks: program.blocks });
  });

  it('that shows a difference is told as assembly', () => {
    expect(() => expectSame(program, 'a test', runner(true), runner(false))).toThrow(
      [
        'a test: not the same.',
        `block 0: a0: Drover ${word(1)}, QEMU ${word(0)}`,
        '  # set-up',
        '    lui a0, 0x1',
        '  # block 0',
        '    xor a0, a1, a2',
        '  # block 1',
        '    sub a0, a0, a3',
      ].join('\n'),
    );
    expect(() => expectSame(program, 'a test', runner(false), runner(false))).not.toThrow();
  });

  it('that ends on one side alone is a difference', () => {
    const never = () => {
      throw new Error('no end in sight');
    };
    expect(() => expectSame(program, 'a test', never, runner(false))).toThrow(/no end in sight; QEMU: it ends/);
    expect(() => expectSame(program, 'a test', never, never)).not.toThrow();
  });
});

it('leaveOut keeps what is needed, wherever it is', () => {
  const items = Array.from({ length: 100 }, (_, n) => n);
  for (const needed of [[], [0], [99], [3, 50, 51], items]) {
    expect(leaveOut(items, (fewer) => needed.every((n) => fewer.includes(n)))).toEqual(needed);
  }
});

it.each([
  [r('add', 10, 11, 31), 'add a0, a1, t6'],
  [r('sh1add.uw', 1, 2, 3), 'sh1add.uw ra, sp, gp'],
  [unary('orc.b', 10, 11), 'orc.b a0, a1'],
  [shift('sraiw', 5, 6, 31), 'sraiw t0, t1, 31'],
  [shift('rori', 5, 6, 63), 'rori t0, t1, 63'],
  [shift('slli', 5, 6, 32), 'slli t0, t1, 32'],
  [i('addi', 8, 9, -2048), 'addi s0, s1, -2048'],
  [i('ld', 8, 9, -8), 'ld s0, -8(s1)'],
  [i('jalr', 0, 1, 2), 'jalr zero, 2(ra)'],
  [s('sb', 8, 9, -1), 'sb s0, -1(s1)'],
  [s('sd', 8, 9, 2047), 'sd s0, 2047(s1)'],
  [b('bgeu', 8, 9, -4096), 'bgeu s0, s1, . - 4096'],
  [b('beq', 8, 9, 2050), 'beq s0, s1, . + 2050'],
  [jal(1, -1048576), 'jal ra, . - 1048576'],
  [jal(0, 2048), 'jal zero, . + 2048'],
  [amo('lr', 'w', 10, 11, 0), 'lr.w a0, (a1)'],
  [amo('amomaxu', 'd', 10, 11, 12), 'amomaxu.d a0, a2, (a1)'],
  [csr('s', 10, 'mstatus', 11), 'csrrs a0, mstatus, a1'],
  [csri('c', 0, 'mie', 31), 'csrrci zero, mie, 31'],
  [(csr('w', 0, 'mie', 5) & 0xf_ffff) | (0x3b1 << 20), 'csrrw zero, 0x3b1, t0'],
  [sfence(10, 0), 'sfence.vma a0, zero'],
  [cbo('cbo.zero', 10), 'cbo.zero 0(a0)'],
  [0x0505, '.half 0x0505'],
  [0xffff_ffff, '.word 0xffffffff'],
])('%i is shown as %s', (instruction, text) => {
  expect(disassemble(instruction)).toBe(text);
});
