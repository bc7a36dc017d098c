/**
 * SNP-55, SNP-60, R19: what the firmware tells of the platform, the life of a guest context's page,
 * and of its ASID.
 * @see domain snp f.3; h
 */
import assert from 'node:assert/strict';
import type { HostThread } from '../../../actors/host/host-env.ts';
import type { AsidsContext } from '../../../actors/sev-snp/asid-bitmaps.ts';
import type { PspContext } from '../../../actors/sev-snp/psp.ts';
import { pageStateOf } from '../../../actors/sev-snp/rmp-table.ts';
import { SEV_DEVICE, type SevDeviceContext } from '../../../actors/sev-snp/sev-device.ts';
import { type RmpEntry, regionOf } from '../../../events/sev-snp/rmp.ts';
import type { SnpCommand } from '../../../events/sev-snp/snp-command.ts';
import type { HostStep } from '../../../sim/scenario/program.ts';
import { type Played, shipped } from '../../sim/play.ts';
import { choose, to, until } from '../../sim/steer.ts';
import { type Claim, keeps } from '../claim.ts';
import type { Checked } from '../claim-cases.ts';
import * as w from '../world.ts';
import { CONTEXT, launching } from './snp-launches.ts';
import * as s from './snp-worlds.ts';

/** States of a page, in order, as its region has them. */
function statesOf(played: Played, pfn: number): string[] {
  const states = played.records.flatMap(({ kind, actor, payload }) => {
    if (kind !== 'change' || actor !== regionOf(pfn)) return [];
    const entry = (payload.context as unknown as { readonly entries: Readonly<Record<number, RmpEntry>> }).entries[pfn]!;
    return [pageStateOf(entry)];
  });
  return states.filter((state, i) => state !== states[i - 1]);
}
const CYCLE = 'psp-asid-recycle';
const TAKES = 'thread:qemu0/0';
/** What sev_asid_new() has returned. */
const asidNew = (played: Played) => played.context<HostThread>(TAKES).asidNew;
/** KVM has written back the caches for VM 0 when the firmware takes the other guest's end. */
const between = (variant: string, mutant: s.Mutant) => s.runsOf(s.unchecked(shipped(CYCLE, variant)), 40, mutant);

const ENDS = 'thread:qemu1/0';
/** The thread runs until the firmware has carried out each of these for it. */
const served = (thread: string, ...commands: readonly SnpCommand[]) =>
  commands.flatMap((command) => [
    until(thread, `the firmware has ${command}`, (scene) => scene.context<PspContext>('psp').command === command),
    choose('exec(psp)'),
    until(TAKES, 'its CPU has handled the interrupt', (scene) => scene.context<SevDeviceContext>(SEV_DEVICE).rcvd),
  ]);
/** The other guest ends when the flush is over, and the flushed ASIDs are not free yet. */
const overtaken = (mutant: s.Mutant) =>
  s.told(
    s.unchecked(shipped(CYCLE, 'rwsem')),
    mutant,
    ...served(TAKES, 'SNP_DECOMMISSION', 'SNP_PAGE_RECLAIM', 'SNP_DF_FLUSH'),
    to(TAKES, 'sev_asid_new.bitmap_xor'),
    ...served(ENDS, 'SNP_DECOMMISSION', 'SNP_PAGE_RECLAIM'),
    until(ENDS, 'it waits, or has given its ASID up', (scene) =>
      /sev_asid_free\.mutex_lock_schedule$|sev_vm_destroy\.sysret$/.test(scene.at(ENDS)),
    ),
  );

const holds = { source: 'domain snp g', verdict: 'holds' } as const;
const TCB = '0xdb18000000000004';
const OLDER = '0x7300000000000003';
const NEWER = '0xdb18000000000005';

const configOf = (reportedTcb: string): HostStep => ({ 'sev-command': { command: 'SNP_CONFIG', reportedTcb, maskChipKey: true } });
const tool = (...program: readonly HostStep[]) =>
  w.world(
    {},
    { sevctl: [program] },
    {},
    { firmware: { state: 'INIT', pages: [{ pfn: s.BUFFER, state: 'hypervisor' }], guests: [{ pfn: 0x1900, state: 'RUNNING', asid: 1 }] } },
  );
const GUEST = { state: 'INIT', guests: [{ pfn: 0x1900, state: 'RUNNING', asid: 1 }] } as const;
const toldBy = (played: Played) => played.context<HostThread>(s.SEVCTL).firmwareTold;

