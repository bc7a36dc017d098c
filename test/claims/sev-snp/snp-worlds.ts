/**
 * The worlds of SEV-SNP's claims: the policies, the stories that several claims tell, and runs of
 * them as a mutant has the model.
 */
import type { HostOptions } from '../../../events/options.ts';
import type { ResolvedScenario } from '../../../sim/scenario/types.ts';
import { engineOf, type Played, play, seeds, shipped } from '../../sim/play.ts';
import { finish, type Line, steer, to, until } from '../../sim/steer.ts';
import * as w from '../world.ts';

type Options = Partial<HostOptions>;
export type Mutant = string | undefined;

export const P0: Options = { 'kvm.rmpFault': 'panic-sigbus' };
export const P1: Options = { 'kvm.rmpFault': 'auto-share' };
export const P2: Options = { 'kvm.rmpFault': 'kill-guest' };
export const P3: Options = { 'kvm.rmpFault': 'panic-sigbus', 'kvm.mapLock': 'kernel' };
export const P4: Options = { 'kvm.rmpFault': 'panic-sigbus', 'kvm.mapLock': 'user' };
export const P5: Options = { 'kvm.privateMemory': 'guest-memfd' };
export const POLICIES = { P0, P1, P2, P3, P4, P5 } as const;

/** No story takes so many steps; a mutant may go on forever. */
const STEPS_MAX = 1500;
const changed = (scenario: ResolvedScenario, mutant: Mutant): ResolvedScenario =>
  mutant === undefined ? scenario : { ...scenario, mutant };
const tooLong = ({ sequencer }: { readonly sequencer: { readonly step: number } }) => sequencer.step >= STEPS_MAX;

/** A world as its story tells it, and in order after that. */
export const told = (scenario: ResolvedScenario, mutant: Mutant, ...lines: readonly Line[]): Played =>
  play(changed(scenario, mutant), steer(...lines), undefined, tooLong);
/** A world in order, one CPU after the other. */
export const inOrder = (scenario: ResolvedScenario, mutant: Mutant): Played =>
  play(changed(scenario, mutant), { name: 'fifo' }, undefined, tooLong);
/** So many random schedules of a world. */
export function runsOf(scenario: ResolvedScenario, count: number, mutant: Mutant): readonly Played[] {
  const world = changed(scenario, mutant);
  const engine = engineOf(world, 'memo');
  return seeds(count).map((seed) => play(world, seed, engine, tooLong));
}

/** What is wrong in small worlds shows in values; properties would end runs before. */
export const unchecked = (scenario: ResolvedScenario): ResolvedScenario => ({
  ...scenario,
  properties: { always: [], sometimes: [], eventually: [] },
});

export const CONVERTS = [w.psc('private'), w.pvalidate(), w.write(true)];
export const USES = [...CONVERTS, w.read(true)];

/** A daemon stores to a page that is private from the start; the guest reads it afterwards. */
export const daemonMeetsPrivate = (options: Options, mutant: Mutant, reads = w.read(true)): Played =>
  told(
    w.oneGuest([w.page('guest-valid')], [reads], { netd: [[w.dmaWrite()]] }, options),
    mutant,
    to(w.VCPU, 'read.access', w.GUEST),
    finish(w.NETD),
  );

/** The kernel has seen the page shared, the guest makes it private, the kernel stores. */
export const kernelIsOvertaken = (options: Options, mutant: Mutant): Played =>
  told(
    w.oneGuest([w.page('shared')], USES, { vhost0: [[w.kernelWrite()]] }, options),
    mutant,
    to(w.VHOST, 'kvm_vcpu_map.store'),
    to(w.VCPU, 'read.access', w.GUEST),
    finish(w.VHOST),
  );

/** The thread has ended, or its CPU has stopped. */
export const over = (thread: string): Line => until(thread, 'its store is over', (scene) => /(?:halted|dead)$/.test(scene.at(thread)));

const storesLeft = (scene: { context<C>(id: string): C }) =>
  scene.context<{ readonly frames: { readonly code: { readonly stores?: number } } }>(w.NETD).frames.code.stores;
export const betweenStores: Line = until(w.NETD, 'one store is left', (scene) => storesLeft(scene) === 1);

/** A daemon is between two stores, the guest makes the page private and uses it. */
export const daemonIsOvertaken = (options: Options, mutant: Mutant): Played =>
  told(
    w.oneGuest([w.page('shared')], USES, { netd: [[w.dmaWrite(2)]] }, options),
    mutant,
    betweenStores,
    to(w.VCPU, 'read.access', w.GUEST),
    finish(w.NETD),
  );

/** Deliveries of these types as `type` or `type field`. */
export const story = ({ records }: Played, fields: Readonly<Record<string, string | null>>): string[] =>
  records.flatMap(({ kind, type, payload }) => {
    const field = fields[type];
    if (kind !== 'deliver' || field === undefined) return [];
    return [field === null ? type : `${type} ${String(payload[field])}`];
  });

/** RMPADJUST by the guest against RMPUPDATE by the host. */
export const raced = (variant: string) => unchecked(shipped('rmpadjust-vs-rmpupdate', variant));
/** The guest is inside RMPADJUST when the host's RMPUPDATE comes, and the host goes on. */
export const meet = (variant: string, mutant: Mutant): Played =>
  told(raced(variant), mutant, to(w.VCPU, 'RMPADJUST.write', w.GUEST), finish(w.GMEM));
/** The host tries while the guest holds the entry; then the guest is let go on. */
export const tries = (variant: string, mutant: Mutant): Played =>
  told(
    raced(variant),
    mutant,
    to(w.VCPU, 'RMPADJUST.write', w.GUEST),
    until(
      w.GMEM,
      'its first try is over',
      (scene) =>
        scene.context<{ readonly frames: { readonly code: { readonly result?: string } } }>(w.GMEM).frames.code.result !== undefined,
    ),
    to(w.VCPU, 'shutdown', w.GUEST),
  );

/** Two vCPUs fault on one page; the second looks, and goes on when the first has validated. */
const OTHER = 'thread:qemu0/vcpu1';
export function preparedTwice(mutant: Mutant): Played {
  const looked = until(OTHER, 'it has seen the page shared', (scene) => scene.at(OTHER).endsWith('write_unlock_mmu_lock'));
  return told(
    unchecked(shipped('rmp-double-prepare', 'lock-dropped')),
    mutant,
    looked,
    to(OTHER, '__snp_handle_page_state_change.write_lock_mmu_lock.trylock'),
    to(w.VCPU, 'read.access', w.GUEST),
    to(OTHER, 'kvm_zap_gfn_range'),
    finish(w.VCPU),
  );
}

/** A command of the firmware that writes its page, and the thread that sends it. */
export const statusOf = (pfn: number) => ({ 'sev-command': { command: 'SNP_PLATFORM_STATUS', pfn } }) as const;
export const SEVCTL = 'thread:sevctl/0';
/** A frame of the host. */
export const BUFFER = 0x1800;
