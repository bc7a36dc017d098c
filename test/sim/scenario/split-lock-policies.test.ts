/** What the host's policy decides, and what it does not. */
import { describe, expect, it } from 'vitest';
import type { HostOptions } from '../../../events/options.ts';
import { explore } from '../../../sim/explore/explore.ts';
import { finish } from '../../../sim/explore/turns.ts';
import type { GuestStep, HostStep } from '../../../sim/scenario/program.ts';
import type { Scenario } from '../../../sim/scenario/types.ts';
import { msrWrites } from '../../claims/split-lock/intel.ts';
import { play, resolved } from '../play.ts';

const SLD = 'split-lock-detect';
const BLD = 'bus-lock-detect';

/** A run of one program, in order. */
function ran(program: readonly HostStep[], options: Partial<HostOptions>, features: readonly string[], rest: Partial<Scenario> = {}) {
  const host = { arch: 'intel' as const, cpus: 4, smt: true, preemption: 'none' as const, features: [...features], options };
  const admin = { threads: [program] };
  return play(resolved({ name: 'policy', summary: 'A policy', host, ...rest, processes: { admin, ...rest.processes } }), { name: 'fifo' });
}

describe('a CPU that goes offline', () => {
  const written = (options: Partial<HostOptions>, features = [SLD]) => msrWrites(ran([{ 'cpu-offline': { cpu: 2 } }], options, features));

  it.each(['gen2', 'gen2-global'] as const)('turns detection on for its core in warn mode under %s', (warn) => {
    expect(written({ 'host.sldWarn': warn })).toEqual([true]);
  });

  it.each(['off', 'fatal', 'ratelimit'] as const)('leaves the MSR alone under %s', (sld) => {
    expect(written({ 'host.sld': sld })).toEqual([]);
    expect(written({ 'host.sld': sld }, [SLD, BLD])).toEqual([]);
  });

  it('leaves it alone under generation 1, and where the processor detects no split lock', () => {
    expect(written({ 'host.sldWarn': 'gen1' })).toEqual([]);
    expect(written({ 'host.sld': 'warn' }, [BLD])).toEqual([]);
  });

  it('breaks nothing of MSRs that are as booted', () => {
    const properties = { always: ['sld.msr-as-booted'] };
    for (const sld of ['warn', 'off', 'fatal', 'ratelimit'] as const)
      expect(ran([{ 'cpu-offline': { cpu: 2 } }], { 'host.sld': sld }, [SLD], { properties }).end.verdict).toBe('clean');
  });
});

describe('the sysctl', () => {
  it('may be turned on while two cores have detection off: the warnings have read it before', () => {
    const scenario = resolved({
      name: 'flipped',
      summary: 'The sysctl is turned on late',
      host: {
        arch: 'intel',
        cpus: 2,
        preemption: 'none',
        features: [SLD],
        options: { 'host.sldWarn': 'gen2', 'host.sldMitigate': 'off' },
      },
      processes: {
        one: { threads: [[{ 'split-lock': {} }]] },
        other: { threads: [[{ 'split-lock': {} }]] },
        admin: { threads: [[{ sysctl: { splitLockMitigate: true } }]] },
      },
      properties: { always: ['sld.one-core-at-a-time'] },
    });
    const { violations, exhausted } = finish(explore({ scenario, maxStates: 50_000, limits: { deviations: 1 } }));
    expect({ violations, exhausted }).toEqual({ violations: [], exhausted: true });
  });
});

describe('a locked increment that the emulator carries out', () => {
  const emulated = (features: readonly string[], options: Partial<HostOptions>): readonly string[] => {
    const vms = { vm0: { type: 'vmx' as const, vcpus: [[{ 'emulated-increment': {} }]] } };
    const played = ran([{ KVM_RUN: { vcpu: 'vm0/0' } }], options, features, { vms });
    return ['line.write', 'line.cmpxchg'].filter((type) => played.delivered(type).length > 0);
  };

  it.each(['warn', 'fatal', 'ratelimit', 'off'] as const)('is written plainly under %s, for the processor has the feature', (sld) => {
    expect(emulated([SLD], { 'host.sld': sld })).toEqual(['line.write']);
  });

  it.each(['warn', 'off'] as const)('is an exchange under %s where the processor lacks the feature', (sld) => {
    expect(emulated([], { 'host.sld': sld })).toEqual(['line.cmpxchg']);
    expect(emulated([BLD], { 'host.sld': sld })).toEqual(['line.cmpxchg']);
  });
});