export const SNP_CONTEXT_CLAIMS: readonly Claim[] = [
  {
    ...holds,
    id: 'SNP-55',
    says: 'the platform status has version, state, guests and TCB; SNP_CONFIG sets the reported TCB, at most that of the chip, and what is masked',
    shows: [],
    why: 'a status is a structure of values, and no property judges it',
    not: 'the ioctls SNP_SET_EXT_CONFIG and SNP_GET_EXT_CONFIG of the series: mainline has none',
    mutants: ['psp-config-ignored', 'psp-config-unchecked'],
    check: (mutant) => {
      const status = { major: 1, minor: 55, build: 29, state: 1, rmpInitialized: true, guestCount: 1, tcb: TCB };
      const fresh = toldBy(s.inOrder(tool(s.statusOf(s.BUFFER)), mutant));
      const unset = { reportedTcb: TCB, maskChipId: false, maskChipKey: false };
      assert.deepEqual(fresh, { command: 'SNP_PLATFORM_STATUS', status: 'SUCCESS', output: { ...status, ...unset } });

      const older = toldBy(s.inOrder(tool(configOf(OLDER), s.statusOf(s.BUFFER)), mutant));
      assert.deepEqual(older!.output, { ...status, reportedTcb: OLDER, maskChipId: false, maskChipKey: true });

      const newer = toldBy(s.inOrder(tool(configOf(NEWER)), mutant));
      assert.deepEqual(newer, { command: 'SNP_CONFIG', status: 'INVALID_PARAM', output: null });
      const kept = toldBy(s.inOrder(tool(configOf(NEWER), s.statusOf(s.BUFFER)), mutant));
      assert.deepEqual(kept!.output, { ...status, ...unset });
    },
  },
  {
    ...holds,
    id: 'SNP-60',
    says: 'the page of a guest context goes from Hypervisor through Firmware to Context, and back through Firmware and Reclaim',
    shows: [
      keeps('psp-guest-context', 'default', 'psp.context-page-is-a-guest', 'psp-create-keeps-page', 'psp-decommission-keeps-page'),
      keeps('psp-guest-context', 'default', 'psp.asid-of-one-guest', 'psp-activate-owned'),
    ],
    mutants: ['psp-create-keeps-page', 'psp-decommission-keeps-page', 'psp-activate-owned', 'snp-context-not-reclaimed'],
    check: (mutant) => {
      // The firmware refuses the policy, so the context ends right after it began.
      const refused = s.inOrder(s.unchecked(launching([], { policy: 0x3_0200 })), mutant);
      assert.deepEqual(statesOf(refused, CONTEXT), ['Hypervisor', 'Firmware', 'Context', 'Firmware', 'Reclaim', 'Hypervisor']);
      const ended = s.inOrder(s.unchecked(shipped(CYCLE, 'rwsem')), mutant);
      assert.deepEqual(statesOf(ended, 0x1900).slice(-3), ['Firmware', 'Reclaim', 'Hypervisor']);
      const tool = s.inOrder(s.unchecked(shipped('psp-guest-context')), mutant);
      assert.ok(tool.delivered('psp.output').some(({ payload }) => payload.status === 'ASID_OWNED'));
    },
  },
];

export const SNP_CONTEXT_RACES: readonly Checked[] = [
  {
    id: 'R19',
    says: 'a guest that ends between WBINVD and SNP_DF_FLUSH makes the flush fail, and no ASID is to be had; the semaphore cures it',
    mutants: [
      'snp-decommission-unlocked',
      'snp-recycle-no-wbinvd',
      'snp-flush-ignored',
      'snp-asid-free-unlocked',
      'psp-flush-without-wbinvd',
      'psp-activate-unflushed',
      'psp-shutdown-with-guests',
      'psp-decommission-keeps-asid',
    ],
    check: (mutant) => {
      for (const run of between('rwsem', mutant)) assert.equal(run.end.verdict === 'clean' && asidNew(run), 1);
      const failed = between('no-lock', mutant).filter((run) => asidNew(run) === 'EBUSY');
      assert.ok(failed.length > 0, 'some flush fails');

      // An ASID that is given up behind the flush waits for the next one.
      const { used, reclaim } = overtaken(mutant).context<AsidsContext>('asids');
      assert.deepEqual({ used, reclaim }, { used: [1, 2], reclaim: [2] });

      const again = s.inOrder(s.unchecked(shipped('psp-guest-context')), mutant);
      const statuses = again
        .delivered('psp.output')
        .filter(({ actor }) => actor === s.SEVCTL)
        .map(({ payload }) => String(payload.status));
      assert.ok(statuses.includes('WBINVD_REQUIRED') && statuses.includes('DFFLUSH_REQUIRED'));
      const shut = s.inOrder(
        w.world({}, { sevctl: [[{ 'sev-command': { command: 'SNP_SHUTDOWN_EX' } }]] }, {}, { firmware: GUEST }),
        mutant,
      );
      assert.equal(toldBy(shut)!.status, 'DFFLUSH_REQUIRED');
    },
  },
];
