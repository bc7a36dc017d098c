/** The host's breakpoints on a CPU: the order of the writes, the copy, the cache, and the hits. */
import { describe, expect, it } from 'vitest';
import {
  type BreakpointWrite,
  type HostBreakpointsDesign,
  type HostBreakpointsState,
  handled,
  hbpOf,
  hostBreakpointsDesign,
  hostBreakpointsMachine,
  installed,
  isActive,
  restored,
  uninstalled,
} from '../../../actors/guest-debug/host-breakpoints.ts';
import { vcpuDebugDesign } from '../../../actors/guest-debug/vcpu-debug-state.ts';
import type { BreakpointSlot, HostBreakpoint } from '../../../events/guest-debug/host-breakpoints.ts';
import { Given } from '../given.ts';
import { Rig } from './vcpu-rig.ts';

const CACHES = hostBreakpointsDesign('6.12');
const WRITES = hostBreakpointsDesign('6.1');
const WATCH: HostBreakpoint = { address: 0x1000, type: 'w', length: 4, mask: 0 };
const PAGE: HostBreakpoint = { address: 0x2000, type: 'rw', length: 1, mask: 0xfff };

const start = (design: HostBreakpointsDesign) =>
  Given.start<HostBreakpointsState>(hostBreakpointsMachine(design), { cpu: 'pcpu:0' }).context;
/** The state behind these writes, and DR7 as the CPU has it. */
const carriedOut = (state: HostBreakpointsState, writes: readonly BreakpointWrite[], dr7 = 0) => ({
  state: Object.assign({}, state, ...writes.map((write) => ('copy' in write ? write.copy : {}))) as HostBreakpointsState,
  dr7: Number(writes.flatMap((write) => ('cpu' in write ? (write.cpu.dr7 ?? []) : [])).at(-1) ?? dr7),
});
const withArmed = (design: HostBreakpointsDesign, ...armed: readonly (readonly [BreakpointSlot, HostBreakpoint])[]) =>
  armed.reduce((state, [slot, breakpoint]) => carriedOut(state, installed(state, design, slot, breakpoint)).state, start(design));
const toCpu = (writes: readonly BreakpointWrite[]) => writes.flatMap((write) => ('cpu' in write ? [write.cpu] : []));

it('hbp:N is the copy of pcpu:N', () => {
  expect(hbpOf('pcpu:3')).toBe('hbp:3');
});

describe('arch_install_hw_breakpoint()', () => {
  it('writes the address, DR7 with G and GE, and the mask last', () => {
    expect(toCpu(installed(start(CACHES), CACHES, 1, PAGE))).toEqual([
      { db: [null, 0x2000, null, null] },
      { dr7: 0x0030_0208 },
      { masks: [null, 0xfff, null, null] },
    ]);
  });

  it('keeps what other slots have armed', () => {
    expect(toCpu(installed(withArmed(CACHES, [0, WATCH]), CACHES, 1, PAGE))[1]).toEqual({ dr7: 0x003d_020a });
  });

  it('does nothing in a slot that is taken', () => {
    expect(installed(withArmed(CACHES, [0, WATCH]), CACHES, 0, PAGE)).toEqual([]);
  });
});

describe('arch_uninstall_hw_breakpoint()', () => {
  it('disarms the slot, clears its mask, and leaves the address and GE', () => {
    const armed = withArmed(CACHES, [1, PAGE]);
    const writes = uninstalled(armed, CACHES, 1);
    expect(toCpu(writes)).toEqual([{ dr7: 0x200 }, { masks: [null, 0, null, null] }]);
    expect(carriedOut(armed, writes).state).toMatchObject({ armed: [null, null, null, null], db: [0, 0x2000, 0, 0], dr7: 0x200 });
  });

  it('writes no mask where there was none, and nothing where nothing was armed', () => {
    expect(toCpu(uninstalled(withArmed(CACHES, [0, WATCH]), CACHES, 0))).toEqual([{ dr7: 0x200 }]);
    expect(uninstalled(start(CACHES), CACHES, 2)).toEqual([]);
  });
});

