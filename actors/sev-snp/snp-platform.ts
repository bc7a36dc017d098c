/**
 * A host with SEV-SNP as a whole: SYSCFG and VM_HSAVE_PA of each CPU, the RMP as a table, the
 * firmware's state, and what the kernel knows of them.
 *
 * There only where a program enables SNP or replaces the kernel: elsewhere SNP is on and stays so.
 * Left out: the mailbox, through which each command is one step here.
 *
 * @see domain snp a.1, f.2; kernel arch/x86/virt/svm/sev.c; drivers/crypto/ccp/sev-dev.c
 */
import { assign, emit, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped, sender } from '../../events/event.ts';
import type { PlatformCommand, PlatformEvent, PlatformInfo } from '../../events/sev-snp/platform.ts';
import { regionOf } from '../../events/sev-snp/rmp.ts';
import { type Changed, type Platform, runCommand, writeBack, writeRegisters, zeroTable } from './platform-rules.ts';
import { HV_FIXED } from './snp-commands.ts';

export const SNP_PLATFORM: ActorId = 'snp-platform';

export interface PlatformInput {
  readonly platform: Platform;
  /** A frame of each region of the RMP. */
  readonly regions: readonly number[];
  /** Pages of the IOMMU: event log, PPR log, completion-wait buffer. */
  readonly iommuPages: readonly number[];
  /** CPUs that are there and not online. */
  readonly offline: readonly ActorId[];
  readonly firm: Pick<PlatformInfo, 'iommu' | 'covers' | 'param' | 'minor'>;
  /** CC_ATTR_HOST_SEV_SNP. Default: the kernel has not cleared it. */
  readonly capable?: boolean;
}
export interface PlatformContext extends PlatformInput {
  readonly capable: boolean;
  /** sev->snp_initialized. */
  readonly initialized: boolean;
  readonly tmr: { readonly pfn: number; readonly frames: number } | null;
  /** The last command that the firmware has refused, and how. */
  readonly refused: string | null;
  /** SNP VMs that KVM has created. */
  readonly vms: number;
  /** The kernel that came after a kexec; null before. */
  readonly next: { readonly cpu: ActorId; readonly boot: 'under way' | 'done' | 'hung' } | null;
}

/** What the driver knows once a command has succeeded: it counts SNP up after SNP_DF_FLUSH. */
const KNOWN_AFTER: Readonly<Partial<Record<PlatformCommand, { readonly initialized: boolean }>>> = {
  SNP_DF_FLUSH: { initialized: true },
  SNP_SHUTDOWN_EX: { initialized: false },
};

/** From this version on, pages of the IOMMU become Reclaim, and their count is right. */
const RECLAIMS_MINOR = 53;

/** What a change of the table says to its regions. */
const toRegions = (
  { regions, iommuPages, firm: { minor } }: PlatformContext,
  { table }: Changed,
  list: readonly number[] = [],
): readonly Outgoing[] => {
  const cleared = () => regions.map((pfn) => outgoing(regionOf(pfn), { type: 'rmp.clear', pfn }));
  if (table === 'clear') return cleared();
  if (table === 'init')
    return [...cleared(), ...list.map((pfn) => outgoing(regionOf(pfn), { type: 'rmp.firmware', pfn, change: HV_FIXED }))];
  if (table === 'release')
    return iommuPages.map((pfn) => outgoing(regionOf(pfn), { type: 'rmp.release', pfn, reclaim: minor >= RECLAIMS_MINOR }));
  return [];
};

type Command = Extract<PlatformEvent, { readonly type: 'platform.command' }>;
/** A command with all that it does: to the platform, to regions of the RMP, to the caller. */
export function executed(c: PlatformContext, { command, x86, list }: Command, run: typeof runCommand = runCommand) {
  const { status, ...changed } = run(c.platform, command, x86);
  const known = status === 'SUCCESS' ? KNOWN_AFTER[command] : { refused: `${command}: ${status}` };
  return {
    change: { platform: changed.platform, ...known },
    messages: toRegions(c, changed, list),
    answer: { type: 'platform.done', status },
  };
}

export const snpPlatformMachine = setup({
  types: {
    context: {} as PlatformContext,
    events: {} as Stamped<PlatformEvent>,
    emitted: {} as Outgoing,
    input: {} as PlatformInput,
  },
  actions: {
    writeSyscfg: assign(({ context: c, event }) => {
      if (event.type !== 'platform.syscfg') return {};
      return { platform: writeRegisters(c.platform, event.cpu, event.set === 'mfdm' ? { mfdm: true } : { snp: true }) };
    }),
    clearHsave: assign(({ context: c, event }) =>
      event.type === 'platform.hsave' ? { platform: writeRegisters(c.platform, event.cpu, { hsave: false }) } : {},
    ),
    writeBack: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'platform.wbinvd') return;
      const changed = writeBack(c.platform, event.cpu);
      enqueue.assign({ platform: changed.platform });
      for (const message of toRegions(c, changed)) enqueue.emit(message);
    }),
    zero: assign(({ context: c, event }) => (event.type === 'platform.zero' ? { platform: zeroTable(c.platform, event.cpu) } : {})),
    clearCapability: assign({ capable: false }),
    answerInfo: emit(({ context: c, event }) => {
      const cpu = event.type === 'platform?' ? event.cpu : '';
      const info: PlatformInfo = {
        ...c.firm,
        enabled: c.platform.cpus[cpu]?.snp === true,
        capable: c.capable,
        initialized: c.initialized,
        enforced: c.platform.enforced,
      };
      return outgoing(sender(event), { type: 'platform.info', info });
    }),
    carryOut: enqueueActions(({ context: c, event, enqueue }) => {
      if (event.type !== 'platform.command') return;
      const { change, messages, answer } = executed(c, event);
      enqueue.assign(change);
      for (const message of [...messages, outgoing(sender(event), answer)]) enqueue.emit(message);
    }),
    keepTmr: assign(({ event }) => (event.type === 'platform.tmr' ? { tmr: { pfn: event.pfn, frames: event.frames } } : {})),
    countVm: assign({ vms: ({ context: c }) => c.vms + 1 }),
    /** Another kernel begins: registers, table and firmware are as the old one has left them. */
    forget: assign(({ event }) => {
      if (event.type !== 'platform.kexec') return {};
      return { capable: true, initialized: false, tmr: null, vms: 0, next: { cpu: event.cpu, boot: 'under way' as const } };
    }),
    endBoot: assign(({ context: c, event }) => {
      if (event.type !== 'platform.booted' || c.next === null) return {};
      return { next: { ...c.next, boot: event.hung ? ('hung' as const) : ('done' as const) } };
    }),
  },
}).createMachine({
  id: 'snpPlatform',
  context: ({ input }) => ({
    capable: true,
    ...input,
    initialized: input.platform.firmware === 'INIT',
    tmr: null,
    refused: null,
    vms: 0,
    next: null,
  }),
  initial: 'up',
  states: {
    up: {
      tags: 'rest',
      on: {
        'platform.syscfg': { actions: 'writeSyscfg' },
        'platform.hsave': { actions: 'clearHsave' },
        'platform.wbinvd': { actions: 'writeBack' },
        'platform.zero': { actions: 'zero' },
        'platform.incapable': { actions: 'clearCapability' },
        'platform?': { actions: 'answerInfo' },
        'platform.command': { actions: 'carryOut' },
        'platform.tmr': { actions: 'keepTmr' },
        'platform.vmCreated': { actions: 'countVm' },
        'platform.kexec': { actions: 'forget' },
        'platform.booted': { actions: 'endBoot' },
      },
    },
  },
});
