/** Litmus tests of x86 with the verdicts that are published. */

export interface Litmus {
  readonly name: string;
  /** Threads, which have nothing in common but memory that is 0 at the start. */
  readonly threads: string;
  /** The final state that is asked for. */
  readonly final: string;
  /** Whether it may be met; whether with MFENCE between each two instructions, null: not asked. */
  readonly allowed: boolean;
  readonly fenced: false | null;
  readonly source: string;
}

const SDM = 'SDM vol. 3, 8.2.3';
const CACM = 'CACM 2010';
const ALGLAVE = 'herd, x86';
const test = (name: string, threads: string, final: string, verdict: 'allowed' | 'forbidden', source: string): Litmus => ({
  name,
  threads,
  final,
  allowed: verdict === 'allowed',
  fenced: threads.includes('xchg') ? null : false,
  source,
});

export const LITMUS: readonly Litmus[] = [
  test('SB', 'x = 1; r0 = y | y = 1; r1 = x', 'r0=0 r1=0', 'allowed', `${SDM}.4; ${CACM}`),
  test('MP', 'x = 1; y = 1 | r0 = y; r1 = x', 'r0=1 r1=0', 'forbidden', `${SDM}.2; ${CACM}`),
  test('LB', 'r0 = x; y = 1 | r1 = y; x = 1', 'r0=1 r1=1', 'forbidden', `${SDM}.3; ${CACM}`),
  test('own store', 'x = 1; r0 = x', 'r0=0', 'forbidden', `${SDM}.4; ${CACM}`),
  test('forwarding', 'x = 1; r0 = x; r1 = y | y = 1; r2 = y; r3 = x', 'r0=1 r1=0 r2=1 r3=0', 'allowed', `${SDM}.5; ${CACM}`),
  test('WRC', 'x = 1 | r0 = x; y = 1 | r1 = y; r2 = x', 'r0=1 r1=1 r2=0', 'forbidden', `${SDM}.6; ${CACM}`),
  test('IRIW', 'x = 1 | y = 1 | r0 = x; r1 = y | r2 = y; r3 = x', 'r0=1 r1=0 r2=1 r3=0', 'forbidden', `${SDM}.7; ${CACM}`),
  test('R', 'x = 1; y = 1 | y = 2; r0 = x', 'r0=0 y=2', 'allowed', ALGLAVE),
  test('S', 'x = 2; y = 1 | r0 = y; x = 1', 'r0=1 x=2', 'forbidden', ALGLAVE),
  test('2+2W', 'x = 1; y = 2 | y = 1; x = 2', 'x=1 y=1', 'forbidden', ALGLAVE),
  test('RWC', 'x = 1 | r0 = x; r1 = y | y = 1; r2 = x', 'r0=1 r1=0 r2=0', 'allowed', ALGLAVE),
  test('n4b', 'r0 = x; x = 1 | r1 = x; x = 2', 'r0=2 r1=1', 'forbidden', CACM),
  test('n5', 'x = 1; r0 = x | x = 2; r1 = x', 'r0=2 r1=1', 'forbidden', CACM),
  test('n6', 'x = 1; r0 = x; r1 = y | y = 2; x = 2', 'r0=1 r1=0 x=1', 'allowed', CACM),
  test('SB, xchg', 'r2 = xchg(x, 1); r0 = y | r3 = xchg(y, 1); r1 = x', 'r0=0 r1=0', 'forbidden', `${SDM}.9`),
  test('MP, xchg', 'r2 = xchg(x, 1); y = 1 | r0 = y; r1 = x', 'r0=1 r1=0', 'forbidden', `${SDM}.9`),
  test('IRIW, xchg', 'r4 = xchg(x, 1) | r5 = xchg(y, 1) | r0 = x; r1 = y | r2 = y; r3 = x', 'r0=1 r1=0 r2=1 r3=0', 'forbidden', `${SDM}.8`),
  test(
    'SB, locked between',
    'x = 1; r2 = xchg(a, 1); r0 = y | y = 1; r3 = xchg(b, 1); r1 = x',
    'r0=0 r1=0',
    'forbidden',
    'SDM vol. 3, Store Buffer',
  ),
];

/** Whether a final state has all that is asked for. */
export const hasFinal = (finals: readonly string[], asked: string): boolean =>
  finals.some((final) => asked.split(' ').every((value) => final.split(' ').includes(value)));
