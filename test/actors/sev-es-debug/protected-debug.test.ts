/** KVM's half of a vCPU with encrypted registers: what reaches the CPU, and what KVM never does. */
import { describe, expect, it } from 'vitest';
import { DR6_ACTIVE_LOW, DR7_FIXED_1 } from '../../../actors/guest-debug/debug-bits.ts';
import { type ProtectedDebugInput, type ProtectedDebugState, protectedDebugMachine } from '../../../actors/sev-es-debug/protected-debug.ts';
import { Given, told } from '../given.ts';

const from = 'thread:qemu0/vcpu0';
const INPUT: ProtectedDebugInput = { debugSwap: true, interceptsDr7: false, interceptsDb: false, trustsHardware: false, entryDr7: 0 };
const start = (input: Partial<ProtectedDebugInput> = {}) =>
  Given.start<ProtectedDebugState>(protectedDebugMachine(), { ...INPUT, ...input }).after({ type: 'kdb.load', cpu: 'pcpu:1', from });
const LEFT = {
  type: 'dr.left',
  registers: { db: [1, 2, 3, 4], dr6: 0xffff_0ff1, dr7: 0x401 },
  flags: { tf: true, rf: false },
  shadow: null,
  pending: 0,
  from: 'dr:1',
};
const ENTER = { type: 'kdb.enter', from };
const DB_EXIT = { type: 'kdb.db', bits: 1, icebp: false, rip: 0, next: 3, from };

describe('a vCPU with encrypted registers', () => {
  it('enters with DR0 to DR3 of its VMSA where they are swapped, and tells what left them there', () => {
    const { sent } = start().after(LEFT).when(ENTER);
    expect(told(sent)).toEqual(['dr:1 dr.set', 'dr:1 dr.enter']);
    expect(sent[0]!.event).toMatchObject({ db: [1, 2, 3, 4], masks: [0, 0, 0, 0] });
    expect(sent[1]!.event).toMatchObject({ dr6: 0xffff_0ff1, dr7: 0x401, keepsDr7: true, controls: { flags: { tf: true, rf: false } } });
  });

  it('leaves DR0 to DR3 of the CPU alone where they are not', () => {
    const given = start({ debugSwap: false }).after(LEFT);
    expect(given.context.vmsa.db).toEqual([0, 0, 0, 0]);
    expect(told(given.when(ENTER).sent)).toEqual(['dr:1 dr.enter']);
  });

  it.each([
    ['with DebugSwap', {}, { dr: false, db: false, bp: false }],
    ['without', { interceptsDr7: true, interceptsDb: true }, { dr: 'dr7-by-vc', db: true, bp: false }],
  ] as const)('is intercepted by its type: %s', (_what, input, intercepts) => {
    expect(start(input).when(ENTER).sent.at(-1)!.event).toMatchObject({ controls: { intercepts } });
  });

  it('disables the host breakpoints at R11, unless KVM trusts the hardware or there are none', () => {
    const prepare = (input: Partial<ProtectedDebugInput>, hostActive: boolean) =>
      start(input)
        .when({ type: 'kdb.prepare', hostActive, from })
        .sent.map(({ event }) => event);
    expect(prepare({}, true)).toEqual([{ type: 'dr.set', dr7: 0 }]);
    expect([prepare({}, false), prepare({ trustsHardware: true }, true)]).toEqual([[], []]);
  });

  it('gets a #DB that KVM was told of again, and its DR6 is not written', () => {
    const queued = start().after(LEFT, DB_EXIT);
    expect(queued.when({ type: 'kdb.exit?', from }).sent[0]!.event).toEqual({ type: 'kdb.exit', exit: null, queued: true });
    const injected = queued.after({ type: 'kdb.inject', from });
    expect([injected.context.inject, injected.context.vmsa.dr6]).toEqual(['DB', 0xffff_0ff1]);
    const inGuest = injected.after(ENTER);
    expect(inGuest.when({ type: 'kdb.resume?', from: 'vcpu:vm0/0' }).sent[0]!.event).toMatchObject({
      exception: { vector: 'DB', tf: true },
      skipped: false,
    });
    expect(inGuest.after(LEFT).context.exception).toBeNull();
  });

  it('has it injected once more where work was found before the entry', () => {
    const cancelled = start().after(DB_EXIT, { type: 'kdb.inject', from }, { type: 'kdb.cancel', from });
    expect([cancelled.context.inject, cancelled.context.exception]).toEqual([null, { vector: 'DB', injected: true }]);
  });

  it('is given the registers on 6.1 without end, and R11 writes those that KVM has', () => {
    const given = start().after(
      { type: 'kdb.load', cpu: 'pcpu:0', from },
      { type: 'kdb.dr', dr: 7, write: true, value: 1, rip: 0, next: 3, from },
    );
    const later = given.after(LEFT, { type: 'kdb.sync', from });
    const sent = later.when({ type: 'kdb.prepare', hostActive: false, from }).sent.map(({ event }) => event);
    expect(sent).toEqual([
      { type: 'dr.set', dr7: later.context.entryDr7 },
      { type: 'dr.set', db: [0, 0, 0, 0] },
    ]);
  });

  it('has nothing read at R13, and refuses what only a plain vCPU can be told', () => {
    const given = start().after(LEFT);
    expect(given.after({ type: 'kdb.sync', from }).context).toEqual(given.context);
    expect(() => given.after({ type: 'kdb.bp', rip: 0, from })).toThrow();
    expect(start().context.vmsa).toMatchObject({ dr6: DR6_ACTIVE_LOW, dr7: DR7_FIXED_1 });
  });
});
