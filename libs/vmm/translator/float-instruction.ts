/** Instructions of F and D, decoded for translation. Of registers, fd and fs are f registers, rd and rs x registers. */

/** Single or double precision. */
export type FloatFormat = 's' | 'd';
export type FloatOperation = 'add' | 'sub' | 'mul' | 'div' | 'min' | 'max';
/** FSGNJ, FSGNJN, FSGNJX. */
export type SignOperation = 'copy' | 'negate' | 'xor';
export type FloatCondition = 'le' | 'lt' | 'eq';
/** CSRRW, CSRRS, CSRRC. */
export type CsrOperation = 'write' | 'set' | 'clear';
export type IntegerKind = 'w' | 'wu' | 'l' | 'lu';
/** How a number becomes a whole one: by WebAssembly's names, and to nearest with ties away from zero. */
export type ToWhole = 'nearest' | 'trunc' | 'floor' | 'ceil' | 'awayFromZero';

/** Where something is rounded and nothing else is said, it is to nearest, as the instruction or frm says. */
export type FloatAction =
  | Readonly<{ kind: 'floatLoad'; format: FloatFormat; fd: number; rs1: number; immediate: number }>
  | Readonly<{ kind: 'floatStore'; format: FloatFormat; fs2: number; rs1: number; immediate: number }>
  | Readonly<{
      kind: 'floatCompute';
      operation: FloatOperation;
      format: FloatFormat;
      fd: number;
      fs1: number;
      fs2: number;
    }>
  | Readonly<{ kind: 'floatRoot'; format: FloatFormat; fd: number; fs1: number }>
  | Readonly<{
      kind: 'floatFused';
      format: FloatFormat;
      fd: number;
      fs1: number;
      fs2: number;
      fs3: number;
      negateProduct: boolean;
      negateAddend: boolean;
    }>
  | Readonly<{ kind: 'floatSign'; operation: SignOperation; format: FloatFormat; fd: number; fs1: number; fs2: number }>
  | Readonly<{
      kind: 'floatCompare';
      condition: FloatCondition;
      format: FloatFormat;
      rd: number;
      fs1: number;
      fs2: number;
    }>
  /** FCVT.S.D and FCVT.D.S; the format is that of the result. */
  | Readonly<{ kind: 'floatConvert'; format: FloatFormat; isDynamic: boolean; fd: number; fs1: number }>
  | Readonly<{
      kind: 'floatToInteger';
      integer: IntegerKind;
      toWhole: ToWhole;
      /** The rounding mode is in frm; one that is reserved there makes it illegal. */
      isDynamic: boolean;
      format: FloatFormat;
      rd: number;
      fs1: number;
    }>
  | Readonly<{
      kind: 'floatFromInteger';
      integer: IntegerKind;
      /** The instruction rounds in another way than to nearest. */
      mustBeExact: boolean;
      isDynamic: boolean;
      format: FloatFormat;
      fd: number;
      rs1: number;
    }>
  | Readonly<{ kind: 'floatClass'; format: FloatFormat; rd: number; fs1: number }>
  /** FMV.X.W, FMV.X.D. */
  | Readonly<{ kind: 'floatToX'; format: FloatFormat; rd: number; fs1: number }>
  /** FMV.W.X, FMV.D.X. */
  | Readonly<{ kind: 'floatFromX'; format: FloatFormat; fd: number; rs1: number }>
  /** On fcsr or a field of it; the operand is that of register rs1, or, if that is x0, `bits`. */
  | Readonly<{
      kind: 'floatCsr';
      operation: CsrOperation;
      /** The field: where it begins, and its bits there. */
      shift: number;
      mask: number;
      rd: number;
      rs1: number;
      bits: number;
    }>;

export function isFloat(action: Readonly<{ kind: string }>): action is FloatAction {
  return action.kind.startsWith('float');
}
