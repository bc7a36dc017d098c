/**
 * The vocabulary is what machines speak: every event they name is catalogued, and every catalogued
 * event has a speaker and a listener.
 */
import { afterAll, describe, expect, it } from 'vitest';
import type { Delivery } from '../../events/event.ts';
import { CATALOGUE as COMMON } from '../../events/index.ts';
import type { HostOptions } from '../../events/options.ts';
import { topologyOf } from '../../sim/host/topology.ts';
import { SHIPPED_MECHANISMS } from '../../sim/mechanisms/index.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import { storesWorld } from '../actors/kit/stores-world.ts';
import * as w from '../claims/world.ts';
import { debugHost, VENDORS } from '../guest-debug/hosts.ts';
import { movedGuest } from '../sev-es-debug/launch-world.ts';
import { crowded } from '../sim/crowded.ts';
import { engineOf, type Played, play, SHIPPED, seeds, shipped } from '../sim/play.ts';
import { finish, steer, to } from '../sim/steer.ts';

/** The host's own events, and those of every mechanism that is shipped. */
const CATALOGUE: Readonly<Record<string, Delivery>> = Object.assign({}, COMMON, ...SHIPPED_MECHANISMS.map(({ catalogue }) => catalogue));

/** Types that no run below brings about although the model knows them, with the reason. */
const UNHEARD: Readonly<Record<string, string>> = {
  'vcpu.unblock': 'no shipped scenario sends a signal to the thread of a halted vCPU; test/actors/kvm/signals.test.ts does',
  'sem.leave': 'no shipped scenario sends a signal to a task that waits for the semaphore; test/claims/split-lock/sld-gen2.test.ts does',
};

const UNCHECKED = { properties: { always: [], sometimes: [], eventually: [] } };
const CROWDS: readonly [Partial<HostOptions>, 'direct' | 'pending'][] = [
  [{ 'kvm.rmpFault': 'auto-share' }, 'pending'],
  [{ 'kvm.rmpFault': 'auto-share', 'kvm.vmsaKick': 'kick' }, 'direct'],
  [{ 'kvm.rmpFault': 'kill-guest' }, 'direct'],
  [{ 'kvm.rmpFault': 'panic-sigbus' }, 'direct'],
  [{ 'kvm.rmpFault': 'panic-sigbus', 'kvm.mapLock': 'user' }, 'pending'],
];
const shippedWorlds = SHIPPED.map(({ name, variant }) => [`${name} ${variant}`, shipped(name, variant)] as const);
/** Guests that debug, debuggers in user space, and perf beside them. */
const DEBUGGED = VENDORS.flatMap((vendor) => {
  const guest = ['{ mov-to-dr: { dr: 0, value: 0x5000 } }', '{ int3: {} }', '{ icebp: {} }', '{ wrmsr-fastpath: { msr: tsc-deadline } }'];
  const host = { vendor, guest, cpus: 2, preemption: 'full', beside: true } as const;
  return [
    [`debugs itself on ${vendor}`, debugHost(host)] as const,
    [`is debugged on ${vendor}`, debugHost({ ...host, debug: 'sw: true' })] as const,
    [`is attached to on ${vendor}`, debugHost({ ...host, attaches: 'sw: true' })] as const,
    [
      `runs beside perf on ${vendor}`,
      debugHost({ ...host, perf: ['perf-breakpoint: { address: 0 }', 'touch-address: { address: 0 }', 'perf-remove: {}'] }),
    ] as const,
  ];
});
const REACHES = [{ 'kvm-read-guest': { vm: 'vm0', gfn: w.GFN } }, { 'device-write': { vm: 'vm0', gfn: w.GFN } }] as const;
const stores = storesWorld();
afterAll(stores.undo);
const worlds: readonly (readonly [string, ResolvedScenario])[] = [
  ...shippedWorlds,
  ...DEBUGGED,
  ['moves to another VM', movedGuest()],
  ['reads a private page, and has a device write it', w.oneGuest([w.page('guest-valid')], [w.hlt], { vhost0: [REACHES] })],
  ['asks for permissions', w.oneGuest([w.page('guest-valid')], [{ rmpquery: { gfn: w.GFN, vmpl: 1 } }], {})],
  ['has store buffers', stores.scenario],
  ['raises #AC without end', debugHost({ vendor: 'svm', guest: ['{ ac-loop: {} }'] })],
  ...CROWDS.map(([options, ticks]) => [`crowded ${Object.values(options).join(' ')}`, crowded(options, { ticks })] as const),
];

