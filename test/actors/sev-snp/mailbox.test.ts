/** A mailbox that fails: commands that outlast the wait, polls, buffers, pages that are written. */
import { describe, expect, it } from 'vitest';
import { mutexMachine } from '../../../actors/host/kernel-objects.ts';
import { type PspContext, pspMachine } from '../../../actors/sev-snp/psp.ts';
import { HYPERVISOR_PAGE } from '../../../actors/sev-snp/rmp-table.ts';
import { type SevDeviceContext, sevDeviceMachine } from '../../../actors/sev-snp/sev-device.ts';
import { Given, told } from '../given.ts';

const [A, B] = ['thread:a/0', 'thread:b/0'] as const;
const by = (from: string, type: string, rest: object = {}) => ({ type, from, ...rest });

describe('a PSP whose commands outlast the wait', () => {
  const input = { state: 'INIT', errors: false, interrupts: false };
  const psp = Given.start<PspContext>(pspMachine, { ...input, sticks: true, slows: true });
  const flush = by(A, 'psp.command', { command: 'SNP_DF_FLUSH', pfn: 0 });
  const poll = (given: Given<PspContext>) => given.when(by(A, 'psp.poll?')).sent[0]!.event;

  it('offers it only where the scenario allows it', () => {
    expect(Given.start<PspContext>(pspMachine, input).after(flush).offers()).toEqual([{ type: 'exec', owed: true }]);
    expect(
      psp
        .after(flush)
        .offers()
        .map(({ type }) => type),
    ).toEqual(['exec', 'psp-stuck', 'psp-slow']);
  });

  it('tells the timer, and never does anything again', () => {
    const stuck = psp.after(flush).when({ type: 'psp-stuck' });
    expect(stuck.sent).toEqual([{ to: 'sev', event: { type: 'sev.outlasts' } }]);
    expect([stuck.state, stuck.and.offers(), stuck.and.has('rest')]).toEqual(['stuck', [], true]);
    expect(poll(stuck.and)).toMatchObject({ response: false, outlasts: true });
    expect(stuck.and.after(by(B, 'psp.command', { command: 'SNP_COMMIT', pfn: 0 })).context).toMatchObject({ overwritten: 'SNP_DF_FLUSH' });
  });

  it('tells the timer, and answers later', () => {
    const slow = psp.after(flush).when({ type: 'psp-slow' });
    expect(told(slow.sent)).toEqual(['sev sev.outlasts']);
    expect(slow.and.offers()).toEqual([{ type: 'exec', owed: true }]);
    const done = slow.and.when({ type: 'exec' });
    expect(told(done.sent)).toEqual(['pcpu:0 irq.psp']);
    expect(poll(done.and)).toMatchObject({ response: true, status: 'SUCCESS', outlasts: false });
  });

  it('interrupts for no command that asked for no interrupt', () => {
    const polled = { ...flush, polled: true };
    expect(psp.after(polled).when({ type: 'exec' }).sent).toEqual([]);
    expect(told(psp.after(polled, { type: 'exec' }, flush).when({ type: 'exec' }).sent)).toEqual(['pcpu:0 irq.psp']);
  });

  it('leaves what is about the platform to who keeps it', () => {
    const kept = Given.start<PspContext>(pspMachine, { ...input, keeper: 'snp-platform' });
    const asked = kept.after(by(A, 'psp.command', { command: 'SNP_SHUTDOWN_EX', pfn: 0, x86: true })).when({ type: 'exec' });
    expect(asked.sent).toEqual([{ to: 'snp-platform', event: { type: 'platform.command', command: 'SNP_SHUTDOWN_EX', x86: true } }]);
    const done = (status: string) => asked.and.after(by('snp-platform', 'platform.done', { status })).context;
    expect(done('SUCCESS')).toMatchObject({ status: 'SUCCESS', platform: 'UNINIT', command: null });
    expect(done('DFFLUSH_REQUIRED')).toMatchObject({ status: 'DFFLUSH_REQUIRED', platform: 'INIT', command: null });
  });

  it.each([
    [[true, true], 'SUCCESS'],
    [[true, false], 'INVALID_PAGE_STATE'],
    [[false], 'INVALID_PAGE_STATE'],
  ] as const)('writes to pages of the firmware alone: %j ends with %s', (isFirmware, status) => {
    const pages = isFirmware.map((_, i) => 0x1800 + i);
    const asking = psp.after(by(A, 'psp.command', { command: 'GET_ID', pfn: 0, pages }), { type: 'exec' });
    const firmware = { ...HYPERVISOR_PAGE, assigned: true, immutable: true };
    const entries = isFirmware.map((is) => by('rmp:0x1800', 'rmp.entry', { entry: is ? firmware : HYPERVISOR_PAGE, inUse: false }));
    expect(asking.after(...entries).context).toMatchObject({ status, command: null, asking: null });
  });
});

