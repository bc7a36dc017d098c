/** A VM and a vCPU that are created in the run, message by message. */
import { describe, expect, it } from 'vitest';
import { esVcpuMachine } from '../../../actors/sev-es-debug/launch-vcpu.ts';
import type { EsVcpuContext } from '../../../actors/sev-es-debug/launch-vcpu-state.ts';
import { type SevVmContext, sevVmMachine } from '../../../actors/sev-es-debug/launch-vm.ts';
import { type LaunchDesign, SEV_LAUNCH_OPTIONS } from '../../../events/sev-es-debug/launch.ts';
import { Given, told } from '../given.ts';

const design = (change: Partial<LaunchDesign> = {}): LaunchDesign => ({
  ...(Object.fromEntries(Object.entries(SEV_LAUNCH_OPTIONS).map(([name, [first]]) => [name, first])) as unknown as LaunchDesign),
  ...change,
});
const T = 'thread:qemu0/0';
const by = (from: string, type: string, fields: object = {}) => ({ type, from, ...fields });

const vm = () => Given.start<SevVmContext>(sevVmMachine({ design: design(), features: ['sev-es'], offered: 0x20 }));
const guest = () =>
  vm().after(
    by(T, 'sev.create', { vmType: 'sev-es' }),
    by(T, 'sev.init', { ioctl: 'KVM_SEV_INIT2', features: 0x20 }),
    by(T, 'sev.countVcpu'),
  );
const vcpu = (change: Partial<LaunchDesign> = {}) =>
  Given.start<EsVcpuContext>(esVcpuMachine(design(change)), { vcpu: 0, id: 'vcpu:vm0/0', debugHalf: null });
const ENTER = by(T, 'esv.enter?', { cpu: 'pcpu:0' });
const CREATED = [by(T, 'esv.create', { vmType: 'sev-es', es: true, features: 0x20 }), by(T, 'esv.putOnline')];

/** Of a host that debugs, with DebugSwap. */
const LAUNCHED = () =>
  Given.start<EsVcpuContext>(esVcpuMachine(design()), { vcpu: 0, id: 'vcpu:vm0/0', debugHalf: 'kdb:vm0/0' }).after(
    ...CREATED,
    by(T, 'esv.syncRegisters', { features: 0x20 }),
    by('sev:vm0', 'esv.encrypt'),
    by(T, 'esv.protect', { last: true }),
  );

describe('a VM', () => {
  it('has no descriptor before it is created, and takes no ioctls once it has gone to another', () => {
    const errno = (given: Given<SevVmContext>) => given.when(by(T, 'sev.fd?')).sent[0]!.event.errno;
    expect([errno(vm()), errno(guest()), errno(guest().after(by(T, 'sev.give', { to: 'sev:vm1', features: true })))]).toEqual([
      'EBADF',
      null,
      'EIO',
    ]);
  });

  it('shows a vCPU once, in the second section of its creation', () => {
    const shown = guest().when(by(T, 'sev.putOnline', { vcpu: 0, id: 'esv:vm0/0' }));
    expect(told(shown.sent)).toEqual([`${T} sev.done`, 'esv:vm0/0 esv.putOnline']);
    expect(shown.and.when(by(T, 'sev.putOnline', { vcpu: 0, id: 'esv:vm0/0' })).sent[0]!.event.errno).toBe('EEXIST');
  });

  it('has the page of a vCPU encrypted before it measures it', () => {
    const started = guest().after(by('psp', 'psp.guestCommand', { command: 'LAUNCH_START', page: null }));
    const asked = started.when(by('psp', 'psp.guestCommand', { command: 'LAUNCH_UPDATE_VMSA', page: 'esv:vm0/0' }));
    expect(told(asked.sent)).toEqual(['esv:vm0/0 esv.encrypt']);
    const content = { gprs: 1, sregs: 2, fpu: 3, features: 0x20 };
    const { and, sent } = asked.and.when(by('esv:vm0/0', 'esv.encrypted', { vcpu: 0, content }));
    expect([told(sent), and.context.firmware?.measured]).toEqual([['psp psp.guestDone'], [{ vcpu: 0, ...content }]]);
  });

  it('tells the firmware nothing of a command out of its order', () => {
    const { sent } = guest().when(by('psp', 'psp.guestCommand', { command: 'LAUNCH_FINISH', page: null }));
    expect(sent[0]!.event.status).toBe('INVALID_GUEST_STATE');
  });
});