describe.each(worlds)('the machines of %s', (_name, scenario) => {
  const { machines, catalogue } = topologyOf(scenario);

  it('name no event that is not in the catalogue', () => {
    const unknown = Object.entries(machines).flatMap(([kind, { events }]) =>
      events.filter((type) => catalogue[type] === undefined).map((type) => `${kind} listens to ${type}`),
    );
    expect(unknown).toEqual([]);
  });
});

describe('the catalogue', () => {
  const listened = new Set(worlds.flatMap(([, scenario]) => Object.values(topologyOf(scenario).machines).flatMap(({ events }) => events)));

  /** A guest inside RMPADJUST while the host takes the page: the one way to a leaked page. */
  const leak = () => {
    const scenario = { ...shipped('rmpadjust-vs-rmpupdate', 'inuse'), ...UNCHECKED };
    return play(scenario, steer(to(w.VCPU, 'RMPADJUST.write', w.GUEST), finish(w.GMEM)));
  };
  const heard = new Set<string>();
  const listen = ({ records }: Played): void => {
    for (const { kind, type } of records) if (kind !== 'change') heard.add(type);
    // A delivered message is a choice whose type is its verb.
    heard.delete('deliver');
  };
  listen(leak());
  listen(play(w.oneGuest([w.page('shared')], [w.hlt], {}), { name: 'fifo' }));
  // The kernel of one CPU stores to a page that the guest has made private.
  const panics = w.oneGuest([w.page('guest-valid')], [w.spin], { vhost0: [[w.strayWrite()]] }, { 'kvm.rmpFault': 'panic-sigbus' });
  listen(play({ ...panics, ...UNCHECKED }, { name: 'fifo' }));
  for (const [, scenario] of worlds.filter(([, { model }]) => model === undefined)) {
    const engine = engineOf(scenario, 'memo');
    for (const spec of [{ name: 'fifo' } as const, ...seeds(8)]) {
      listen(play({ ...scenario, ...UNCHECKED }, spec, engine, ({ sequencer }) => sequencer.step >= 1200));
    }
  }

  it('has no event without a listener', () => {
    expect(Object.keys(CATALOGUE).filter((type) => !listened.has(type))).toEqual([]);
  });

  it('has no event that is never sent or offered, but those listed with a reason', () => {
    expect(Object.keys(CATALOGUE).filter((type) => !heard.has(type))).toEqual(Object.keys(UNHEARD));
  });

  it('has every event that was ever sent or offered', () => {
    const known = new Set(worlds.flatMap(([, scenario]) => Object.keys(topologyOf(scenario).catalogue)));
    expect([...heard].filter((type) => !known.has(type))).toEqual([]);
  });

  it('offers what it calls an offer, and sends the rest', () => {
    const choices = new Set<string>();
    for (const { records } of worlds
      .slice(-CROWDS.length)
      .map(([, scenario]) =>
        play({ ...scenario, ...UNCHECKED }, { name: 'random-uniform', seed: 3 }, undefined, ({ sequencer }) => sequencer.step >= 600),
      )) {
      for (const { kind, type } of records) if (kind === 'choice' && type !== 'deliver') choices.add(type);
    }
    expect([...choices].filter((type) => CATALOGUE[type] !== 'offer')).toEqual([]);
    expect(choices.size).toBeGreaterThan(3);
  });
});
