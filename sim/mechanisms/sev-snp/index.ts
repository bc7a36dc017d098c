/**
 * SEV-SNP on AMD hosts: the RMP and the instructions that check and change it, SVM's run loop,
 * page-state changes, what the host does about a write to a private page, and the firmware's
 * mailbox.
 *
 * @see docs/mechanisms/sev-snp.md; domain snp
 */

import { apGuestOperations } from '../../../actors/sev-snp/ap-guest.ts';
import { asidBitmapsMachine } from '../../../actors/sev-snp/asid-bitmaps.ts';
import { ghcbGuestOperations } from '../../../actors/sev-snp/ghcb-guest.ts';
import { ghcbPageMachine } from '../../../actors/sev-snp/ghcb-page.ts';
import { withGuestMemfd } from '../../../actors/sev-snp/guest-memfd.ts';
import { withGuestCerts } from '../../../actors/sev-snp/guest-request.ts';
import { hostMapMachine } from '../../../actors/sev-snp/host-map.ts';
import { nptMachine } from '../../../actors/sev-snp/npt.ts';
import { pageAllocatorMachine } from '../../../actors/sev-snp/page-allocator.ts';
import { pageFaultPath } from '../../../actors/sev-snp/page-fault.ts';
import { pspMachine } from '../../../actors/sev-snp/psp.ts';
import { rateLimitMachine } from '../../../actors/sev-snp/rate-limit.ts';
import { rmpRegionMachine } from '../../../actors/sev-snp/rmp-region.ts';
import { SEV_DEVICE, sevDeviceMachine } from '../../../actors/sev-snp/sev-device.ts';
import { sevEsStateMachine } from '../../../actors/sev-snp/sev-es-state.ts';
import { sevGuestMachine } from '../../../actors/sev-snp/sev-guest.ts';
import { snpBootOperations } from '../../../actors/sev-snp/snp-boot-operations.ts';
import { snpGuestOperations } from '../../../actors/sev-snp/snp-guest.ts';
import { snpKvmOf } from '../../../actors/sev-snp/snp-kvm.ts';
import { snpHostOperations } from '../../../actors/sev-snp/snp-operations.ts';
import { snpPlatformMachine } from '../../../actors/sev-snp/snp-platform.ts';
import { hasStaleTlb, staleTlbParts, staleTlbPaths } from '../../../actors/sev-snp/stale-tlb.ts';
import { svsmOperations } from '../../../actors/sev-snp/svsm.ts';
import { svsmLockMachine } from '../../../actors/sev-snp/svsm-lock.ts';
import { vmPagesMachine } from '../../../actors/sev-snp/vm-pages.ts';
import { AP_EVENTS } from '../../../events/sev-snp/ap.ts';
import { ASID_EVENTS } from '../../../events/sev-snp/asids.ts';
import { FRAMES_EVENTS } from '../../../events/sev-snp/frames.ts';
import { GHCB_EVENTS } from '../../../events/sev-snp/ghcb.ts';
import { GUEST_REQUEST_EVENTS } from '../../../events/sev-snp/guest-request.ts';
import { HOST_MAP_EVENTS } from '../../../events/sev-snp/host-map.ts';
import { NPT_EVENTS } from '../../../events/sev-snp/npt.ts';
import { PLATFORM_EVENTS } from '../../../events/sev-snp/platform.ts';
import { PSP_EVENTS } from '../../../events/sev-snp/psp.ts';
import { RMP_EVENTS } from '../../../events/sev-snp/rmp.ts';
import { SEV_SNP_OPTIONS } from '../../../events/sev-snp/sev-snp.ts';
import { SVSM_EVENTS } from '../../../events/sev-snp/svsm.ts';
import { VM_PAGES_EVENTS } from '../../../events/sev-snp/vm-pages.ts';
import type { Mechanism } from '../../host/mechanism.ts';
import { AP_GUEST_OPERATIONS } from './ap-operations.ts';
import { apProperties } from './ap-properties.ts';
import { checks, PRESETS } from './checks.ts';
import { firmwareMutants } from './firmware-mutants.ts';
import { firmwareProperties } from './firmware-properties.ts';
import { GHCB_GUEST_OPERATIONS, ghcbUseOf } from './ghcb-operations.ts';
import { ghcbProperties } from './ghcb-properties.ts';
import { GHCB_SETTINGS } from './ghcb-sections.ts';
import { LAUNCH_SETTINGS } from './launch-sections.ts';
import { rmpLock } from './lock-model.ts';
import { MAILBOX_MUTANTS } from './mailbox-mutants.ts';
import { mappings } from './mappings.ts';
import { snpMutants } from './mutants.ts';
import { SNP_GUEST_OPERATIONS, SNP_HOST_OPERATIONS } from './operations.ts';
import { snpOutcomes } from './outcomes.ts';
import { pageChecks } from './page-checks.ts';
import { hostPagesOf, onlineCpus } from './platform.ts';
import { platformProperties } from './platform-properties.ts';
import { POLICY_MUTANTS } from './policy-mutants.ts';
import { repeatsSmash, repeatsUpdate, retriesUpdate, snpProperties } from './properties.ts';
import { panicsBesideMailbox, pspMayDie, usesContexts } from './psp-topology.ts';
import { REQUEST_MUTANTS } from './request-mutants.ts';
import { REQUEST_SETTINGS } from './request-topology.ts';
import { SECTIONS, SNP_VM, SVM_VM, VM_SETTINGS } from './sections.ts';
import { nptsOf, snpActors, vcpuParts, vmParts } from './topology.ts';

