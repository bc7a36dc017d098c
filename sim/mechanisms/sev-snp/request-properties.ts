/** What must hold of guest requests: of the driver of a guest, and of what KVM tells it. */
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import type { PspContext } from '../../../actors/sev-snp/psp.ts';
import type { RateLimitContext } from '../../../actors/sev-snp/rate-limit.ts';
import type { SevGuestContext } from '../../../actors/sev-snp/sev-guest.ts';
import { always, alwaysEach, type Property, sometimes } from '../../property.ts';

const DRIVER = 'drivers/virt/coco/sev-guest/sev-guest.c';

/**
 * Two payloads under one nonce tell the host their difference, and how to forge others. The host
 * has a message once it stands in the page that it shares with the guest.
 */
const nonceUsedOnce = alwaysEach<SevGuestContext>('psp.nonce-used-once', {
  kind: 'sevGuest',
  source: `${DRIVER}, handle_guest_request(), snp_disable_vmpck(); domain snp f.10, h, I9, R23`,
  grade: 'read',
  each: ({ context: { request, before } }) =>
    request !== null && before !== null && request.sequence <= before.sequence
      ? `${request.vm} has sealed two messages under number ${request.sequence}`
      : null,
});

/** Where no request fails, the rule about keys is not tried. */
const guestKeyWiped = sometimes('psp.guest-key-wiped', {
  kinds: ['sevGuest'],
  source: `${DRIVER}, snp_disable_vmpck(); domain snp f.10`,
  grade: 'read',
  check: (world) => {
    const wiped = world.actors<SevGuestContext>('sevGuest').find(({ context }) => context.wiped);
    return wiped ? `${wiped.id} has forgotten its key after a request that failed` : null;
  },
});

/** Both callers of a guest's driver are inside it: one of them has to wait. */
const callersMeet = sometimes('psp.guest-callers-meet', {
  kinds: ['vcpu'],
  source: `${DRIVER}, snp_guest_ioctl(): snp_cmd_mutex; domain snp h, R23`,
  grade: 'read',
  check: (world) => {
    const inside = world.actors<Vcpu>('vcpu').filter(({ value }) => JSON.stringify(value).includes('"handle_guest_request"'));
    return inside.length > 1 ? `${inside[0]!.id} and ${inside[1]!.id} ask with one key` : null;
  },
});

/** A guest that was told to come with as much room as it had would come again without end. */
const certPagesTold = alwaysEach<Vcpu>('ghcb.cert-pages-told', {
  kind: 'vcpu',
  source: 'GHCB specification, "SNP Extended Guest Request": RBX; domain snp e.5, SNP-54',
  grade: 'read',
  each: ({ id, context: { certPages } }) =>
    certPages !== undefined && certPages.needed <= certPages.given
      ? `${id} has ${certPages.given} pages for certificates, and was told that they are too few: ${certPages.needed} are needed`
      : null,
});
const certsTooLong = sometimes('ghcb.certs-too-long', {
  kinds: ['vcpu'],
  source: 'arch/x86/kvm/svm/sev.c, snp_handle_ext_guest_req(); domain snp e.5, SNP-54',
  grade: 'read',
  check: (world) => {
    const told = world.actors<Vcpu>('vcpu').find(({ context }) => context.certPages !== undefined);
    return told ? `${told.id} was told how many pages certificates need` : null;
  },
});

const withinLimit = always('psp.requests-within-limit', {
  kinds: ['psp', 'rateLimit'],
  source: '"kvm: sev: Add SEV-SNP guest request throttling", v5; domain snp SNP-69',
  grade: 'read',
  check: (world) => {
    const { message } = world.actors<PspContext>('psp')[0]?.context ?? {};
    if (message === undefined) return null;
    const vm = message.vm.slice('vm:'.length);
    const limit = world.actors<RateLimitContext>('rateLimit').find(({ id }) => id === `ratelimit:${vm}`);
    return limit?.context.missed === true ? `the firmware has a request of ${message.vm} that its limit did not let through` : null;
  },
});
const requestThrottled = sometimes('psp.request-throttled', {
  kinds: ['rateLimit'],
  source: 'lib/ratelimit.c, ___ratelimit(); domain snp e.5, SNP-69',
  grade: 'read',
  check: (world) => {
    const limit = world.actors<RateLimitContext>('rateLimit').find(({ context }) => context.missed);
    return limit ? `${limit.id} has not let a request through` : null;
  },
});

export const requestProperties: readonly Property[] = [
  nonceUsedOnce,
  guestKeyWiped,
  callersMeet,
  certPagesTold,
  certsTooLong,
  withinLimit,
  requestThrottled,
];
