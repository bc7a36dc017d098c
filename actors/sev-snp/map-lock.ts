/**
 * The map lock: a page keeps its state while a thread holds the lock, and a page-state change
 * waits.
 */
import { outgoing } from '../../events/event.ts';
import { type HostEnv, type HostLocals, host } from '../host/host-env.ts';
import { sleepUntil } from '../host/sleeping.ts';
import type { Source } from '../path/path.ts';

const { path, step, when, leaveLoop } = host;

/**
 * Full exclusion is what patch 39 was meant to give; its SRCU does not (domain snp h, R3), so this
 * is a decision.
 */
const PATCH_39: Source = { source: 'series v5, patch 39, as it was meant; domain snp d, P3 and P4', grade: 'decision' };
const pagesId = (env: HostEnv, l: HostLocals) => env.vms[l.vm!]!.pages;

/**
 * Asks until it is granted, and sleeps meanwhile; the owner of the page lock wakes the thread. A
 * page-state change under way is waited for. Expects `vm` and `gfn`.
 */
const waitFor = (env: HostEnv, name: string, ask: 'pages.lock' | 'pages.beginPsc') =>
  path(
    name,
    PATCH_39,
    sleepUntil(
      { first: 'test', again: 'test_again' },
      {
        send: (_t, l) => outgoing(pagesId(env, l), { type: ask, gfn: l.gfn! }),
        answers: { 'pages.granted': (e) => ({ granted: e.granted }) },
      },
      when([(_t, l) => l.granted === true, [leaveLoop]]),
    ),
    { locals: ['granted'] },
  );

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
