/** The board's device tree, node for node what QEMU's `virt` board hands its guests (hw/riscv/virt.c), and a watchdog. */
import { BOARD, virtioSlot } from './board.js';
import { FINISHER_PASS, FINISHER_RESET } from './devices/finisher.js';
import { PLIC_SOURCES } from './devices/plic.js';
import { writeFdt, type FdtNode } from './fdt.js';
import { RAM_BASE, TICK_NS } from './layout.js';

export interface DeviceTreeFacts {
  readonly ramBytes: number;
  readonly harts: number;
  readonly bootargs: string;
  readonly rngSeed?: Uint8Array;
  /** Where the initial RAM disk has been loaded. */
  readonly initrd?: { readonly from: number; readonly size: number };
  /** Virtio slots that hold a device, from the first on. */
  readonly virtioDevices: number;
}

const TIMEBASE_HZ = 1e9 / TICK_NS;
const UART_CLOCK_HZ = 3_686_400;
const PLIC_PHANDLE = 0x100;
const FINISHER_PHANDLE = 0x101;
/** What a hart has besides the base, in the order that the specification gives names in. */
const EXTENSIONS = 'i m a f d c zicbom zicboz zicsr zifencei zba zbb zbs sstc svadu svpbmt'.split(' ');
/** Bytes of a cache block (Zicbom, Zicboz). */
const CACHE_BLOCK = 64;
const interruptControllerOf = (hart: number) => hart + 1;

// Interrupt numbers of a hart, as its local interrupt controller counts them: causes of mcause.
const SOFTWARE_M = 3;
const TIMER_M = 7;
const EXTERNAL_S = 9;
const EXTERNAL_M = 11;

/** `reg` with two cells each for address and size. */
const reg = ({ base, size }: { readonly base: number; readonly size: number }): number[] => [
  Math.floor(base / 2 ** 32),
  base >>> 0,
  Math.floor(size / 2 ** 32),
  size >>> 0,
];

const node = (name: string, { base }: { readonly base: number }) => `${name}@${base.toString(16)}`;

/** The flattened tree for a machine. */
export function buildDeviceTree({
  ramBytes,
  harts,
  bootargs,
  rngSeed,
  initrd,
  virtioDevices,
}: DeviceTreeFacts): Uint8Array {
  const ram = { base: RAM_BASE, size: ramBytes };
  const ids = Array.from({ length: harts }, (_, hart) => hart);
  return writeFdt({
    properties: {
      '#address-cells': 2,
      '#size-cells': 2,
      compatible: 'riscv-virtio',
      model: 'riscv-virtio,drover',
    },
    children: {
      chosen: {
        properties: {
          bootargs,
          'stdout-path': `/soc/${node('serial', BOARD.uart)}`,
          ...(rngSeed && { 'rng-seed': rngSeed }),
          ...(initrd && {
            'linux,initrd-start': BigInt(initrd.from),
            'linux,initrd-end': BigInt(initrd.from + initrd.size),
          }),
        },
      },
      [node('memory', ram)]: { properties: { device_type: 'memory', reg: reg(ram) } },
      cpus: cpus(ids),
      poweroff: systemControl('syscon-poweroff', FINISHER_PASS),
      reboot: systemControl('syscon-reboot', FINISHER_RESET),
      soc: soc(ids, virtioDevices),
    },
  });
}

function cpus(harts: readonly number[]): FdtNode {
  const nodes = harts.map((hart): [string, FdtNode] => [`cpu@${hart.toString(16)}`, cpu(hart)]);
  return {
    properties: { '#address-cells': 1, '#size-cells': 0, 'timebase-frequency': TIMEBASE_HZ },
    children: Object.fromEntries(nodes),
  };
}

function cpu(hart: number): FdtNode {
  return {
    properties: {
      device_type: 'cpu',
      reg: hart,
      status: 'okay',
      compatible: 'riscv',
      'riscv,isa': isaString(),
      'riscv,isa-base': 'rv64i',
      'riscv,isa-extensions': EXTENSIONS,
      'riscv,cbom-block-size': CACHE_BLOCK,
      'riscv,cboz-block-size': CACHE_BLOCK,
      'mmu-type': 'riscv,sv48',
    },
    children: {
      'interrupt-controller': {
        properties: {
          '#interrupt-cells': 1,
          'interrupt-controller': true,
          compatible: 'riscv,cpu-intc',
          phandle: interruptControllerOf(hart),
        },
      },
    },
  };
}

/** Single letters together, longer names after underscores: rv64imac_zicsr_... */
function isaString(): string {
  const letters = EXTENSIONS.filter((name) => name.length === 1);
  return ['rv64' + letters.join(''), ...EXTENSIONS.filter((name) => name.length > 1)].join('_');
}

/** Power-off and reboot: write `value` into the finisher. */
function systemControl(compatible: string, value: number): FdtNode {
  return { properties: { compatible, value, offset: 0, regmap: FINISHER_PHANDLE } };
}

function soc(harts: readonly number[], virtioDevices: number): FdtNode {
  const lines = (first: number, second: number) =>
    harts.flatMap((hart) => [interruptControllerOf(hart), first, interruptControllerOf(hart), second]);
  return {
    properties: { '#address-cells': 2, '#size-cells': 2, compatible: 'simple-bus', ranges: true },
    children: {
      ...Object.fromEntries(Array.from({ length: virtioDevices }, (_, slot) => virtioNode(slot))),
      [node('serial', BOARD.uart)]: {
        properties: {
          compatible: 'ns16550a',
          reg: reg(BOARD.uart),
          interrupts: BOARD.uart.interrupt,
          'interrupt-parent': PLIC_PHANDLE,
          'clock-frequency': UART_CLOCK_HZ,
        },
      },
      [node('test', BOARD.finisher)]: {
        properties: {
          compatible: ['sifive,test1', 'sifive,test0', 'syscon'],
          reg: reg(BOARD.finisher),
          phandle: FINISHER_PHANDLE,
        },
      },
      [node('rtc', BOARD.rtc)]: {
        properties: {
          compatible: 'google,goldfish-rtc',
          reg: reg(BOARD.rtc),
          interrupts: BOARD.rtc.interrupt,
          'interrupt-parent': PLIC_PHANDLE,
        },
      },
      [node('watchdog', BOARD.watchdog)]: {
        properties: { compatible: 'allwinner,sun6i-a31-wdt', reg: reg(BOARD.watchdog) },
      },
      [node('clint', BOARD.clint)]: {
        properties: {
          compatible: ['sifive,clint0', 'riscv,clint0'],
          reg: reg(BOARD.clint),
          'interrupts-extended': lines(SOFTWARE_M, TIMER_M),
        },
      },
      [node('plic', BOARD.plic)]: {
        properties: {
          compatible: ['sifive,plic-1.0.0', 'riscv,plic0'],
          reg: reg(BOARD.plic),
          'interrupts-extended': lines(EXTERNAL_M, EXTERNAL_S),
          'interrupt-controller': true,
          '#interrupt-cells': 1,
          '#address-cells': 0,
          'riscv,ndev': PLIC_SOURCES,
          phandle: PLIC_PHANDLE,
        },
      },
    },
  };
}

/** The transport of a virtio device (virtio 1.2, section 4.2.1). */
function virtioNode(slot: number): [string, FdtNode] {
  const at = virtioSlot(slot);
  const properties = {
    'dma-coherent': true,
    compatible: 'virtio,mmio',
    reg: reg(at),
    interrupts: at.interrupt,
    'interrupt-parent': PLIC_PHANDLE,
  } as const;
  return [node('virtio_mmio', at), { properties }];
}
