/** The pages of an SNP guest with their map lock, the PSP, and the driver of its mailbox. */
import { describe, expect, it } from 'vitest';
import { type PspContext, pspMachine } from '../../../actors/sev-snp/psp.ts';
import { HYPERVISOR_PAGE } from '../../../actors/sev-snp/rmp-table.ts';
import { type SevDeviceContext, sevDeviceMachine } from '../../../actors/sev-snp/sev-device.ts';
import { type VmPagesContext, vmPagesMachine } from '../../../actors/sev-snp/vm-pages.ts';
import { PSP_COMMAND_IDS, PSP_STATUS } from '../../../events/sev-snp/psp.ts';
import { Given, told } from '../given.ts';

const [A, B, C] = ['thread:a/0', 'thread:b/0', 'thread:c/0'] as const;
const by = (from: string, type: string, rest: object = {}) => ({ type, from, ...rest });

describe('the pages of an SNP guest', () => {
  const pages = Given.start<VmPagesContext>(vmPagesMachine, { believes: [] });
  const lock = (from: string) => by(from, 'pages.lock', { gfn: 5 });
  const begin = (from: string) => by(from, 'pages.beginPsc', { gfn: 5 });
  const folio = (from: string) => by(from, 'pages.lockFolio', { gfn: 5, takes: 0x1005 });
  const granted = (given: Given<VmPagesContext>, event: ReturnType<typeof by>) => given.when(event).sent[0]!.event.granted;

  it('let several threads hold one page, and one thread change it', () => {
    const held = pages.after(lock(A), lock(B));
    expect(held.context.holders).toEqual({ 5: [A, B] });
    expect(granted(held, begin(C))).toBe(false);
    expect(granted(held, by(C, 'pages.beginPsc', { gfn: 6 }))).toBe(true);
    expect(granted(held.after(begin(C), by(A, 'pages.unlock', { gfn: 5 })), begin(C))).toBe(false);
    expect(granted(held.after(by(A, 'pages.unlock', { gfn: 5 }), by(B, 'pages.unlock', { gfn: 5 })), begin(C))).toBe(true);
  });

  it('keep new holders out while the page changes: the hole that SRCU left open', () => {
    const changing = pages.after(begin(C));
    expect(granted(changing, lock(A))).toBe(false);
    expect(granted(changing, begin(B))).toBe(false);
    expect(granted(changing.after(by(C, 'pages.endPsc', { gfn: 5 })), lock(A))).toBe(true);
  });

  it('wake all threads that were refused when one lets go', () => {
    const { sent, context } = pages.after(lock(A), begin(C), begin(B), begin(C)).when(by(A, 'pages.unlock', { gfn: 5 }));
    expect(sent.map(({ event }) => event.thread)).toEqual([B, C]);
    expect(context).toMatchObject({ holders: {}, waiters: [] });
    expect(pages.after(begin(C), lock(A)).when(by(C, 'pages.endPsc', { gfn: 5 })).sent).toHaveLength(1);
  });

  it('have folios that one thread locks, beside those that hold the page or change it', () => {
    expect(pages.after(lock(A), begin(C)).context).not.toHaveProperty('folios');
    const locked = pages.after(lock(A), folio(B));
    expect(locked.context.folios).toEqual({ 5: B });
    expect(granted(locked, by(C, 'pages.lockFolio', { gfn: 6, takes: 0x1006 }))).toBe(true);
    expect(granted(locked, lock(C))).toBe(true);
    expect(granted(pages.after(folio(B)), begin(C))).toBe(true);
    expect(granted(pages.after(begin(C)), folio(B))).toBe(true);
  });

  it('wake those who wait for a folio when one is unlocked, and only those', () => {
    const waiting = pages.after(lock(A), folio(A), begin(B), folio(C));
    expect(granted(waiting, folio(B))).toBe(false);
    expect(waiting.context).toMatchObject({ waiters: [B], folioWaiters: [C] });
    const unlocked = waiting.when(by(A, 'pages.unlockFolio', { gfn: 5 }));
    expect(unlocked.sent).toEqual([{ to: 'sched', event: { type: 'sched.wake', thread: C } }]);
    expect(unlocked.context).toMatchObject({ folios: {}, folioWaiters: [], waiters: [B] });
    expect(granted(unlocked.and, folio(C))).toBe(true);
    const letGo = waiting.when(by(A, 'pages.unlock', { gfn: 5 }));
    expect(letGo.sent).toEqual([{ to: 'sched', event: { type: 'sched.wake', thread: B } }]);
    expect(letGo.context).toMatchObject({ folios: { 5: A }, folioWaiters: [C] });
  });

  it('are free until a guest_memfd takes them for a folio that it locks', () => {
    const takes = folio(B);
    const freed = pages.after(by(A, 'pages.free', { pfn: 0x1005 }), by(A, 'pages.free', { pfn: 0x1007 }));
    expect(freed.context.freed).toEqual([0x1005, 0x1007]);
    expect(freed.after(begin(B)).context.freed).toEqual([0x1005, 0x1007]);
    expect(freed.after(takes).context.freed).toEqual([0x1007]);
    const refused = pages.after(folio(A), by(A, 'pages.free', { pfn: 0x1005 }), takes);
    expect(refused.context.freed).toEqual([0x1005]);
  });

  it('are let go by their holder and their changer only', () => {
    expect(pages.when(by(A, 'pages.unlock', { gfn: 5 })).handled).toBe(false);
    expect(pages.after(lock(A)).when(by(A, 'pages.unlock', { gfn: 6 })).handled).toBe(false);
    expect(pages.after(lock(A)).when(by(B, 'pages.unlock', { gfn: 5 })).handled).toBe(false);
    expect(pages.after(begin(A)).when(by(B, 'pages.endPsc', { gfn: 5 })).handled).toBe(false);
    expect(pages.after(folio(A)).when(by(B, 'pages.unlockFolio', { gfn: 5 })).handled).toBe(false);
    expect(pages.when(by(B, 'pages.unlockFolio', { gfn: 5 })).handled).toBe(false);
  });

  it('know what the guest validated, and which of that it found no longer validated', () => {
    const validated = (gfn: number, value: boolean) => by('vcpu:vm0/0', 'guest.validated', { gfn, validated: value });
    const notValidated = (gfn: number) => by('vcpu:vm0/1', 'guest.notValidated', { gfn });
    const believes = pages.after(validated(6, true), validated(5, true), validated(5, true));
    expect(believes.context.believes).toEqual([5, 6]);
    expect(believes.after(validated(6, false), notValidated(6), notValidated(7)).context).toMatchObject({ believes: [5], lost: [] });
    expect(believes.after(notValidated(6), notValidated(6)).context.lost).toEqual([6]);
  });

  it('know what the guest stored, and that it has loaded something else', () => {
    const own = { by: 'vcpu:vm0/0', n: 1, gfn: 5 };
    const stored = pages.after(by('rmp:0x1000', 'guest.stored', { gfn: 5, content: own }));
    const loads = (content: object, gfn = 5) => stored.after(by('rmp:0x1000', 'guest.loaded', { gfn, content })).context;
    expect(loads(own)).toMatchObject({ stored: { 5: own }, replaced: [] });
    for (const other of [
      { by: 'vcpu:vm0/1', n: 1, gfn: 5 },
      { ...own, n: 2 },
      { ...own, gfn: 6 },
      { ...own, ciphertext: true },
    ])
      expect(loads(other)).toMatchObject({ replaced: [5], found: { 5: other } });
    expect(loads(own, 6)).toMatchObject({ replaced: [6], found: { 6: own } });
    expect(loads({ ...own, ciphertext: true }, 6)).toMatchObject({ replaced: [] });
  });

  it('remember leaked frames, in order', () => {
    const leak = (pfn: number) => by(A, 'pages.leak', { pfn });
    expect(pages.after(leak(0x1006), leak(0x1005)).context).toMatchObject({ believes: [], leaked: [0x1006, 0x1005] });
  });
});