describe('the driver', () => {
  const device = Given.start<SevDeviceContext>(sevDeviceMachine, null);
  const look = (given: Given<SevDeviceContext>) => given.when(by(A, 'sev.rcvd?')).sent[0]!.event;
  const waiting = device.after(by(A, 'sev.expect'), by(A, 'sev.rcvd?'));
  const outlasts = by('psp', 'sev.outlasts');
  const completes = by('psp', 'psp.interrupted', { complete: true, response: true });

  it('has a timer that expires only if a thread waits for a command that outlasts it', () => {
    expect([waiting.offers(), device.after(outlasts).offers()]).toEqual([[], []]);
    const armed = waiting.after(outlasts);
    expect(armed.offers()).toEqual([{ type: 'psp-timeout', owed: true }]);
    const expired = armed.when({ type: 'psp-timeout' });
    expect(expired.sent).toEqual([{ to: 'sched', event: { type: 'sched.wake', thread: A } }]);
    expect(look(expired.and)).toEqual({ type: 'sev.rcvd', rcvd: false, expired: true });
  });

  it('takes a command for done whose interrupt came before the look, timer or not', () => {
    expect(look(waiting.after(outlasts, { type: 'psp-timeout' }, completes))).toEqual({ type: 'sev.rcvd', rcvd: true });
  });

  it('forgets the timer before the next command', () => {
    const again = waiting.after(outlasts, completes, by(B, 'sev.expect'), by(B, 'sev.rcvd?'));
    expect(again.offers()).toEqual([]);
  });

  it('remembers that it has given the PSP up', () => {
    const dead = (given: Given<SevDeviceContext>) => given.when(by(A, 'sev.dead?')).sent[0]!.event;
    expect(dead(device)).toMatchObject({ dead: false });
    expect(dead(device.after(by(A, 'sev.die', { command: 'SNP_COMMIT' })))).toMatchObject({ dead: true });
  });

  it('has two buffers, gives the backup away second, and takes it back first', () => {
    const claim = by(A, 'sev.claim');
    const release = by(A, 'sev.release');
    const buffers = Given.start<SevDeviceContext>(sevDeviceMachine, { commandBuffer: 0x1900 });
    const given = (from: Given<SevDeviceContext>) => from.when(claim).sent[0]!.event.pfn;
    expect([given(buffers), given(buffers.after(claim)), given(buffers.after(claim, claim))]).toEqual([0x1900, 0x1901, null]);
    expect(given(buffers.after(claim, claim, release))).toBe(0x1901);
    expect(given(buffers.after(claim, claim, release, release))).toBe(0x1900);
    expect(buffers.after(claim, claim, claim).context.buffers).toEqual({ pfn: 0x1900, active: [true, true] });
  });
});

describe('a mutex', () => {
  it('tells whether it is held, and queues no one who only asks', () => {
    const mutex = Given.start(mutexMachine);
    const owned = (given: typeof mutex) => given.when(by(B, 'mutex.owned?')).sent[0]!.event;
    expect(owned(mutex)).toEqual({ type: 'mutex.owned', owned: false });
    const held = mutex.after(by(A, 'mutex.lock'));
    expect(owned(held)).toEqual({ type: 'mutex.owned', owned: true });
    expect(held.after(by(B, 'mutex.owned?')).context).toMatchObject({ owner: A, waiters: [] });
  });
});
