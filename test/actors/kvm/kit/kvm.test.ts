/** What races declare of KVM: each kind does what the kernel promises, in all schedules. */
import { describe, expect, it } from 'vitest';
import { cell } from '../../../../actors/kit/cell.ts';
import { fail } from '../../../../actors/kit/errno.ts';
import { local } from '../../../../actors/kit/local.ts';
import { syscall } from '../../../../actors/kit/syscall.ts';
import { host } from '../../../../actors/host/host-env.ts';
import { thisVcpu, thisVm, vcpu } from '../../../../actors/kvm/kit-here.ts';
import { kick, request } from '../../../../actors/kvm/kit-requests.ts';
import { progress } from '../../../../sim/properties/liveness.ts';
import { always, sometimes } from '../../../../sim/property.ts';
import { raced } from '../../kit/raced.ts';

const known = { source: 'a test', grade: 'decision' } as const;
const { when } = host;
const VMS = { amd: 'svm', intel: 'vmx', arm64: 'arm64' } as const;
const ARCHES = Object.keys(VMS) as (keyof typeof VMS)[];
type Cells = Readonly<Record<string, string | number | boolean | null>>;
const reaches = (id: string, kind: string, test: (c: Cells) => boolean) =>
  sometimes(id, { ...known, kinds: [kind], check: (w) => (w.actors<Cells>(kind).some(({ context }) => test(context)) ? 'so' : null) });
const keeps = (id: string, kind: string, test: (c: Cells) => boolean) =>
  always(id, { ...known, kinds: [kind], check: (w) => (w.actors<Cells>(kind).every(({ context }) => test(context)) ? null : 'not so') });

describe.each(ARCHES)('a hypercall on %s', (arch) => {
  const seen = cell('seen', { value: 0, back: false }, { per: 'vcpu' });
  const got = local<number>('got');
  it('tells the handler its argument, and the guest goes on behind it', () => {
    const made = raced({
      race: {
        uses: [seen],
        hypercalls: {
          KVM_HC_TEST: {
            summary: 'a test',
            source: 'a test',
            args: {},
            does: (env) => [seen.store('value', 7, { at: thisVcpu(env) })],
          },
        },
        guestOperations: {
          look: { summary: 'looks', source: 'a test', does: (env) => [seen.load('value', got, { at: thisVcpu(env) }), seen.store('back', (_v, l) => got.of(l) === 7, { at: thisVcpu(env) })] },
        },
      },
      host: { arch },
      vms: { vm0: { type: VMS[arch], vcpus: [[{ KVM_HC_TEST: {} }, { look: {} }]] } },
      processes: { p: { threads: [[{ KVM_RUN: { vcpu: 'vm0/0' } }]] } },
      properties: [reaches('t.value', 'seen', (c) => c.value === 7), reaches('t.back', 'seen', (c) => c.back === true), keeps('t.order', 'seen', (c) => c.back !== true || c.value === 7)],
    });
    expect(made).toMatchObject({ verdict: 'clean', exhausted: true });
  });
});
