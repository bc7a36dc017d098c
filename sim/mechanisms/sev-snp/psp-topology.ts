/** The actors around the firmware: the PSP, its driver, and what KVM keeps of ASIDs. */

import { type AsidsInput, SEV_ASIDS } from '../../../actors/sev-snp/asid-bitmaps.ts';
import { SEV_BITMAP_LOCK, SEV_DEACTIVATE_LOCK } from '../../../actors/sev-snp/asid-cycle.ts';
import type { PspInput } from '../../../actors/sev-snp/psp.ts';
import { SEV_CMD_MUTEX } from '../../../actors/sev-snp/sev-command.ts';
import { SEV_DEVICE, type SevDeviceInput } from '../../../actors/sev-snp/sev-device.ts';
import { FIRST_SNP_DIGEST } from '../../../actors/sev-snp/snp-commands.ts';
import { SNP_PLATFORM } from '../../../actors/sev-snp/snp-platform.ts';
import type { SnpFirmware } from '../../../events/sev-snp/snp-command.ts';
import type { ResolvedScenario } from '../../scenario/types.ts';
import type { ActorSpec } from '../../store.ts';
import { needsContexts } from './command-operation.ts';
import { launchPfns } from './launch-facts.ts';
import { usesPlatform } from './platform.ts';
import { asksForReports } from './request-topology.ts';

const usesCommands = ({ processes }: ResolvedScenario): boolean =>
  processes.some(({ threads }) =>
    threads.some(({ program }) => program.ops.some(({ op }) => op === 'sev-command' || op === 'legacy-command')),
  );

export const usesPsp = (scenario: ResolvedScenario) =>
  scenario.vms.some(asksForReports) ||
  (scenario.sections?.firmware?.pages ?? []).length > 0 ||
  usesContexts(scenario) ||
  usesCommands(scenario);
/** Whether the PSP keeps guest contexts: a program has a command about them. */
export const usesContexts = (scenario: ResolvedScenario): boolean => usesAsids(scenario) || namesContexts(scenario);
const namesContexts = ({ processes, sections, vms }: ResolvedScenario): boolean =>
  vms.some((vm) => launchPfns(vm).length > 0) ||
  (sections?.firmware?.guests ?? []).length > 0 ||
  processes.some(({ threads }) => threads.some(({ program }) => program.ops.some((op) => needsContexts(op))));

const POLICY = 0x3_0000;
/** What the firmware knows of guests when a run starts. */
const firmwareAtStart = ({ sections }: ResolvedScenario): SnpFirmware => ({
  guests: Object.fromEntries(
    (sections?.firmware?.guests ?? []).map(({ pfn, state, asid }) => [
      pfn,
      { state, asid: asid ?? null, policy: state === 'INIT' ? 0 : POLICY, digest: FIRST_SNP_DIGEST },
    ]),
  ),
  unflushed: [],
  wbinvdNeeded: [],
});

/** Whether a command can outlast the driver's wait for it. */
export const pspMayDie = ({ allow }: ResolvedScenario): boolean => allow.includes('psp-stuck') || allow.includes('psp-slow');

const deviceInput = ({ sections }: ResolvedScenario): SevDeviceInput | null => {
  const { commandBuffer } = sections?.firmware ?? {};
  return commandBuffer === undefined ? null : { commandBuffer };
};

/** Whether the kernel may panic while a program has the mailbox: it goes on with it then. */
export const panicsBesideMailbox = (scenario: ResolvedScenario): boolean => usesPlatform(scenario) && usesCommands(scenario);

/** The firmware's mailbox, its driver, and the mutex that serializes commands. */
export const pspActors = (scenario: ResolvedScenario, state: PspInput['state']): readonly ActorSpec[] => [
  {
    id: 'psp',
    kind: 'psp',
    input: {
      state,
      errors: scenario.allow.includes('psp-error'),
      interrupts: scenario.allow.includes('psp-interrupt'),
      ...(scenario.allow.includes('psp-stuck') && { sticks: true }),
      ...(scenario.allow.includes('psp-slow') && { slows: true }),
      ...(panicsBesideMailbox(scenario) && { keeper: SNP_PLATFORM }),
      ...(usesContexts(scenario) && { snp: firmwareAtStart(scenario), cpus: scenario.host.cpus }),
    } satisfies PspInput,
  },
  { id: SEV_DEVICE, kind: 'sevDevice', input: deviceInput(scenario) },
  { id: SEV_CMD_MUTEX, kind: 'mutex', input: null },
];

const ASID_OPS: readonly string[] = ['asid-new', 'destroy-guest'];
const usesAsids = ({ processes }: ResolvedScenario): boolean =>
  processes.some(({ threads }) => threads.some(({ program }) => program.ops.some(({ op }) => ASID_OPS.includes(op))));
/** KVM's bitmaps of ASIDs and their locks, where a program takes or frees one. */
export function asidActors(scenario: ResolvedScenario): readonly ActorSpec[] {
  if (!usesAsids(scenario)) return [];
  const { guests = [], asids = 1 } = scenario.sections?.firmware ?? {};
  const used = guests.flatMap(({ asid }) => (asid === undefined ? [] : [asid])).sort((a, b) => a - b);
  return [
    { id: SEV_ASIDS, kind: 'asidBitmaps', input: { max: asids, used } satisfies AsidsInput },
    { id: SEV_BITMAP_LOCK, kind: 'mutex', input: null },
    { id: SEV_DEACTIVATE_LOCK, kind: 'mutex', input: null },
  ];
}