it.each([
  ['installing', (s: HostBreakpointsState) => installed(s, CACHES, 0, WATCH), start(CACHES)],
  ['removing', (s: HostBreakpointsState) => uninstalled(s, CACHES, 0), withArmed(CACHES, [0, WATCH])],
] as const)('no NMI finds DR7 armed and cpu_dr7 empty while %s', (_what, writesOf, before) => {
  const writes = writesOf(before);
  for (let done = 0; done <= writes.length; done++) {
    const { state, dr7 } = carriedOut(before, writes.slice(0, done), Number(before.dr7));
    expect([done, (dr7 & 0xff) !== 0 && !isActive(state)]).toEqual([done, false]);
  }
});

describe('the cache of masks', () => {
  it('keeps a mask that it has from the CPU, whatever the CPU has', () => {
    const armed = { ...start(CACHES), cache: [0xfff, 0, 0, 0] as const };
    expect(toCpu(installed(armed, CACHES, 0, { ...PAGE, address: 0x3000 }))).toEqual([
      { db: [0x3000, null, null, null] },
      { dr7: 0x3_0202 },
    ]);
  });

  it('is none on 6.1, which writes each time', () => {
    const armed = { ...start(WRITES), cache: [0xfff, 0, 0, 0] as const };
    expect(toCpu(installed(armed, WRITES, 0, PAGE))).toContainEqual({ masks: [0xfff, null, null, null] });
    expect(withArmed(WRITES, [0, PAGE]).cache).toEqual([0, 0, 0, 0]);
  });
});

describe('hw_breakpoint_restore()', () => {
  it('writes all addresses, DR6 and DR7, in this order, and no mask', () => {
    const state = withArmed(CACHES, [0, WATCH], [1, PAGE]);
    expect(toCpu(restored(state))).toEqual([{ db: [0x1000, 0x2000, 0, 0] }, { dr6: 0xffff_0ff0 }, { dr7: 0x003d_020a }]);
  });

  it('is not called where nothing is armed, GE or not', () => {
    const armed = withArmed(CACHES, [0, WATCH]);
    expect(restored(carriedOut(armed, uninstalled(armed, CACHES, 0)).state)).toEqual([]);
  });
});

describe('hw_breakpoint_handler()', () => {
  const touching = (gva: number, ...armed: readonly (readonly [BreakpointSlot, HostBreakpoint])[]): HostBreakpointsState => ({
    ...withArmed(CACHES, ...armed),
    touch: { thread: 'thread:t', access: { gva, length: 4, write: true } },
  });

  it('tells perf of a hit that was due', () => {
    expect(handled(touching(0x2ff0, [1, PAGE]), 0b10)).toEqual({ touch: null, reported: 0b10, missed: 0, stray: 0 });
  });

  it('misses a hit of which the CPU says nothing', () => {
    expect(handled(touching(0x1000, [0, WATCH]), 0)).toMatchObject({ reported: 0, missed: 1, stray: 0 });
  });

  it('is told of an address that perf does not watch, armed or not', () => {
    expect(handled(touching(0x5000, [0, WATCH]), 1)).toMatchObject({ reported: 1, stray: 1 });
    expect(handled(touching(0x5000), 1)).toMatchObject({ reported: 0, stray: 1 });
  });
});

it.each(['svm', 'vmx'] as const)(
  'the host’s hits come around a run of a guest with registers of its own, and not in it, on %s',
  (vendor) => {
    const rig = new Rig(vcpuDebugDesign(vendor, '6.12'));
    rig.perf({ type: 'hbp.install', slot: 0, breakpoint: WATCH });
    const touch = () => rig.perf({ type: 'hbp.touch?', gva: 0x1000, length: 4, write: true });
    expect(touch()).toMatchObject({ bits: 1 });
    rig.enter();
    rig.moves(0, 0x5000);
    expect(rig.run({ access: { gva: 0x1000, length: 4, write: true } })).toMatchObject({ exit: null, exception: null });
    rig.leave();
    expect(touch()).toMatchObject({ bits: 1 });
    expect(rig.host.context).toMatchObject({ reported: 1, missed: 0, stray: 0 });
    expect(rig.cpu.context.registers).toEqual({ db: [0x1000, 0, 0, 0], dr6: 0xffff_0ff0, dr7: 0xd_0602 });
  },
);
