/** What the PSP does about a command of the SNP firmware once it has seen all entries it needs. */
import { type Outgoing, outgoing } from '../../events/event.ts';
import type { PlatformCommand } from '../../events/sev-snp/platform.ts';
import type { PspCommand, PspStatus } from '../../events/sev-snp/psp.ts';
import { type RmpEntry, regionOf } from '../../events/sev-snp/rmp.ts';
import {
  type PlatformState,
  SNP_COMMAND_IDS,
  type SnpArguments,
  type SnpCommand,
  type SnpFirmware,
  type SnpOutput,
} from '../../events/sev-snp/snp-command.ts';
import { pagesOf, runSnpCommand, SNP_RULES } from './snp-commands.ts';

/** A command in flight, and what the PSP knows of guests where it knows anything. */
export interface SnpInFlight {
  readonly platform: PlatformState;
  readonly command: PspCommand | null;
  readonly snp?: SnpFirmware;
  readonly cpus?: number;
  readonly args?: SnpArguments | undefined;
  /** RMP entries that the PSP has seen for this command, by PFN. */
  readonly seen?: Readonly<Record<number, RmpEntry>> | undefined;
  /** What the last command has written. */
  readonly output?: SnpOutput | undefined;
}

/** Commands that look at the RMP entry of the page they are given. */
export const needsPage = (command: PspCommand | null) => command === 'SNP_PAGE_RECLAIM' || command === 'SNP_PLATFORM_STATUS';
/** Commands that are about the platform as a whole, where someone else keeps its state. */
export const KEPT: readonly (PspCommand | null)[] = ['SNP_INIT_EX', 'SNP_DF_FLUSH', 'SNP_SHUTDOWN_EX'] satisfies PlatformCommand[];

/** What is known of a command that some never have: absent until the first that has it. */
export const sometimesKnown = <K extends string, V>(key: K, before: V | undefined, now: V | undefined) =>
  (now ?? before) === undefined ? {} : ({ [key]: now } as { readonly [key in K]: V | undefined });

export const isSnp = (command: PspCommand | null): command is SnpCommand => command !== null && Object.hasOwn(SNP_COMMAND_IDS, command);

/** Whether the platform's state allows the command; older commands need SNP_INIT here. */
export const isAllowed = ({ command, platform }: SnpInFlight): boolean =>
  isSnp(command) ? SNP_RULES[command].platform.includes(platform) : platform === 'INIT';

/** A page of the command whose entry has not been seen; `now` is seen in this moment. */
export const unseen = ({ command, args = {}, platform, seen = {} }: SnpInFlight, now?: number): number | undefined =>
  pagesOf(command as SnpCommand, args, platform).find((pfn) => pfn !== now && seen[pfn] === undefined);

export interface Executed {
  readonly sends: readonly Outgoing[];
  readonly change: Partial<SnpInFlight> & { readonly status: PspStatus };
}

export function executed({ command, platform, snp, cpus = 1, args = {}, seen = {} }: SnpInFlight, rules = SNP_RULES): Executed {
  const all = Array.from({ length: cpus }, (_, cpu) => cpu);
  const result = runSnpCommand(command as SnpCommand, { platform, firmware: snp!, args, entries: seen }, all, rules);
  return {
    sends: Object.entries(result.entries ?? {}).map(([pfn, change]) =>
      outgoing(regionOf(Number(pfn)), { type: 'rmp.firmware', pfn: Number(pfn), change }),
    ),
    change: {
      status: result.status,
      platform: result.platform ?? platform,
      snp: { ...snp!, ...result.firmware },
      output: result.output,
      seen: undefined,
      args: undefined,
    },
  };
}
