/**
 * What the ioctls of a launch with pages share: whether a VM is launched so, its commands to the
 * firmware, changes of RMP entries, and how a page is taken back.
 *
 * @see kernel arch/x86/kvm/svm/sev.c (6.12), sev_issue_cmd(), snp_page_reclaim(),
 * snp_decommission_context()
 */
import { outgoing } from '../../events/event.ts';
import type { RmpUpdate } from '../../events/sev-snp/rmp.ts';
import type { SnpArguments, SnpCommand } from '../../events/sev-snp/snp-command.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { vmOf } from '../kvm/kvm-env.ts';
import { SHARED } from '../sev-snp/page-fault.ts';
import { rmpupdatePath } from '../sev-snp/rmpupdate.ts';
import { issueCommand, lockSevCmd, readResult, SEV_CMD_MUTEX, toldOf } from '../sev-snp/sev-command.ts';
import { errnoOfCommand, ifAnswered } from '../sev-snp/sev-dead.ts';
import { SEV_DEVICE } from '../sev-snp/sev-device.ts';
import type { SnpLaunchFacts } from '../sev-snp/snp-env.ts';
import { SEV } from './launch-env.ts';

const { path, step, call, when, note } = host;
export type Of<V> = (t: HostThread, l: HostLocals) => V;

const launchOf = (env: HostEnv, t: HostThread): SnpLaunchFacts | undefined => env.vms[vmOf(env, t)]?.snpLaunch;
export const factsOf = (env: HostEnv, t: HostThread): SnpLaunchFacts => {
  const facts = launchOf(env, t);
  if (facts === undefined) throw new Error(`${vmOf(env, t)} has no pages to be launched`);
  return facts;
};
/** Whether any VM is launched with its pages, so that there is something to decide. */
export const launchesPages = (env: HostEnv): boolean => Object.values(env.vms).some(({ snpLaunch }) => snpLaunch !== undefined);
/** Every SNP VM that is launched in the run is launched with its pages. */
const isAlways = (env: HostEnv): boolean =>
  launchesPages(env) && Object.values(env.vms).every(({ launchedAs, snpLaunch }) => launchedAs !== 'snp' || snpLaunch !== undefined);
/** These items for a VM that is launched with its pages, and those for others. */
export const ofPages = (env: HostEnv, whole: readonly HostItem[], others: readonly HostItem[]): readonly HostItem[] =>
  isAlways(env) ? whole : launchesPages(env) ? [when([(t) => launchOf(env, t) !== undefined, whole], [() => true, others])] : others;

/**
 * One command about this guest, one at a time; -EIO if the firmware refuses. What it said goes back
 * to user space.
 */
export const issueSnp = (env: HostEnv, name: string, command: SnpCommand, args: Of<SnpArguments>): readonly HostItem[] => [
  call(
    path(
      name,
      SEV('sev_issue_cmd(), __sev_issue_cmd()'),
      [
        ...lockSevCmd(),
        note(() => ({ granted: undefined })),
        call(
          issueCommand(env, '__sev_do_cmd_locked', (t, l) => ({
            command,
            pfn: 0,
            args: {
              ...(command !== 'SNP_PAGE_RECLAIM' && command !== 'SNP_GCTX_CREATE' && { context: factsOf(env, t).context }),
              ...args(t, l),
            },
          })),
        ),
        ...ifAnswered(env, [readResult]),
        step('mutex_unlock', { send: () => outgoing(SEV_CMD_MUTEX, { type: 'mutex.unlock' }), set: (_t, l) => toldOf(command, l) }),
      ],
      { locals: ['granted', 'firmwareStatus', 'firmwareOutput'] },
    ),
  ),
];
/** A command that failed is the error of the ioctl, unless there is one already. */
export const asErrno = note((t, l) =>
  l.failed === true ? { failed: undefined, launchErrno: l.launchErrno ?? errnoOfCommand(t) } : { failed: undefined },
);

export const FIRMWARE: RmpUpdate = { ...SHARED, assigned: true, immutable: true };
export const setRmp = (env: HostEnv, pfn: Of<number>, update: Of<RmpUpdate>): HostItem =>
  call(rmpupdatePath(env.options), (t, l) => ({ pfn: pfn(t, l), update: update(t, l) }));
export const rmpFailed = when([(_t, l) => l.result !== 'SUCCESS', [note((_t, l) => ({ launchErrno: l.launchErrno ?? 'EIO' }))]]);

/** A page that cannot be taken back is leaked; a page of the guest is the VM's end as well. */
export const lose = (env: HostEnv, pfn: Of<number>, bugs: boolean): readonly HostItem[] => [
  ...(bugs ? [step('KVM_BUG', { send: (t) => outgoing(env.vms[vmOf(env, t)]!.id, { type: 'vm.kill', cause: 'bugged' }) })] : []),
  step('snp_leak_pages', { send: (t, l) => outgoing(SEV_DEVICE, { type: 'sev.leak', pfn: pfn(t, l) }) }),
];

/** Firmware or Pre-Guest -> Reclaim by the firmware, Reclaim -> Hypervisor by RMPUPDATE. */
export const reclaim = (env: HostEnv, name: string, pfn: Of<number>, bugs: boolean): HostItem =>
  call(
    path(name, bugs ? SEV('snp_page_reclaim()') : kernelSource('drivers/crypto/ccp/sev-dev.c, snp_reclaim_pages()'), [
      ...issueSnp(env, 'sev_do_cmd', 'SNP_PAGE_RECLAIM', (t, l) => ({ page: pfn(t, l) })),
      when([
        (_t, l) => l.failed !== true,
        [setRmp(env, pfn, () => SHARED), when([(_t, l) => l.result !== 'SUCCESS', [note(() => ({ failed: true }))]])],
      ]),
      when([(_t, l) => l.failed === true, lose(env, pfn, bugs)]),
      note(() => ({ failed: undefined })),
    ]),
  );

export const contextOf =
  (env: HostEnv): Of<number> =>
  (t) =>
    factsOf(env, t).context;

/** Context -> Firmware by the firmware, which unbinds the ASID; then the page is given back. */
export const decommission = (env: HostEnv): HostItem =>
  call(
    path('snp_decommission_context', SEV('snp_decommission_context()'), [
      ...issueSnp(env, 'sev_do_cmd', 'SNP_DECOMMISSION', () => ({})),
      when(
        [(_t, l) => l.failed === true, [step('WARN_decommission'), note(() => ({ failed: undefined }))]],
        [() => true, [reclaim(env, 'snp_free_firmware_page', contextOf(env), false)]],
      ),
    ]),
  );
