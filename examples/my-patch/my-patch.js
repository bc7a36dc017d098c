/**
 * Two proposals for a shipped race: rmpadjust-vs-rmpupdate, variant `inuse`.
 *
 * kvm_rmp_make_shared() takes a page back from a guest. If the guest holds the lock of the RMP
 * entry at that moment, RMPUPDATE answers FAIL_INUSE, rmpupdate() gives up, and KVM marks the VM as
 * bugged. One proposal tries again once, the other as long as the entry is in use.
 */
import { host, hostPatch, replaceStep } from 'worldswitch/extend';

const { path, step, call, loop, when, leaveLoop } = host;

/** @typedef {import('worldswitch/extend').HostLocals} HostLocals */
/** @typedef {import('worldswitch/extend').Source} Source */

/** @type {Source} */
const PROPOSAL = { source: 'a proposal: kvm_rmp_make_shared() tries again', grade: 'decision' };

/** @param {unknown} _thread @param {HostLocals} locals */
const isInUse = (_thread, locals) => locals.result === 'FAIL_INUSE';
/** @param {unknown} _thread @param {HostLocals} locals */
const isSettled = (_thread, locals) => locals.result !== 'FAIL_INUSE';

/** One more call of rmpupdate(), under a name of its own: no two steps of a path may share one. */
const retryOnce = hostPatch((makeShared) =>
  replaceStep(makeShared, 'rmpupdate', (rmpupdate) => [rmpupdate, when([isInUse, [call(path('second_try', PROPOSAL, [rmpupdate]))]])]),
);

/** rmpupdate() until the entry is no longer in use; in between others get on. */
const retry = hostPatch((makeShared) =>
  replaceStep(makeShared, 'rmpupdate', (rmpupdate) => [
    loop(rmpupdate, when([isSettled, [leaveLoop]]), step('cond_resched', { mayResched: true, yields: true })),
  ]),
);

const PATCHES = { none: [], 'retry-once': [retryOnce], retry: [retry] };

/** @type {import('worldswitch/extend').Mechanism} */
export const mechanism = {
  name: 'my-patch',
  arches: ['amd'],
  options: { 'my.makeShared': ['none', 'retry-once', 'retry'] },
  patch: (scenario) => ({ paths: { kvm_rmp_make_shared: PATCHES[scenario.host.options['my.makeShared']] } }),
  variants: {
    'rmpadjust-vs-rmpupdate': {
      'retry-once': { 'rmp.contention': 'inuse', 'my.makeShared': 'retry-once' },
      retry: { 'rmp.contention': 'inuse', 'my.makeShared': 'retry' },
    },
  },
};
