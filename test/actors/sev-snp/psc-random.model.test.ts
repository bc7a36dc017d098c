/**
 * PSC buffers at random: whatever a guest writes there, and whenever another vCPU rewrites it, KVM
 * reads no entry outside, and the invariants of the RMP hold.
 */
import { describe, expect, it } from 'vitest';
import type { HostOptions } from '../../../events/options.ts';
import type { GuestStep } from '../../../sim/scenario/program.ts';
import type { ResolvedScenario } from '../../../sim/scenario/types.ts';
import * as w from '../../claims/world.ts';
import { play } from '../../sim/play.ts';

const GHCB = 0x9;
const DESCRIPTORS = 2000;
const PER_RUN = 125;
/** Bits of randomness, the same each time. */
function draws(seed: number): (below: number) => number {
  let state = seed + 1;
  return (below) => {
    state = (Math.imul(state, 0x41c6_4e6d) + 0x3039) >>> 0;
    return (state >>> 8) % below;
  };
}

/** Pages of 4K, frames of a 2M entry, pages that are not there, and the GHCB itself. */
const GFNS = [0x5, 0x5, 0x6, 0x6, 0x200, 0x201, 0x202, 0x77, 0x400, 0xf_ffff];
const INDICES = [0, 0, 0, 1, 1, 2, 3, 252];
const ENDS = [0, 0, 1, 1, 1, 2, 2, 3, 252, 253, 0xffff];
/** The last entry of the buffer is far: most headers begin near their end. */
const CURS = [0, 0, 0, 0, 0, 0, 1, 2, 251, 252, 253, 300, 0xffff];

const entry = (draw: (below: number) => number, index = INDICES[draw(INDICES.length)]!): GuestStep => ({
  'psc-entry': {
    ghcb: GHCB,
    index,
    done: [0, 0, 0, 0, 0, 0, 1, 2, 511, 512, 513][draw(11)]!,
    gfn: GFNS[draw(GFNS.length)]!,
    operation: [1, 1, 1, 2, 2, 2, 0, 3, 4, 5][draw(10)]!,
    huge: draw(4) === 0,
  },
});
const header = (draw: (below: number) => number): GuestStep => {
  const cur = CURS[draw(CURS.length)]!;
  const end = ENDS[draw(ENDS.length)]!;
  // A long way from a near entry to the last one has nothing in it, and costs a step for each.
  return { 'psc-header': { ghcb: GHCB, cur: end === 252 && cur < 251 ? 250 : cur, end } };
};
const VMGEXIT: GuestStep = { vmgexit: { ghcb: GHCB, code: 0x8000_0010, info1: 0, info2: 0, scratch: GHCB * 0x1000 + 0x800 } };

/** One vCPU sends descriptors, one after the other, and another one rewrites them. */
function world(seed: number, options: Partial<HostOptions>): ResolvedScenario {
  const draw = draws(seed);
  const sends = Array.from({ length: PER_RUN }, () => [
    ...Array.from({ length: 1 + draw(3) }, (_, index) => entry(draw, index)),
    header(draw),
    VMGEXIT,
  ]).flat();
  const rewrites = Array.from({ length: PER_RUN / 2 }, () => (draw(2) === 0 ? entry(draw) : header(draw)));
  const pages = [
    w.page('shared'),
    w.page('guest-valid', 0x6),
    { gfn: 0x200, pfn: 0x2000, state: 'guest-valid', frames: 3 } as const,
    w.page('shared', GHCB),
  ];
  return w.world(
    { vm0: { type: 'snp', options: { pages, ghcbs: [{ gfn: GHCB, vcpu: 0 }] }, vcpus: [sends, rewrites] } },
    { qemu0: [[w.run()], [w.run('vm0/1')]] },
    options,
    {
      properties: {
        always: [
          'rmp.host-panic',
          'rmp.in-use-is-vmsa',
          'rmp.validated-implies-assigned',
          'rmp.sub-count-is-true',
          'rmp.vm-bugged',
          'ghcb.psc-in-bounds',
          'ghcb.unmapped-in-guest',
        ],
      },
    },
  );
}

const FIXED: readonly Partial<HostOptions>[] = [
  { 'kvm.ghcbFetch': 'checked-index' },
  { 'kvm.ghcbFetch': 'snapshot' },
  { 'kvm.ghcbFetch': 'checked-index', 'kvm.mapLock': 'kernel', 'kvm.ghcbMap': 'each-access' },
  { 'kvm.ghcbFetch': 'snapshot', 'kvm.pscCodes': 'v5', 'kvm.mapLock': 'kernel', 'kvm.ghcbMap': 'each-access' },
];
const STEPS_MAX = 200_000;
const run = (seed: number, options: Partial<HostOptions>) =>
  play(world(seed, options), { name: 'random-uniform', seed }, undefined, ({ sequencer }) => sequencer.step >= STEPS_MAX);

describe('PSC buffers at random', () => {
  let updates = 0;

  it.each(Array.from({ length: DESCRIPTORS / PER_RUN }, (_, seed) => seed))(
    'break no invariant where the index is checked or the buffer copied (seed %i)',
    (seed) => {
      const played = run(seed, FIXED[seed % FIXED.length]!);
      expect(played.end.violation).toBeNull();
      expect(played.end.ended).not.toBe('bound');
      expect(played.delivered('ghcb.answer').length).toBe(PER_RUN);
      updates += played.delivered('rmp.writeUpdate').length;
    },
  );

  it('have made and taken back many pages', () => {
    expect(updates).toBeGreaterThan(150);
  });
});