describe('a vCPU', () => {
  it('is launched with the registers that it has at the sync, which are stale where they change before the firmware looks', () => {
    const synced = vcpu().after(...CREATED, by(T, 'esv.syncSave'), by(T, 'esv.syncRegisters', { features: 0x20 }));
    expect(synced.when(by('sev:vm0', 'esv.encrypt')).context.stale).toBeUndefined();
    const set = synced.after(by(T, 'esv.registers', { ioctl: 'KVM_SET_REGS', value: 4 }));
    expect(set.when(by('sev:vm0', 'esv.encrypt')).context).toMatchObject({ encrypted: true, stale: true });
  });

  it('notices a VMRUN in the middle of a launch, and none before', () => {
    const created = vcpu().after(...CREATED);
    expect(created.when(ENTER)).toMatchObject({ context: { launching: false }, sent: [{ event: { runs: false } }] });
    expect(created.after(by(T, 'esv.syncSave'), ENTER).context.enteredInLaunch).toBe(true);
    expect(created.after(ENTER).context.enteredInLaunch).toBeUndefined();
  });

  it('is not entered while its page is the firmware’s', () => {
    const encrypted = vcpu().after(...CREATED, by(T, 'esv.syncSave'), by(T, 'esv.toFirmware'), by('sev:vm0', 'esv.encrypt'));
    expect(encrypted.when(ENTER).sent[0]!.event.runs).toBe(false);
    const launched = encrypted.after(by(T, 'esv.protect', { last: false }), by(T, 'esv.enableLbrv', { last: true }));
    expect(launched.when(ENTER).sent.at(-1)!.event).toMatchObject({ runs: true, debugSwap: false, guest: 'vcpu:vm0/0' });
  });

  it('has what it is and who runs it read at VMRUN: its own vCPU, or the one that it has moved to', () => {
    const launched = LAUNCHED();
    const read = { type: 'kdb.vmcb', debugSwap: true, interceptsDr7: false, interceptsDb: false };
    const [own, ...rest] = launched.when(ENTER).sent;
    expect(own).toMatchObject({ to: 'vcpu:vm0/0', event: { type: 'guest.runBy', runner: null } });
    expect(rest[0]).toMatchObject({ to: 'kdb:vm0/0', event: read });
    const vmsa = launched.context.vmsa!;
    const moved = Given.start<EsVcpuContext>(esVcpuMachine(design()), { vcpu: 0, id: 'vcpu:vm1/0', debugHalf: null }).after(
      by(T, 'esv.initVmcb', { features: 0x20, last: false }),
      by('esv:vm0/0', 'esv.take', { vmsa, guest: 'vcpu:vm0/0', encrypted: true, last: true }),
    );
    expect(moved.when(ENTER).sent[0]).toMatchObject({
      to: 'vcpu:vm0/0',
      event: { runner: { vcpu: 'vcpu:vm1/0', thread: T, cpu: 'pcpu:0' } },
    });
  });

  it('hands what its guest has in its debug registers on with the VMSA', () => {
    const { sent } = LAUNCHED().when(by(T, 'esv.give', { to: 'esv:vm1/0', last: true }));
    expect(sent[1]).toMatchObject({ to: 'kdb:vm0/0', event: { type: 'kdb.giveVmsa', to: 'kdb:vm1/0' } });
  });

  it('loses LBR virtualization by a change of DEBUGCTL until it is protected, and not behind that', () => {
    const [off, on] = [0, 1].map((value) => by(T, 'esv.registers', { ioctl: 'KVM_SET_DEBUGCTL', value }));
    const reset = vcpu({ 'sev.lbrvOrder': 'at-reset' }).after(...CREATED);
    expect([reset.context.lbrv, reset.after(off!).context.lbrv, reset.after(on!, off!).context.lbrv]).toEqual([true, true, false]);
    expect(reset.after(on!, by(T, 'esv.protect', { last: true }), off!).context.lbrv).toBe(true);
  });

  it('notices a store of the host to its VMSA that is encrypted, or that is not there', () => {
    const encrypted = vcpu().after(...CREATED, by('sev:vm0', 'esv.encrypt'));
    expect(encrypted.after(by(T, 'esv.syncSave')).context.storedEncrypted).toBe(true);
    const writes = vcpu({ 'sev.featuresWrite': 'init-vmcb' }).after(by(T, 'esv.create', { vmType: 'sev-es', es: false, features: 0 }));
    expect(writes.after(by(T, 'esv.initVmcb', { features: 0x20, last: false })).context.storedNull).toBe(true);
  });

  it('gives its VMSA to the destination of a move, and has none behind that', () => {
    const launched = vcpu().after(...CREATED, by('sev:vm0', 'esv.encrypt'), by(T, 'esv.protect', { last: true }));
    const { sent, context } = launched.when(by(T, 'esv.give', { to: 'esv:vm1/0', last: true }));
    expect(sent[0]).toMatchObject({ to: 'esv:vm1/0', event: { type: 'esv.take', encrypted: true } });
    expect(context).toMatchObject({ vmsa: null, encrypted: false, guestProtected: false, dead: true });
  });
});
