/** KVM's debug half of a vCPU that is launched in the run: plain, protected, and moved. */
import { describe, expect, it } from 'vitest';
import { vcpuDebugDesign } from '../../../actors/guest-debug/vcpu-debug-state.ts';
import { type LaunchedDebugState, launchedDebugMachine } from '../../../actors/sev-es-debug/launched-debug.ts';
import { Given, told } from '../given.ts';

const from = 'thread:qemu0/0';
const INPUT = { debugSwap: false, interceptsDr7: true, interceptsDb: true, trustsHardware: false, entryDr7: 0 };
const half = () =>
  Given.start<LaunchedDebugState>(launchedDebugMachine(vcpuDebugDesign('svm', '6.14'), INPUT)).after({
    type: 'kdb.load',
    cpu: 'pcpu:1',
    from,
  });
const VMRUN = { type: 'kdb.vmcb', debugSwap: true, interceptsDr7: false, interceptsDb: false, from: 'esv:vm0/0' };
const ENTER = { type: 'kdb.enter', from };
const LEFT = {
  type: 'dr.left',
  registers: { db: [1, 2, 3, 4], dr6: 0xffff_0ff1, dr7: 0x401 },
  flags: { tf: true, rf: false },
  shadow: null,
  pending: 0,
  from: 'dr:1',
};
const setDebug = (flags: readonly string[]) => ({ type: 'kdb.setGuestDebug', flags, db: [0, 0, 0, 0], dr7: 0, from });

describe('a vCPU that is launched in the run', () => {
  it('is debugged as a plain one until VMRUN reads its VMSA, and its debugger stays known behind that', () => {
    const debugged = half().after(setDebug(['ENABLE', 'SINGLESTEP']));
    expect(debugged.context).toMatchObject({ guestDebug: ['ENABLE', 'SINGLESTEP'], encrypted: null });
    const { sent } = debugged.after(VMRUN).when({ type: 'kdb.debugged?', from });
    expect(sent[0]!.event).toMatchObject({ guestDebug: true });
  });

  it('enters as its VMSA and its VMCB say at each VMRUN, whatever they said before', () => {
    const sentBy = (...events: readonly object[]) =>
      half()
        .after(...(events as (typeof VMRUN)[]))
        .when(ENTER).sent;
    expect(told(sentBy(VMRUN))).toEqual(['dr:1 dr.set', 'dr:1 dr.enter']);
    const changed = sentBy(VMRUN, ENTER, LEFT, { ...VMRUN, debugSwap: false, interceptsDr7: true });
    expect(told(changed)).toEqual(['dr:1 dr.enter']);
    expect(changed[0]!.event).toMatchObject({ controls: { intercepts: { dr: 'dr7-by-vc', db: false } } });
  });

  it('delivers behind its launch what user space has injected before', () => {
    const injected = half().after(setDebug(['ENABLE', 'INJECT_DB']), { type: 'kdb.inject', from }, VMRUN, ENTER);
    expect([injected.context.exception, injected.context.area.inject]).toEqual([null, null]);
    const { sent } = injected.when({ type: 'kdb.resume?', from: 'vcpu:vm0/0' });
    expect(sent[0]!.event).toMatchObject({ exception: { vector: 'DB' } });
  });

  it('gives a moved guest its registers, and no exception that KVM has queued and not injected', () => {
    const source = half().after(VMRUN, ENTER, LEFT, { type: 'kdb.db', bits: 1, icebp: false, rip: 0, next: 3, from });
    expect(source.context.encrypted!.exception).toEqual({ vector: 'DB', injected: false });
    const { sent, context } = source.when({ type: 'kdb.giveVmsa', to: 'kdb:vm1/0', from: 'esv:vm0/0' });
    expect([told(sent), context.encrypted]).toEqual([['kdb:vm1/0 kdb.takeVmsa'], null]);
    const taken = half().after({ ...sent[0]!.event, from: 'kdb:vm0/0' } as typeof VMRUN);
    expect(taken.context.encrypted).toMatchObject({ vmsa: { db: [1, 2, 3, 4], dr7: 0x401 }, exception: null });
    expect(taken.after(VMRUN).when(ENTER).sent[0]!.event).toMatchObject({ type: 'dr.set', db: [1, 2, 3, 4] });
  });

  it('has nothing to hand on where no VMRUN has read its VMSA', () => {
    expect(half().when({ type: 'kdb.giveVmsa', to: 'kdb:vm1/0', from: 'esv:vm0/0' }).sent).toEqual([]);
  });

  it('tells its guest at RDMSR of SEV_STATUS whether it has DebugSwap', () => {
    const { sent } = half().after(VMRUN).when({ type: 'kdb.sevStatus?', from: 'vcpu:vm0/0' });
    expect(sent[0]!.event).toEqual({ type: 'kdb.sevStatus', debugSwap: true });
  });
});
