/**
 * The map lock: a page keeps its state while a thread holds the lock, and a page-state change
 * waits.
 */
import { outgoing } from '../../events/event.ts';
import { type HostEnv, type HostItem, type HostLocals, host } from '../host/host-env.ts';
import { untilGranted } from '../host/sleeping.ts';
import type { Source } from '../path/path.ts';

const { path, step, call } = host;

/**
 * Full exclusion is what patch 39 was meant to give; its SRCU does not (domain snp h, R3), so this
 * is a decision. The SRCU as it was is `kvm.mapLock: srcu`.
 */
const PATCH_39: Source = { source: 'series v5, patch 39, as it was meant; domain snp d, P3 and P4', grade: 'decision' };
const pagesId = (env: HostEnv, l: HostLocals) => env.vms[l.vm!]!.pages;
/** How what is waited for of a page is looked at. */
export const TESTS = { first: 'test', again: 'test_again' } as const;

/**
 * Asks until it is granted, and sleeps meanwhile; the owner of the page lock wakes the thread. A
 * page-state change under way is waited for. Expects `vm` and `gfn`.
 */
const waitFor = (env: HostEnv, name: string, ask: 'pages.lock' | 'pages.beginPsc' | 'pages.synchronize', origin = PATCH_39) =>
  untilGranted(name, origin, TESTS, {
    send: (_t, l) => outgoing(pagesId(env, l), { type: ask, gfn: l.gfn! }),
    answers: { 'pages.granted': (e) => ({ granted: e.granted }) },
  });

export const lockPagePath = (env: HostEnv) => waitFor(env, 'lock_page_state', 'pages.lock');
/**
 * The side of the page-state change.
 * @see series v5, kvm_release_page protection: the change waits until the page is not mapped
 */
export const beginPscPath = (env: HostEnv) => waitFor(env, 'synchronize_page_state', 'pages.beginPsc');

export const unlockPagePath = (env: HostEnv) =>
  path('unlock_page_state', PATCH_39, [
    step('release', { send: (_t, l) => outgoing(pagesId(env, l), { type: 'pages.unlock', gfn: l.gfn! }) }),
  ]);

export const endPscPath = (env: HostEnv) =>
  path('end_page_state_change', PATCH_39, [
    step('release', { send: (_t, l) => outgoing(pagesId(env, l), { type: 'pages.endPsc', gfn: l.gfn! }) }),
  ]);

/** User space goes to the kernel to wait, or to wake another. */
export const inFutex = (name: string, ...items: readonly HostItem[]): readonly HostItem[] => [
  step(`${name}_futex`, { mode: 'kernel' }),
  ...items,
  step(`${name}_sysret`, { mode: 'user' }),
];

/** What stands around the kernel's use of a page that it maps. */
interface Around {
  readonly enter: readonly HostItem[];
  readonly leave: readonly HostItem[];
}
const NOTHING: Around = { enter: [], leave: [] };

const SRCU: Source = { source: 'series v5, patch 39, sev_post_map_gfn(), __snp_handle_page_state_change()', grade: 'read' };
const isExclusive = (env: HostEnv): boolean => env.options['kvm.mapLock'] === 'kernel' || env.options['kvm.mapLock'] === 'user';

/** The kernel maps a page. A reader of an SRCU waits for no one. */
export function aroundMap(env: HostEnv): Around {
  if (isExclusive(env)) return { enter: [call(lockPagePath(env))], leave: [call(unlockPagePath(env))] };
  if (env.options['kvm.mapLock'] !== 'srcu') return NOTHING;
  const reader = (name: string, type: string) => step(name, { ...SRCU, send: (_t, l) => outgoing(pagesId(env, l), { type }) });
  return { enter: [reader('srcu_read_lock', 'pages.readLock')], leave: [reader('srcu_read_unlock', 'pages.readUnlock')] };
}

/**
 * The state of a page changes. synchronize_srcu() waits for the readers that it finds, and keeps no
 * reader out that comes behind it.
 * @see domain snp h, R3
 */
export function aroundChange(env: HostEnv): Around {
  if (isExclusive(env)) return { enter: [call(beginPscPath(env))], leave: [call(endPscPath(env))] };
  if (env.options['kvm.mapLock'] !== 'srcu') return NOTHING;
  return { enter: [call(waitFor(env, 'synchronize_srcu_expedited', 'pages.synchronize', SRCU))], leave: [] };
}
