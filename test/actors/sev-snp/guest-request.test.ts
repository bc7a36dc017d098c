/** A guest that asks for reports, KVM that carries its messages, and firmware that counts them. */
import { describe, expect, it } from 'vitest';
import { type PspContext, pspMachine } from '../../../actors/sev-snp/psp.ts';
import type { GuestStep } from '../../../sim/scenario/program.ts';
import { carried, driverOf } from '../../claims/sev-snp/snp-requests.ts';
import { inOrder, told } from '../../claims/sev-snp/snp-worlds.ts';
import { run, VCPU, vm, world } from '../../claims/world.ts';
import { type Played, shipped } from '../../sim/play.ts';
import { choose, finish, until } from '../../sim/steer.ts';
import { Given } from '../given.ts';

describe('the firmware', () => {
  const idle = Given.start<PspContext>(pspMachine, { state: 'INIT', errors: true, interrupts: false });
  const message = (sequence: number, vmId = 'vm:a') => ({ vm: vmId, sequence, data: sequence, vmpl: 0 });
  const send = (sequence: number, vmId?: string) => ({
    type: 'psp.command',
    from: 'thread:q/vcpu0',
    command: 'SNP_GUEST_REQUEST',
    pfn: 0,
    message: message(sequence, vmId),
  });
  const exec = { type: 'exec', from: 'psp' };
  const look = (vmId: string) => ({ type: 'psp.response?', from: 'thread:q/vcpu0', vm: vmId });
  const response = (given: Given<PspContext>, vmId: string) => given.when(look(vmId)).sent[0]!.event.response;

  it('answers a message with the next number, and takes the one after that', () => {
    const once = idle.after(send(1), exec);
    expect(once.context.status).toBe('SUCCESS');
    expect(response(once, 'vm:a')).toEqual({ ...message(1), sequence: 2 });
    expect(once.after(send(3), exec).context.status).toBe('SUCCESS');
  });

  it.each([0, 1, 2, 4, 5])('opens no message of number %i after the second', (sequence) => {
    const failed = idle.after(send(1), exec, send(sequence), exec);
    expect(failed.context.status).toBe('BAD_MEASUREMENT');
    expect(response(failed, 'vm:a')).toEqual({ ...message(1), sequence: 2 });
  });

  it('counts messages of each VM apart, and keeps its response while others ask', () => {
    const both = idle.after(send(1), exec, send(1, 'vm:b'), exec, send(3, 'vm:b'), exec);
    expect(both.context.status).toBe('SUCCESS');
    expect(response(both, 'vm:a')).toMatchObject({ sequence: 2 });
    expect(response(both, 'vm:b')).toMatchObject({ sequence: 4 });
    expect(response(idle, 'vm:a')).toBeNull();
  });

  it('does not count a message that a hardware error ended', () => {
    const failed = idle.after(send(1), { type: 'psp-error', from: 'psp' });
    expect(failed.context.status).toBe('HWERROR_PLATFORM');
    expect(response(failed, 'vm:a')).toBeNull();
  });
});

const asks = (data: number): GuestStep => ({ 'request-report': { data, vmpl: 0 } });
const SCENARIO = shipped('attestation-report');

/** The first command ends with a hardware error. */
const failed = (mutant?: string): Played =>
  told(
    SCENARIO,
    mutant,
    until(VCPU, 'the firmware has a command', (scene) => scene.context<PspContext>('psp').command !== null),
    choose('psp-error(psp)'),
    finish(VCPU),
  );

describe('a guest that asks for reports', () => {
  it('gets them under numbers that follow each other', () => {
    const played = inOrder(SCENARIO, undefined);
    expect(carried(played)).toEqual([
      [1, 0x1234],
      [3, 0x5678],
    ]);
    expect(played.delivered('ghcb.result').map(({ payload }) => payload)).toMatchObject([
      { ok: true, response: { sequence: 2, data: 0x1234, vmpl: 0 } },
      { ok: true, response: { sequence: 4, data: 0x5678, vmpl: 1 } },
    ]);
    expect(driverOf(played)).toMatchObject({ counter: 4, wiped: false, owner: null });
  });

  it('wipes its key after an error, and sends nothing more', () => {
    const played = failed();
    expect(carried(played)).toEqual([[1, 0x1234]]);
    expect(played.delivered('ghcb.result').map(({ payload }) => payload.ok)).toEqual([false]);
    expect(driverOf(played)).toMatchObject({ counter: 2, wiped: true, owner: null });
    expect(played.end.verdict).toBe('clean');
  });

  it('would use a number twice if it kept its key', () => {
    const played = failed('snp-key-kept');
    expect(carried(played)).toEqual([[1, 0x1234]]);
    expect(driverOf(played)).toMatchObject({ before: { sequence: 1, data: 0x1234 }, request: { sequence: 1, data: 0x5678 } });
    expect(played.end.violation).toMatchObject({ property: 'psp.nonce-used-once' });
  });

  it('is counted apart from a guest of another VM', () => {
    const guest = vm([], [asks(1), asks(2)]);
    const vms = { vm0: { ...guest, options: { asid: 1 } }, vm1: { ...guest, options: { asid: 2 } } };
    const played = inOrder(world(vms, { qemu0: [[run()]], qemu1: [[run('vm1/0')]] }), undefined);
    expect([...carried(played)].sort()).toEqual([
      [1, 1],
      [1, 1],
      [3, 2],
      [3, 2],
    ]);
    expect(played.delivered('ghcb.result').every(({ payload }) => payload.ok === true)).toBe(true);
  });

  it('is an SNP guest', () => {
    const plain = { vm0: { type: 'svm', vcpus: [[asks(1)]] } };
    expect(() => world(plain, { qemu0: [[run()]] })).toThrow('expected it in an SNP VM');
  });
});
