/** Changes of one line of the firmware's commands, and of the host code that uses them. */
import { enqueueActions } from 'xstate';
import { type PathPatch, replaceStep, withoutSteps } from '../../../actors/path/patch.ts';
import type { PspContext } from '../../../actors/sev-snp/psp.ts';
import { executed } from '../../../actors/sev-snp/psp-execute.ts';
import { SNP_RULES, type SnpRule } from '../../../actors/sev-snp/snp-commands.ts';
import type { SnpCommand } from '../../../events/sev-snp/snp-command.ts';
import type { Mutant } from '../../host/mechanism.ts';
import { provided } from './provided.ts';

/** Other items in the place of a step or a call. */
const replaceWith =
  (name: string, replacement: (item: object) => readonly object[]): PathPatch =>
  (path) =>
    replaceStep(path, name, (item) => replacement(item) as unknown as (typeof item)[]);

/** One command has another rule. */
const rule = (summary: string, command: SnpCommand, change: (was: SnpRule) => Partial<SnpRule>): Mutant => {
  const rules = { ...SNP_RULES, [command]: { ...SNP_RULES[command], ...change(SNP_RULES[command]) } };
  return provided('psp', summary, {
    actions: {
      perform: enqueueActions(
        ({ context, enqueue }: { readonly context: PspContext; readonly enqueue: { emit(m: object): void; assign(c: object): void } }) => {
          const { sends, change: after } = executed(context, rules);
          for (const message of sends) enqueue.emit(message);
          enqueue.assign(after);
        },
      ),
    },
  });
};
const withoutCheck = (summary: string, command: SnpCommand, name: string): Mutant =>
  rule(summary, command, ({ checks }) => ({ checks: checks.filter((check) => check.name !== name) }));

export const firmwareMutants: Readonly<Record<string, Mutant>> = {
  'psp-activate-unflushed': withoutCheck(
    'SNP_ACTIVATE takes an ASID that no SNP_DF_FLUSH has freed.',
    'SNP_ACTIVATE',
    'no SNP_DF_FLUSH since a guest gave the ASID up',
  ),
  'psp-activate-owned': withoutCheck('SNP_ACTIVATE takes an ASID of another guest.', 'SNP_ACTIVATE', 'another guest has the ASID'),
  'psp-shutdown-with-guests': withoutCheck(
    'SNP_SHUTDOWN_EX does not look at ASIDs.',
    'SNP_SHUTDOWN_EX',
    'an ASID is active, or has been and is not flushed',
  ),
  'psp-flush-without-wbinvd': withoutCheck(
    'SNP_DF_FLUSH does not ask for WBINVD.',
    'SNP_DF_FLUSH',
    'a CPU has not executed WBINVD since the last deactivation',
  ),
  'psp-decommission-keeps-page': rule('SNP_DECOMMISSION leaves the context page as it is.', 'SNP_DECOMMISSION', ({ effect }) => ({
    effect: (world, cpus) => ({ ...effect!(world, cpus), entries: {} }),
  })),
  'psp-decommission-keeps-asid': rule('SNP_DECOMMISSION leaves the ASID free at once.', 'SNP_DECOMMISSION', ({ effect }) => ({
    effect: (world, cpus) => {
      const { firmware, ...rest } = effect!(world, cpus);
      return { ...rest, firmware: { guests: firmware!.guests! } };
    },
  })),
  'psp-finish-unmeasured': withoutCheck(
    'SNP_LAUNCH_FINISH does not compare the launch digest.',
    'SNP_LAUNCH_FINISH',
    'the ID block names another launch digest',
  ),
  'snp-flush-ignored': {
    summary: 'sev_asid_new() recycles ASIDs whatever SNP_DF_FLUSH has said.',
    paths: { sev_asid_new: [replaceWith('sev_flush_asids', (call) => [call, { kind: 'note', local: () => ({ failed: undefined }) }])] },
  },
  'snp-recycle-no-wbinvd': {
    summary: 'sev_flush_asids() flushes without WBINVD.',
    paths: { sev_flush_asids: [withoutSteps('wbinvd_on_all_cpus')] },
  },
  'snp-decommission-unlocked': {
    summary: 'SNP_DECOMMISSION does not take sev_deactivate_lock.',
    paths: {
      sev_vm_destroy: [
        replaceWith('down_write', (item) => [{ ...item, send: undefined, answers: undefined, local: () => ({ granted: true }) }]),
        withoutSteps('up_write'),
      ],
    },
  },
  'snp-asid-free-unlocked': {
    summary: 'sev_asid_free() does not take sev_bitmap_lock.',
    paths: {
      sev_asid_free: [
        replaceWith('mutex_lock', (item) => [{ ...item, send: undefined, answers: undefined, local: () => ({ granted: true }) }]),
        withoutSteps('mutex_unlock'),
      ],
    },
  },
  'psp-config-ignored': rule('SNP_CONFIG changes nothing.', 'SNP_CONFIG', () => ({ effect: () => ({}) })),
  'psp-config-unchecked': withoutCheck('SNP_CONFIG takes any TCB.', 'SNP_CONFIG', 'a part of the reported TCB is above that of the chip'),
  'psp-create-keeps-page': rule('SNP_GCTX_CREATE leaves the page Firmware.', 'SNP_GCTX_CREATE', ({ effect }) => ({
    effect: (world, cpus) => ({ ...effect!(world, cpus), entries: {} }),
  })),
};
