/**
 * Scenarios of arm64 hosts whose parts do not fit each other: refused with the place, in a file and
 * in a journal.
 */
import { describe, expect, it } from 'vitest';
import { loadScenario } from '../../../sim/scenario/load.ts';
import { resolveScenario, validateResolved } from '../../../sim/scenario/resolve.ts';

const KNOWN: readonly string[] = [];
const text = (guest: string, threads: string): string => `name: x
summary: s
host: { arch: arm64, cpus: 1 }
vms: { vm0: { type: arm64, vcpus: [${guest}] }, vm1: { type: arm64, vcpus: [[brk: {}]] } }
processes:
  q: { threads: [${threads}] }
  r: { threads: [[KVM_RUN: { vcpu: vm1/0 }]] }
`;
const load = (guest: string, threads: string) => loadScenario(text(guest, threads), 'x.yaml', KNOWN);
const INCOMING = '[KVM_RUN: { vcpu: vm0/0 }, incoming: { vcpu: vm0/0 }]';
const RUN = '[KVM_RUN: { vcpu: vm0/0 }]';
const MIGRATE = '[migrate: { vcpu: vm0/0 }]';
const BRK = '[brk: {}]';

describe('a vCPU that goes on at a destination', () => {
  it.each([
    ['incoming', BRK, INCOMING, 'x.yaml:6: processes.q.threads[0][1].incoming: found incoming, and no migrate of vm0/0'],
    ['incoming, and a migrate of another', BRK, `${INCOMING}, [migrate: { vcpu: vm1/0 }]`, 'found incoming, and no migrate of vm0/0'],
    ['pause', '[pause: {}, brk: {}]', RUN, 'x.yaml:4: vms.vm0.vcpus[0][0].pause: found pause, and no migrate of vm0/0'],
    ['pause in a loop', '[repeat: { times: 2, do: [pause: {}] }]', RUN, 'found pause, and no migrate of vm0/0'],
  ])('is refused without the migrate that takes it there: %s', (_, guest, threads, says) => {
    expect(() => load(guest, threads)).toThrow(says);
    expect(() => load(guest, threads)).toThrow('expected a thread with migrate: { vcpu: vm0/0 }');
  });

  it('is refused in a journal as well', () => {
    const resolved = resolveScenario(load('[pause: {}, brk: {}]', `${INCOMING}, ${MIGRATE}`), { knownProperties: KNOWN });
    const written = JSON.parse(JSON.stringify(resolved)) as { processes: { threads: unknown[] }[] };
    expect(validateResolved(written)).toEqual(resolved);
    written.processes[0]!.threads.splice(1);
    expect(() => validateResolved(written)).toThrow('found incoming, and no migrate of vm0/0');
  });
});

describe('KVM_RUN of a vCPU that is off', () => {
  const KVM_RUN = 'KVM_RUN: { vcpu: vm0/0 }';
  const MOVED = `[${KVM_RUN}, incoming: { vcpu: vm0/0 }, ${KVM_RUN}], ${MIGRATE}`;

  /** The thread of oslock-twice, a scenario that was sent in: it ran the guest once more. */
  const TWICE = `[${KVM_RUN}, incoming: { vcpu: vm0/0 }, ${KVM_RUN}, ${KVM_RUN}], ${MIGRATE}`;

  it.each([
    ['after its only run', BRK, `[${KVM_RUN}, ${KVM_RUN}]`, 'q.threads[0][1].KVM_RUN: found 2 KVM_RUN of vm0/0; expected 1 at most'],
    [
      'after its run at the destination',
      '[pause: {}, brk: {}]',
      TWICE,
      'q.threads[0][3].KVM_RUN: found 3 KVM_RUN of vm0/0; expected 2 at most',
    ],
    ['in a loop', BRK, `[repeat: { times: 3, do: [${KVM_RUN}] }]`, 'found 3 KVM_RUN of vm0/0; expected 1 at most'],
    ['in one option', BRK, `[${KVM_RUN}, choose: { of: [[], [${KVM_RUN}]] }]`, 'found 2 KVM_RUN of vm0/0; expected 1 at most'],
    ['where its guest may not pause', '[choose: { of: [[], [pause: {}]] }]', MOVED, 'found 2 KVM_RUN of vm0/0; expected 1 at most'],
  ])('is refused %s', (_, guest, threads, says) => {
    expect(() => load(guest, threads)).toThrow(says);
  });

  it.each([
    ['once', BRK, RUN],
    ['once more after each pause', '[pause: {}, brk: {}]', MOVED],
    ['in one of two options', BRK, `[choose: { of: [[${KVM_RUN}], [user-work: {}, ${KVM_RUN}]] }]`],
  ])('is no matter of a vCPU that runs %s', (_, guest, threads) => {
    expect(() => load(guest, threads)).not.toThrow();
  });
});