describe('a CPU that comes up', () => {
  const written = (sld: HostOptions['host.sld'], features: readonly string[]): readonly string[] => {
    const played = ran([{ resume: {} }], { 'host.sld': sld }, features);
    const values = msrWrites(played).map((on) => (on ? 'on' : 'off'));
    return [...new Set([...values, ...played.delivered('core.wrmsrUnsupported').map(() => 'unsupported')])];
  };

  it('writes its policy where the processor detects split locks', () => {
    const policies = ['warn', 'fatal', 'ratelimit', 'off'] as const;
    expect(policies.map((sld) => written(sld, [SLD]))).toEqual([['on'], ['on'], ['off'], ['off']]);
  });

  it('asks for the model of a processor that detects bus locks alone, but not under ratelimit', () => {
    expect((['warn', 'fatal', 'off'] as const).flatMap((sld) => written(sld, [BLD]))).toEqual([]);
    expect(written('ratelimit', [BLD])).toEqual(['unsupported']);
  });

  it('has no policy where the processor detects nothing', () => {
    expect(written('ratelimit', [])).toEqual([]);
  });
});

describe('a split lock of a guest on a processor that tells of bus locks', () => {
  /** What the host meets, in order: #AC of a split lock, the exit of a bus lock. */
  const exits = (options: Partial<HostOptions>, features: readonly string[], guest: GuestStep): readonly string[] => {
    const vms = { vm0: { type: 'vmx' as const, vcpus: [[guest]] } };
    const played = ran([{ KVM_RUN: { vcpu: 'vm0/0' } }], { 'host.sldMitigate': 'off', ...options }, features, { vms });
    const reasons = played.delivered('vmexit').map(({ payload }) => (payload as unknown as { readonly reason: string }).reason);
    return reasons.filter((reason) => reason === 'BUS_LOCK' || reason === 'EXCEPTION_NMI');
  };
  const AC = 'EXCEPTION_NMI';
  const EXIT = 'BUS_LOCK';
  /** With the capability; without it the same, but for the exit of the bus lock. */
  const TABLE: readonly (readonly [Partial<HostOptions>, readonly string[], readonly string[]])[] = [
    [{ 'host.sld': 'warn' }, [SLD, BLD], [AC, EXIT]],
    [{ 'host.sld': 'warn', 'host.sldWarn': 'gen1' }, [SLD, BLD], [AC, EXIT]],
    [{ 'host.sld': 'fatal' }, [SLD, BLD], [AC]],
    [{ 'host.sld': 'ratelimit' }, [SLD, BLD], [EXIT]],
    [{ 'host.sld': 'off' }, [SLD, BLD], [EXIT]],
    ...(['warn', 'fatal', 'ratelimit', 'off'] as const).map((sld) => [{ 'host.sld': sld }, [BLD], [EXIT]] as const),
  ];

  it.each(TABLE)('exits by the capability of its VM alone: %o, %o', (options, features, expected) => {
    for (const cpl of [0, 3] as const) {
      const guest = { 'split-lock': { cpl } };
      expect(exits({ ...options, 'kvm.busLockExit': 'exit' }, features, guest)).toEqual(expected);
      expect(exits({ ...options, 'kvm.busLockExit': 'off' }, features, guest)).toEqual(expected.filter((reason) => reason !== EXIT));
    }
  });

  it.each(TABLE)('locks no bus where an alignment check comes first, or without a lock prefix: %o, %o', (options, features) => {
    const on = { ...options, 'kvm.busLockExit': 'exit' as const };
    for (const step of ['split-lock', 'misaligned'] as const)
      expect(exits(on, features, { [step]: { cpl: 3, am: true, ac: true } } as GuestStep)).toEqual([AC]);
    expect(exits(on, features, { misaligned: { cpl: 3 } })).toEqual([]);
  });

  it('is no affair of the #DB of the host: what a task of its own meets is the same', () => {
    const told = (options: Partial<HostOptions>) => ran([{ 'split-lock': {} }], options, [SLD, BLD]).delivered('bus.paid').length;
    for (const sld of ['warn', 'fatal', 'ratelimit', 'off'] as const)
      expect(told({ 'host.sld': sld, 'kvm.busLockExit': 'exit' })).toBe(told({ 'host.sld': sld, 'kvm.busLockExit': 'off' }));
  });
});
