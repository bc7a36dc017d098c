/**
 * SEV-SNP on AMD hosts: the RMP and the instructions that check and change it, SVM's run loop,
 * page-state changes, what the host does about a write to a private page, and the firmware's
 * mailbox.
 *
 * @see docs/mechanisms/sev-snp.md; domain snp
 */
import { hostMapMachine } from '../../../actors/sev-snp/host-map.ts';
import { nptMachine } from '../../../actors/sev-snp/npt.ts';
import { pageFaultPath } from '../../../actors/sev-snp/page-fault.ts';
import { pspMachine } from '../../../actors/sev-snp/psp.ts';
import { rmpRegionMachine } from '../../../actors/sev-snp/rmp-region.ts';
import { SEV_DEVICE, sevDeviceMachine } from '../../../actors/sev-snp/sev-device.ts';
import { snpGuestOperations } from '../../../actors/sev-snp/snp-guest.ts';
import { snpKvm, snpKvmWithReports } from '../../../actors/sev-snp/snp-kvm.ts';
import { snpHostOperations } from '../../../actors/sev-snp/snp-operations.ts';
import { hasStaleTlb, staleTlbParts, staleTlbPaths } from '../../../actors/sev-snp/stale-tlb.ts';
import { vmPagesMachine } from '../../../actors/sev-snp/vm-pages.ts';
import { GHCB_EVENTS } from '../../../events/sev-snp/ghcb.ts';
import { HOST_MAP_EVENTS } from '../../../events/sev-snp/host-map.ts';
import { NPT_EVENTS } from '../../../events/sev-snp/npt.ts';
import { PSP_EVENTS } from '../../../events/sev-snp/psp.ts';
import { RMP_EVENTS } from '../../../events/sev-snp/rmp.ts';
import { SEV_SNP_OPTIONS } from '../../../events/sev-snp/sev-snp.ts';
import { VM_PAGES_EVENTS } from '../../../events/sev-snp/vm-pages.ts';
import type { Mechanism } from '../../host/mechanism.ts';
import { checks, PRESETS } from './checks.ts';
import { LAUNCH_SETTINGS } from './launch-sections.ts';
import { rmpLock } from './lock-model.ts';
import { mappings } from './mappings.ts';
import { snpMutants } from './mutants.ts';
import { SNP_GUEST_OPERATIONS, SNP_HOST_OPERATIONS } from './operations.ts';
import { snpOutcomes } from './outcomes.ts';
import { pageChecks } from './page-checks.ts';
import { repeatsSmash, repeatsUpdate, retriesUpdate, snpProperties } from './properties.ts';
import { SECTIONS, SNP_VM, SVM_VM, VM_SETTINGS } from './sections.ts';
import { asksForReports, nptsOf, snpActors, vmParts } from './topology.ts';

export const sevSnp: Mechanism = {
  name: 'sev-snp',
  arches: ['amd'],
  options: SEV_SNP_OPTIONS,
  presets: PRESETS,
  features: ['sev', 'sev-es', 'sev-snp'],
  allow: ['psp-error', 'psp-interrupt'],
  vmTypes: [SNP_VM, SVM_VM],
  sections: { ...SECTIONS, mappings },
  vmSettings: { ...VM_SETTINGS, ...LAUNCH_SETTINGS },
  guestOperations: SNP_GUEST_OPERATIONS,
  hostOperations: SNP_HOST_OPERATIONS,
  properties: snpProperties,
  outcomes: snpOutcomes,
  waits: [retriesUpdate, repeatsUpdate, repeatsSmash],
  catalogue: { ...RMP_EVENTS, ...PSP_EVENTS, ...VM_PAGES_EVENTS, ...GHCB_EVENTS, ...HOST_MAP_EVENTS, ...NPT_EVENTS },
  sets: [
    'hostMap.holes',
    'npt.zapped',
    'npt.invalidated',
    'rmpRegion.strayed',
    'rmpRegion.vmcbs',
    'vmPages.holders',
    'vmPages.waiters',
    'sevDevice.waiters',
  ],
  quiet: ['psp.status?', 'psp.response?', 'psp.interrupted?', 'sev.rcvd?'],
  checks,
  structureChecks: pageChecks,
  host: () => ({ operations: snpHostOperations, faults: { '#PF.RMP': (env) => [{ kind: 'call', path: pageFaultPath(env) }] } }),
  kvm: (scenario) => {
    const parts = asksForReports(scenario) ? snpKvmWithReports : snpKvm;
    if (!hasStaleTlb(scenario.host.options)) return parts;
    const stale = staleTlbParts(scenario.host.options);
    return { ...parts, ...stale, exits: { ...parts.exits, ...stale.exits } };
  },
  patch: (scenario) => (hasStaleTlb(scenario.host.options) ? { paths: staleTlbPaths(nptsOf(scenario)) } : {}),
  guest: ({ host: { options } }) => ({ operations: (env) => snpGuestOperations(env, options) }),
  actors: snpActors,
  machines: () => ({
    vmPages: vmPagesMachine,
    rmpRegion: rmpRegionMachine,
    psp: pspMachine,
    sevDevice: sevDeviceMachine,
    hostMap: hostMapMachine,
    npt: nptMachine,
  }),
  completions: [{ name: 'psp', handler: 'psp_irq_handler', driver: SEV_DEVICE }],
  vm: vmParts,
  mutants: snpMutants,
  models: [rmpLock],
};
