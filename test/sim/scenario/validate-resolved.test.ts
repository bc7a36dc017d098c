/** Resolved scenarios from journals: what was written passes, anything else is refused. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { scenario } from '../../../sim/scenario/build.ts';
import { ResolvedScenarioError } from '../../../sim/scenario/issues.ts';
import { loadScenario } from '../../../sim/scenario/load.ts';
import type { GuestStep } from '../../../sim/scenario/program.ts';
import { resolveScenario, validateResolved } from '../../../sim/scenario/resolve.ts';
import type { ResolvedScenario, Scenario } from '../../../sim/scenario/types.ts';
import { FILE, KNOWN, SAMPLE } from './sample.ts';

const sample = loadScenario(SAMPLE, FILE, KNOWN);
const resolve = (): ResolvedScenario => resolveScenario(sample, { knownProperties: KNOWN });

describe('a resolved scenario from a journal', () => {
  type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
  const written = (): Json => JSON.parse(JSON.stringify(resolve()));
  /** What was written, with one value replaced, or taken out if `value` is undefined. */
  const altered = (path: readonly (string | number)[], value?: Json): Json => {
    const copy = written();
    let at = copy as { [key: string | number]: Json };
    for (const key of path.slice(0, -1)) at = at[key] as typeof at;
    const last = path.at(-1)!;
    if (value === undefined) delete at[last];
    else at[last] = value;
    return copy;
  };
  const program = (ops: Json[], loops: number[] = []): Json => altered(['vms', 0, 'vcpus', 0], { ops, loops });
  const HLT = { op: 'hlt' };
  const END = { op: 'end' };
  const VM = (written() as { vms: Json[] }).vms[0]!;

  it('passes when it is what was written', () => {
    expect(validateResolved(JSON.parse(JSON.stringify(resolve())))).toEqual(resolve());
  });

  it('has the default of an option that came after the journal', () => {
    const { options } = validateResolved(altered(['host', 'options', 'kvm.mapLock'])).host;
    expect(options['kvm.mapLock']).toBe('none');
  });

  it.each([
    ['nothing', null, /found nothing; expected a map/],
    ['a key too many', altered(['extra'], 1), /extra: found the key "extra"/],
    ['a key __proto__', JSON.parse('{"__proto__":{}}'), /found the key "__proto__"/],
    ['no end', program([HLT]), /expected one end, as the last operation/],
    ['two ends', program([END, HLT, END]), /expected one end, as the last operation/],
    ['a jump forward', program([{ op: 'next', loop: 0, to: 1 }, HLT, END], [2]), /expected next of loop 0 to jump back/],
    ['a loop without a count', program([HLT, { op: 'next', loop: 0, to: 0 }, END]), /expected one next for each loop/],
    ['a loop without a jump', program([HLT, END], [2]), /expected one next for each loop/],
    [
      'a loop with two jumps',
      program([HLT, { op: 'next', loop: 0, to: 0 }, { op: 'next', loop: 0, to: 0 }, END], [2]),
      /one next for each/,
    ],
    ['an unknown operation', program([{ op: 'wbinvd' }, END]), /found "wbinvd"; expected one of "end", "next", "pvalidate"/],
    ['a page that is not there', program([{ op: 'psc', gfn: 9, to: 'private' }, END]), /ops\[0\]\.gfn: found GFN 0x9/],
    ['two VMs of one name', altered(['vms', 1], VM), /vms\[1\]\.id: found "vm0" twice/],
    ['an architecture of tomorrow', altered(['host', 'arch'], 'riscv'), /expected one of "amd", "intel", "arm64"/],
    [
      'the options of another architecture',
      altered(['host', 'arch'], 'arm64'),
      /host\.options\["kvm\.mapLock"\]: found "kvm\.mapLock"; expected an option of arm64 hosts/,
    ],
    ['a thread of any name', altered(['processes', 0, 'threads', 0, 'id'], '../x'), /expected "vcpu<k>" or an index/],
  ])('is refused with %s', (_, json, message) => {
    expect(() => validateResolved(json)).toThrow(ResolvedScenarioError);
    expect(() => validateResolved(json)).toThrow(message);
  });
});

const gfn = fc.integer({ min: 0, max: 3 });
const guestStep: fc.Arbitrary<GuestStep> = fc.letrec<{ step: GuestStep }>((tie) => ({
  step: fc.oneof(
    { maxDepth: 3 },
    fc.oneof(
      gfn.map((at): GuestStep => ({ psc: { gfn: at, to: 'private' } })),
      fc.record({ gfn, validated: fc.boolean() }).map((pvalidate): GuestStep => ({ pvalidate })),
      fc.record({ gfn, private: fc.boolean() }).map((write): GuestStep => ({ write })),
      fc.constant<GuestStep>({ read: { gfn: '$GFN', private: true } }),
      fc.constant<GuestStep>({ hlt: {} }),
    ),
    fc
      .record({ times: fc.integer({ min: 1, max: 9 }), do: fc.array(tie('step'), { minLength: 1, maxLength: 3 }) })
      .map((repeat): GuestStep => ({ repeat })),
  ),
})).step;

const anyScenario: fc.Arbitrary<Scenario> = fc
  .record({
    cpus: fc.integer({ min: 1, max: 64 }),
    preemption: fc.constantFrom('none', 'voluntary', 'lazy', 'full', 'rt'),
    kernel: fc.constantFrom('6.12', '6.14'),
    states: fc.array(fc.constantFrom('shared', 'guest-invalid', 'guest-valid', 'vmsa'), { minLength: 4, maxLength: 4 }),
    vcpus: fc.array(fc.array(guestStep, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 }),
    stores: fc.integer({ min: 1, max: 1024 }),
    summary: fc.string({ minLength: 1, maxLength: 20 }).filter((text) => !/[^\P{Cc}\t\n]/u.test(text)),
  })
  .map(({ cpus, preemption, kernel, states, vcpus, stores, summary }) => ({
    name: 'any',
    summary,
    params: { GFN: { type: 'integer', default: 0, min: 0, max: 3 } },
    host: { arch: 'amd', cpus, preemption, kernel, features: ['sev-snp'] },
    vms: {
      vm0: {
        type: 'snp',
        options: { pages: states.map((state, index) => ({ gfn: index, pfn: 0x1000 + index, state })) },
        vcpus: [[{ read: { gfn: '$GFN', private: false } }, ...vcpus[0]!], ...vcpus.slice(1)],
      },
    },
    processes: {
      qemu0: { threads: vcpus.map((_, index) => [{ KVM_RUN: { vcpu: `vm0/${index}` } }]) },
      netd: { threads: [[{ write: { vm: 'vm0', gfn: '$GFN', stores } }]] },
    },
    variants: { a: { 'rmp.contention': 'inuse' }, b: {} },
  }));

describe('any scenario', () => {
  it('resolves to the same twice, and passes the check of journals after a round trip through JSON', () => {
    fc.assert(
      fc.property(anyScenario, fc.constantFrom('a', 'b'), fc.integer({ min: 0, max: 3 }), (source, variant, at) => {
        const options = { variant, set: { GFN: String(at) }, knownProperties: KNOWN };
        const text = JSON.stringify(resolveScenario(scenario(source), options));
        expect(JSON.stringify(resolveScenario(scenario(source), options))).toBe(text);
        expect(JSON.stringify(validateResolved(JSON.parse(text)))).toBe(text);
        expect(validateResolved(JSON.parse(text))).toEqual(JSON.parse(text));
      }),
    );
  });
});
