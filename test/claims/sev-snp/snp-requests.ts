/**
 * SNP-54, SNP-69 and R23: guest requests that the host does not serve at once, and the number that
 * their message goes out under.
 */
import assert from 'node:assert/strict';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import type { PspContext } from '../../../actors/sev-snp/psp.ts';
import type { SevGuestContext } from '../../../actors/sev-snp/sev-guest.ts';
import type { HostOptions } from '../../../events/options.ts';
import type { GuestStep } from '../../../sim/scenario/program.ts';
import { type Played, shipped } from '../../sim/play.ts';
import { choose, finish, type Line, to, until } from '../../sim/steer.ts';
import { type Claim, keeps } from '../claim.ts';
import type { Checked } from '../claim-cases.ts';
import * as w from '../world.ts';
import * as s from './snp-worlds.ts';

const holds = { source: 'domain snp g', verdict: 'holds' } as const;
const CERTS = 'guest-request-certs';
const THROTTLED = 'guest-request-throttled';
const NONCE = 'psp.nonce-used-once';
const NEEDED = 3;

const asks = (data: number, certs?: number): GuestStep => ({
  'request-report': { data, vmpl: 0, ...(certs !== undefined && { certs }) },
});
/** Guests whose certificates need three pages. */
export const guests = (options: Partial<HostOptions>, ...programs: readonly (readonly GuestStep[])[]) =>
  w.world(
    { vm0: { type: 'snp', options: { certPages: NEEDED }, vcpus: programs } },
    { qemu0: programs.map((_, index) => [w.run(`vm0/${index}`)]) },
    options,
  );

interface Carried {
  readonly sequence: number;
  readonly data: number;
}
/** Number and data of each message that the firmware was given. */
export const carried = (played: Played): readonly [number, number][] =>
  played
    .delivered('psp.command')
    .map(({ payload }) => payload.message as unknown as Carried)
    .map(({ sequence, data }) => [sequence, data]);
/** The event of each VMGEXIT by which a guest asks. */
export const events = (played: Played): unknown[] =>
  played
    .delivered('vmexit')
    .map(({ payload }) => payload.info as { readonly nae?: string } | null)
    .flatMap((info) => (info?.nae === undefined ? [] : [info.nae]));
export const driverOf = (played: Played) => played.context<SevGuestContext>('sev_guest:vm0');
/** The error of the host and RBX, as a guest was told. */
export const told = (played: Played): unknown[] =>
  played.delivered('ghcb.result').flatMap(({ payload }) => (payload.vmmError === undefined ? [] : [[payload.vmmError, payload.rbx]]));

/** The firmware has a message, and answers it. */
const asked = until(w.VCPU, 'the firmware has a command', (scene) => scene.context<PspContext>('psp').command !== null);
export const answered: readonly Line[] = [asked, choose('exec(psp)')];
/** The next request comes while the interval is not over. */
export const throttled: readonly Line[] = [to(w.VCPU, '___ratelimit'), choose(`choose(${w.VCPU}, 1)`), to(w.VCPU, 'svm_vmgexit_no_action')];
/** The driver gives up: 60 s are over. */
export const timedOut: readonly Line[] = [to(w.VCPU, 'schedule_timeout_killable', w.GUEST), choose(`choose(${w.GUEST}, 1)`)];

export const SNP_REQUEST_CLAIMS: readonly Claim[] = [
  {
    ...holds,
    id: 'SNP-54',
    says: 'a guest whose buffer for certificates is too small is told how many pages they need, and its driver uses the number up by a plain request',
    shows: [
      keeps(CERTS, 'in-kernel', NONCE, 'snp-reissue-uncounted'),
      keeps(CERTS, 'in-kernel', 'ghcb.cert-pages-told', 'snp-certs-untold'),
      keeps(CERTS, 'user-space', NONCE, 'snp-reissue-uncounted'),
    ],
    mutants: ['snp-certs-untold', 'snp-reissue-uncounted'],
    check: (mutant) => {
      for (const certs of ['in-kernel', 'user-space'] as const) {
        const played = s.inOrder(guests({ 'kvm.guestCerts': certs }, [asks(1, 2), asks(2, NEEDED)]), mutant);
        assert.deepEqual(told(played), [['INVALID_LEN', NEEDED]]);
        assert.deepEqual(played.context<Vcpu>(w.GUEST).certPages, { given: 2, needed: NEEDED });
        assert.deepEqual(events(played), ['EXT_GUEST_REQUEST', 'GUEST_REQUEST', 'EXT_GUEST_REQUEST']);
        const numbers = [
          [1, 1],
          [3, 2],
        ];
        assert.deepEqual(carried(played), numbers);
        assert.deepEqual([driverOf(played).counter, driverOf(played).wiped], [4, false]);
      }
    },
  },
  {
    ...holds,
    id: 'SNP-69',
    says: 'a host that limits requests answers one too many with busy, and the driver asks again with the same message, or wipes its key after 60 s',
    shows: [
      keeps(THROTTLED, 'retried', 'psp.requests-within-limit', 'snp-limit-ignored'),
      keeps(THROTTLED, 'retried', NONCE, 'snp-busy-returned'),
    ],
    not: 'that series v5 has no limit: it is the default of kvm.guestRequestLimit',
    mutants: ['snp-limit-ignored', 'snp-busy-returned'],
    check: (mutant) => {
      const limited = s.unchecked(guests({ 'kvm.guestRequestLimit': 'ratelimit' }, [asks(1), asks(2)]));
      const served = s.told(limited, mutant, ...answered, ...throttled);
      assert.deepEqual(told(served), [['BUSY', undefined]]);
      const numbers = [
        [1, 1],
        [3, 2],
      ];
      assert.deepEqual(carried(served), numbers);
      assert.deepEqual([driverOf(served).counter, driverOf(served).wiped], [4, false]);
      const given = s.told(limited, mutant, ...answered, ...throttled, ...timedOut);
      assert.deepEqual([carried(given), driverOf(given).wiped], [[[1, 1]], true]);
    },
  },
];

export const SNP_REQUEST_RACES: readonly Checked[] = [
  {
    id: 'R23',
    says: 'a guest seals no two messages under one number: it counts what was answered, has a message that had no room go out again, and wipes its key after an error',
    mutants: ['snp-key-kept', 'snp-message-uncounted', 'snp-driver-unlocked', 'snp-reissue-uncounted'],
    check: (mutant) => {
      const report = shipped('attestation-report');
      const failed = s.told(report, mutant, asked, choose('psp-error(psp)'), finish(w.VCPU));
      assert.equal(failed.delivered('psp.command').length, 1);
      for (const played of [failed, s.inOrder(report, mutant)]) assert.equal(played.end.violation, null);
      for (const certs of ['in-kernel', 'user-space'] as const) {
        const both = guests({ 'kvm.guestCerts': certs }, [asks(1, 0)], [asks(2)]);
        for (const played of s.runsOf(both, 20, mutant)) {
          assert.deepEqual(
            carried(played).map(([sequence]) => sequence),
            [1, 3],
          );
          assert.equal(driverOf(played).counter, 4);
        }
      }
      const returned = s.inOrder(shipped(CERTS, 'returned'), mutant);
      assert.equal(returned.end.violation?.property, NONCE);
    },
  },
];
