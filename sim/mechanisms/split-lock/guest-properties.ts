/** Whose #AC it is: what must hold of split locks and misaligned accesses of guests. */

import type { HostThread } from '../../../actors/host/host-env.ts';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import { isChecked, type MetAccess, type SplitLockAccount } from '../../../actors/split-lock/account.ts';
import { always, sometimes } from '../../property.ts';
import type { ActorView, WorldView } from '../../view.ts';
import { fieldsOf, hasBit } from './vmx-view.ts';

const NOTES = 'domain debug-and-split-lock';

type Outcome = 'AC' | 'SIGBUS' | 'ran';
interface Judged {
  readonly id: string;
  readonly host: SplitLockAccount['host'];
  readonly met: MetAccess;
  readonly due: Outcome;
  readonly got: Outcome;
}

/**
 * The rule: #AC for the guest if alignment is checked, or if it set the bit; else the host does by
 * its own policy.
 * @see C.4, C.5
 */
function dueTo({ host }: SplitLockAccount, met: MetAccess): Outcome {
  if (isChecked(met)) return 'AC';
  if (!met.locked || host === 'off' || host === 'ratelimit') return 'ran';
  if (met.bit) return 'AC';
  return host === 'fatal' ? 'SIGBUS' : 'ran';
}

/** What became of it; null while the guest stands at the access. */
function outcomeOf({ value }: ActorView<Vcpu>, met: MetAccess, thread: HostThread | undefined): Outcome | null {
  if (met.injected) return 'AC';
  if (thread?.signal?.signal === 'SIGBUS') return 'SIGBUS';
  return /"(?:split_lock|misaligned)"/.test(JSON.stringify(value)) ? null : 'ran';
}

/**
 * Accesses of guests that have come to something. One after which the VMM wrote the MSR is left
 * out: the guest knows nothing of that.
 */
function judged(world: WorldView): Judged[] {
  const threads = new Map(world.actors<HostThread>('hostThread').map(({ id, context }) => [id, context]));
  const fields = fieldsOf(world);
  return world.actors<Vcpu>('vcpu').flatMap((vcpu): Judged[] => {
    const account = vcpu.context.splitLock;
    if (!account?.met) return [];
    const { met, host } = account;
    if (account.given && met.bit !== hasBit(fields.get(vcpu.id))) return [];
    const got = outcomeOf(vcpu, met, threads.get(vcpu.context.thread ?? ''));
    return got === null ? [] : [{ id: vcpu.id, host, met, due: dueTo(account, met), got }];
  });
}

const ENDS: Readonly<Record<Outcome, string>> = { AC: 'it got #AC', SIGBUS: 'its thread got SIGBUS', ran: 'it ran' };
const told = ({ id, host, met, due, got }: Judged): string => {
  const access = met.locked ? 'split lock' : 'misaligned access';
  const context = `CPL ${met.cpl}, CR0.AM ${met.am ? 1 : 0}, EFLAGS.AC ${met.ac ? 1 : 0}, its bit ${met.bit ? 1 : 0}`;
  return `${id}, ${access} with ${context}, host ${host}: ${ENDS[got]}, where ${due === 'ran' ? 'nothing was due' : `${due} was due`}`;
};
const KINDS = ['vcpu', 'hostThread', 'vcpuVmx'];

export const guestGetsItsAc = always('sld.guest-gets-its-ac', {
  kinds: KINDS,
  source: `${NOTES} C.4, C.5, SLD-14, SLD-16 to SLD-19; arch/x86/kvm/vmx/vmx.c, vmx_guest_inject_ac()`,
  grade: 'read',
  check: (world) => {
    const found = judged(world).find(({ due, got }) => due === 'AC' && got !== 'AC');
    return found ? told(found) : null;
  },
});

export const hostPolicyKept = always('sld.host-policy-kept', {
  kinds: KINDS,
  source: `${NOTES} C.2, C.4, SLD-14, SLD-15, SLD-19; arch/x86/kernel/cpu/intel.c, handle_guest_split_lock()`,
  grade: 'read',
  check: (world) => {
    const found = judged(world).find(({ due, got }) => due !== 'AC' && got !== due);
    return found ? told(found) : null;
  },
});

export const guestTakesAc = sometimes('sld.guest-takes-ac', {
  kinds: ['vcpu'],
  source: `${NOTES} C.4`,
  grade: 'decision',
  check: (world) => {
    const found = world.actors<Vcpu>('vcpu').find(({ context }) => context.splitLock?.met?.injected === true);
    return found ? `${found.id} has taken #AC` : null;
  },
});
