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