describe('the PSP', () => {
  const psp = (state: 'UNINIT' | 'INIT', errors = false, interrupts = false) =>
    Given.start<PspContext>(pspMachine, { state, errors, interrupts });
  const command = (name: string, pfn = 0) => by(A, 'psp.command', { command: name, pfn });
  const status = (given: Given<PspContext>) => given.when(by(A, 'psp.status?')).sent[0]!.event;
  const interrupted = (given: Given<PspContext>) => given.when(by('sev', 'psp.interrupted?')).sent[0]!.event;
  const firmwareEntry = { ...HYPERVISOR_PAGE, assigned: true, immutable: true };

  it('has the ids and codes of the firmware ABI', () => {
    expect(PSP_COMMAND_IDS).toMatchObject({
      SNP_INIT: 0x81,
      SNP_INIT_EX: 0x85,
      SNP_SHUTDOWN_EX: 0x86,
      SNP_PLATFORM_STATUS: 0x83,
      SNP_DF_FLUSH: 0x84,
      SNP_DECOMMISSION: 0x90,
      SNP_ACTIVATE: 0x91,
      SNP_GCTX_CREATE: 0x93,
      SNP_GUEST_REQUEST: 0x94,
      SNP_PAGE_RECLAIM: 0xc7,
      SNP_CONFIG: 0xc9,
      PLATFORM_STATUS: 0x04,
      PDH_CERT_EXPORT: 0x08,
      GET_ID: 0x0c,
      LAUNCH_START: 0x30,
      LAUNCH_FINISH: 0x35,
      SNP_LAUNCH_START: 0xa0,
      SNP_LAUNCH_UPDATE: 0xa1,
      SNP_LAUNCH_FINISH: 0xa2,
    });
    expect(Object.keys(PSP_COMMAND_IDS)).toHaveLength(37);
    expect(PSP_STATUS).toMatchObject({
      SUCCESS: 0,
      INVALID_PLATFORM_STATE: 1,
      INVALID_GUEST_STATE: 2,
      POLICY_FAILURE: 7,
      BAD_SIGNATURE: 10,
      BAD_MEASUREMENT: 11,
      WBINVD_REQUIRED: 14,
      DFFLUSH_REQUIRED: 15,
      HWERROR_PLATFORM: 0x13,
      INVALID_PAGE_STATE: 0x1a,
      INVALID_KEY: 0x27,
    });
    expect(Object.keys(PSP_STATUS)).toHaveLength(39);
  });

  it('has the keeper of a guest carry out what a command does to it', () => {
    const launch = by(A, 'psp.command', { command: 'LAUNCH_START', pfn: 0, guest: { id: 'sev:vm0', page: null } });
    const asked = psp('INIT').after(launch).when({ type: 'exec' });
    expect(told(asked.sent)).toEqual(['sev:vm0 psp.guestCommand']);
    const done = asked.and.after(by('sev:vm0', 'psp.guestDone', { status: 'INVALID_GUEST_STATE' }));
    expect(status(done)).toMatchObject({ status: 'INVALID_GUEST_STATE' });
    expect(done.context).toMatchObject({ command: null, interrupted: true });
  });

  it.each([
    ['SNP_INIT_EX', 'UNINIT', 'SUCCESS', 'INIT'],
    ['SNP_INIT_EX', 'INIT', 'INVALID_PLATFORM_STATE', 'INIT'],
    ['SNP_SHUTDOWN_EX', 'INIT', 'SUCCESS', 'UNINIT'],
    ['SNP_SHUTDOWN_EX', 'UNINIT', 'SUCCESS', 'UNINIT'],
    ['SNP_DF_FLUSH', 'INIT', 'SUCCESS', 'INIT'],
    ['SNP_DF_FLUSH', 'UNINIT', 'INVALID_PLATFORM_STATE', 'UNINIT'],
    ['SNP_PLATFORM_STATUS', 'UNINIT', 'SUCCESS', 'UNINIT'],
    ['SNP_PAGE_RECLAIM', 'UNINIT', 'INVALID_PLATFORM_STATE', 'UNINIT'],
  ] as const)('%s in %s ends with %s', (name, state, result, platform) => {
    const running = psp(state).after(command(name));
    expect(interrupted(running)).toEqual({ type: 'psp.interrupted', complete: false, response: false });
    const { sent, and } = running.when({ type: 'exec' });
    expect(sent).toEqual([{ to: 'pcpu:0', event: { type: 'irq.psp' } }]);
    expect(interrupted(and)).toEqual({ type: 'psp.interrupted', complete: true, response: true });
    expect(status(and)).toEqual({ type: 'psp.status', status: result, platform });
    expect(and.context).toMatchObject({ platform, command: null });
  });

  it.each([
    ['SNP_PLATFORM_STATUS', 'rmp.read', { type: 'rmp.entry', entry: firmwareEntry, inUse: false }, 'SUCCESS'],
    ['SNP_PLATFORM_STATUS', 'rmp.read', { type: 'rmp.entry', entry: HYPERVISOR_PAGE, inUse: false }, 'INVALID_PAGE_STATE'],
    ['SNP_PAGE_RECLAIM', 'rmp.reclaim', { type: 'rmp.reclaimed', outcome: 'ok' }, 'SUCCESS'],
    ['SNP_PAGE_RECLAIM', 'rmp.reclaim', { type: 'rmp.reclaimed', outcome: 'refused' }, 'INVALID_PAGE_STATE'],
  ] as const)('%s asks the region (%s) and ends with what it hears', (name, request, answer, result) => {
    const asking = psp('INIT').after(command(name, 0x1800)).when({ type: 'exec' });
    expect(asking.sent).toEqual([{ to: 'rmp:0x1800', event: { type: request, pfn: 0x1800 } }]);
    expect(asking.context.asking).toBe('psp');
    const done = asking.and.after({ ...answer, from: 'rmp:0x1800' });
    expect(done.context.asking).toBeNull();
    expect(interrupted(done)).toMatchObject({ response: true });
    expect(status(done)).toMatchObject({ status: result });
  });

  it('waits for an entry that an instruction holds', () => {
    const asking = psp('INIT').after(command('SNP_PAGE_RECLAIM', 0x1800), { type: 'exec' });
    const waiting = asking.after({ type: 'rmp.reclaimed', outcome: 'locked', from: 'rmp:0x1800' });
    expect(interrupted(waiting)).toMatchObject({ response: false });
    expect(told(waiting.when({ type: 'exec' }).sent)).toEqual(['rmp:0x1800 rmp.reclaim']);
  });

  it('remembers a command that another one has taken the place of', () => {
    const taken = psp('INIT').after(command('SNP_PAGE_RECLAIM', 0x1800), command('SNP_DF_FLUSH'));
    expect(taken.context).toMatchObject({ command: 'SNP_DF_FLUSH', overwritten: 'SNP_PAGE_RECLAIM' });
  });

  it('offers an error, and an interrupt for nothing, only where the scenario allows it', () => {
    const offers = [{ type: 'exec', owed: true }, { type: 'psp-error' }, { type: 'psp-interrupt' }];
    expect(psp('INIT').after(command('SNP_DF_FLUSH')).offers()).toEqual(offers.slice(0, 1));
    const failing = psp('INIT', true).after(command('SNP_DF_FLUSH'));
    expect(failing.offers()).toEqual(offers.slice(0, 2));
    expect(status(failing.after({ type: 'psp-error' }))).toMatchObject({ status: 'HWERROR_PLATFORM' });
    const noisy = psp('INIT', true, true).after(command('SNP_DF_FLUSH'));
    expect(noisy.offers()).toEqual(offers);
    expect(noisy.when({ type: 'psp-interrupt' }).sent).toEqual([{ to: 'pcpu:0', event: { type: 'irq.psp' } }]);
    expect(noisy.after({ type: 'psp-interrupt' }).offers()).toEqual(offers.slice(0, 2));
  });

  it('has its interrupt status cleared by the handler that reads it', () => {
    const noisy = psp('INIT', false, true).after(command('SNP_DF_FLUSH'), { type: 'psp-interrupt' });
    expect(interrupted(noisy)).toMatchObject({ complete: true, response: false });
    expect(interrupted(noisy.after(by('sev', 'psp.interrupted?')))).toMatchObject({ complete: false, response: false });
  });
});