export const sevSnp: Mechanism = {
  name: 'sev-snp',
  arches: ['amd'],
  options: SEV_SNP_OPTIONS,
  presets: PRESETS,
  features: ['sev', 'sev-es', 'sev-snp'],
  allow: ['psp-error', 'psp-interrupt', 'psp-stuck', 'psp-slow'],
  vmTypes: [SNP_VM, SVM_VM],
  sections: { ...SECTIONS, mappings },
  vmSettings: { ...VM_SETTINGS, ...LAUNCH_SETTINGS, ...GHCB_SETTINGS, ...REQUEST_SETTINGS },
  guestOperations: { ...SNP_GUEST_OPERATIONS, ...GHCB_GUEST_OPERATIONS, ...AP_GUEST_OPERATIONS },
  hostOperations: SNP_HOST_OPERATIONS,
  properties: [...snpProperties, ...firmwareProperties, ...platformProperties, ...ghcbProperties, ...apProperties],
  outcomes: snpOutcomes,
  waits: [retriesUpdate, repeatsUpdate, repeatsSmash],
  catalogue: {
    ...RMP_EVENTS,
    ...PSP_EVENTS,
    ...VM_PAGES_EVENTS,
    ...GHCB_EVENTS,
    ...AP_EVENTS,
    ...GUEST_REQUEST_EVENTS,
    ...PLATFORM_EVENTS,
    ...HOST_MAP_EVENTS,
    ...ASID_EVENTS,
    ...FRAMES_EVENTS,
    ...SVSM_EVENTS,
    ...NPT_EVENTS,
  },
  sets: [
    'hostMap.holes',
    'npt.zapped',
    'npt.invalidated',
    'rmpRegion.strayed',
    'rmpRegion.vmcbs',
    'vmPages.holders',
    'vmPages.waiters',
    'vmPages.folioWaiters',
    'vmPages.readers',
    'vmPages.grace',
    'sevDevice.waiters',
    'svsmLock.readers',
  ],
  quiet: ['psp.status?', 'psp.response?', 'psp.interrupted?', 'psp.poll?', 'sev.rcvd?', 'sev.dead?'],
  checks,
  structureChecks: pageChecks,
  host: (scenario) => ({
    operations: (env) => [
      ...snpHostOperations(env),
      ...snpBootOperations({ options: scenario.host.options, cpus: onlineCpus(scenario), ...hostPagesOf(scenario) })(env),
    ],
    faults: { '#PF.RMP': (env) => [{ kind: 'call', path: pageFaultPath(env) }] },
    ...(usesContexts(scenario) && { snpFirmware: true as const, wbinvdCpus: scenario.host.cpus }),
    ...(pspMayDie(scenario) && { pspMayDie: true as const }),
    ...(scenario.sections?.firmware?.commandBuffer !== undefined && { commandBuffers: true as const }),
    ...(panicsBesideMailbox(scenario) && { mailboxInPanic: true as const }),
  }),
  kvm: (scenario) => {
    const { options } = scenario.host;
    const use = ghcbUseOf(scenario);
    const mapped = snpKvmOf(use);
    const memory = options['kvm.privateMemory'] === 'guest-memfd' ? withGuestMemfd(mapped) : mapped;
    const parts = use.certs && options['kvm.guestCerts'] === 'user-space' ? withGuestCerts(memory) : memory;
    if (!hasStaleTlb(options)) return parts;
    const stale = staleTlbParts(options);
    return { ...parts, ...stale, exits: { ...parts.exits, ...stale.exits } };
  },
  patch: (scenario) => (hasStaleTlb(scenario.host.options) ? { paths: staleTlbPaths(nptsOf(scenario)) } : {}),
  guest: ({ host: { options } }) => ({
    operations: (env) => [
      ...snpGuestOperations(env, options),
      ...svsmOperations(env, options),
      ...ghcbGuestOperations(env),
      ...apGuestOperations(env),
    ],
    endsHalt: ['KVM_APIC_SIPI', 'KVM_REQ_UPDATE_PROTECTED_GUEST_STATE'],
  }),
  actors: snpActors,
  machines: () => ({
    ghcbPage: ghcbPageMachine,
    sevEsState: sevEsStateMachine,
    vmPages: vmPagesMachine,
    rmpRegion: rmpRegionMachine,
    psp: pspMachine,
    sevDevice: sevDeviceMachine,
    hostMap: hostMapMachine,
    snpPlatform: snpPlatformMachine,
    asidBitmaps: asidBitmapsMachine,
    pageAllocator: pageAllocatorMachine,
    svsmLock: svsmLockMachine,
    sevGuest: sevGuestMachine,
    rateLimit: rateLimitMachine,
    npt: nptMachine,
  }),
  completions: [{ name: 'psp', handler: 'psp_irq_handler', driver: SEV_DEVICE }],
  vm: vmParts,
  vcpu: (_scenario, vm, vcpu) => vcpuParts(vm, vcpu),
  mutants: { ...snpMutants, ...firmwareMutants, ...MAILBOX_MUTANTS, ...POLICY_MUTANTS, ...REQUEST_MUTANTS },
  models: [rmpLock],
};
