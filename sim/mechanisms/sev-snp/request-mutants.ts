/** Changes of one line of guest requests, which a claim must notice. */
import type { GuestLocals } from '../../../actors/kvm/guest-program.ts';
import { sevGuestId } from '../../../actors/sev-snp/report-request.ts';
import { outgoing } from '../../../events/event.ts';
import type { Mutant } from '../../host/mechanism.ts';
import { alter, patched, replace, without } from './mutants.ts';

const DRIVER = 'handle_guest_request';
const unlock = (_v: unknown, { sealedMessage }: GuestLocals) =>
  outgoing(sevGuestId(sealedMessage!.vm.slice('vm:'.length)), { type: 'sevGuest.unlock' });

type Sends = { readonly send?: (...args: readonly unknown[]) => { readonly event: object } };
/** What a step sends says something else. */
const withEvent = (item: object, change: object): object => ({
  ...item,
  send: (...args: readonly unknown[]) => {
    const message = (item as Sends).send!(...args);
    return { ...message, event: { ...message.event, ...change } };
  },
});

export const REQUEST_MUTANTS: Readonly<Record<string, Mutant>> = {
  'snp-key-kept': without('A guest whose request failed keeps its key, and the number.', DRIVER, 'snp_disable_vmpck'),
  'snp-message-uncounted': without('A guest does not count a message that was answered.', DRIVER, 'verify_and_dec_payload'),
  'snp-reissue-uncounted': without(
    'A guest does not count a message that went out again without certificates.',
    DRIVER,
    'snp_inc_msg_seqno',
  ),
  'snp-driver-unlocked': patched(
    "A guest's driver takes no mutex: two vCPUs ask at once.",
    'snp_cmd_mutex',
    alter('try', { send: undefined, answers: undefined, local: () => ({ driverTaken: true }) }),
  ),
  'snp-busy-returned': patched(
    'A guest returns to its caller where the host is busy, and leaves the number as it is.',
    DRIVER,
    replace('schedule_timeout_killable', () => [
      {
        kind: 'when',
        cases: [
          [
            (_v: unknown, l: GuestLocals) => l.vmmError === 'BUSY',
            [{ kind: 'step', name: 'return_EAGAIN', send: unlock }, { kind: 'return' }],
          ],
        ],
      },
    ]),
  ),
  'snp-certs-untold': patched(
    'KVM does not say how many pages certificates need.',
    'snp_handle_ext_guest_req',
    replace('snp_guest_ext_guest_request', (item) => [withEvent(item, { rbx: 0 })]),
  ),
  'snp-limit-ignored': patched(
    'KVM serves a request that the limit does not let through.',
    'snp_handle_guest_req',
    replace('___ratelimit', (item) => [item, { kind: 'note', local: () => ({ letThrough: true }) }]),
  ),
};