describe('the driver of the mailbox', () => {
  const device = Given.start<SevDeviceContext>(sevDeviceMachine, null);
  const wait = (from: string) => by(from, 'sev.rcvd?');
  const interrupted = (complete: boolean, response: boolean) => by('psp', 'psp.interrupted', { complete, response });

  it('lets a thread wait, and wakes it when the handler has seen a completion', () => {
    const waiting = device.after(by(A, 'sev.expect')).when(wait(A));
    expect(waiting.sent).toEqual([{ to: A, event: { type: 'sev.rcvd', rcvd: false } }]);
    expect(told(waiting.and.when(by('pcpu:0', 'psp.interrupt')).sent)).toEqual(['psp psp.interrupted?']);
    const done = waiting.and.when(interrupted(true, true));
    expect(done.sent).toEqual([{ to: 'sched', event: { type: 'sched.wake', thread: A } }]);
    expect(done.and.when(wait(A)).sent).toEqual([{ to: A, event: { type: 'sev.rcvd', rcvd: true } }]);
  });

  it('keeps a thread that was woken for another reason on its queue', () => {
    expect(device.after(wait(A), wait(A), wait(B)).context.waiters).toEqual([A, B]);
  });

  it.each([
    [true, false],
    [false, true],
  ])('takes no interrupt for a completion with status %s and response bit %s', (complete, response) => {
    const { sent, context } = device.after(wait(A)).when(interrupted(complete, response));
    expect([sent, context]).toEqual([[], { rcvd: false, waiters: [A], leaked: [] }]);
  });

  it('remembers pages that the firmware has not given back', () => {
    const leak = (pfn: number) => by(A, 'sev.leak', { pfn });
    expect(device.after(leak(0x1801), leak(0x1800)).context.leaked).toEqual([0x1801, 0x1800]);
  });

  it('forgets the last completion before the next command', () => {
    const done = device.after(wait(A), interrupted(true, true));
    expect(done.after(by(A, 'sev.expect')).when(wait(A)).sent[0]!.event).toMatchObject({ rcvd: false });
  });
});
