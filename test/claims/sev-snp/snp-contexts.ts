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
import { type RmpEntry, regionOf } from '../../../events/sev-snp/rmp.ts';
import type { HostStep } from '../../../sim/scenario/program.ts';
import { type Played, shipped } from '../../sim/play.ts';
import { choose, type Line, to, until } from '../../sim/steer.ts';
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
const asidsGiven = (played: Played) => played.context<AsidsContext>('asids').given;
const between = (mutant: s.Mutant) => s.runsOf(s.unchecked(shipped('psp-asid-recycle', 'rwsem')), 40, mutant);

const [VM0, VM1] = ['thread:qemu0/0', 'thread:qemu1/0'] as const;
/** Two VMs end, and each wants an ASID again. */
function recycling(deactivateLock: 'rwsem' | 'none', mutant: s.Mutant, ...lines: readonly Line[]): Played {
  const guests = [1, 2].map((asid) => ({ pfn: 0x18ff + asid, state: 'RUNNING' as const, asid }));
  const [vm0, vm1] = guests.map(({ pfn, asid }): HostStep[] => [{ 'destroy-guest': { context: pfn, asid } }, { 'asid-new': {} }]);
  const firmware = { state: 'INIT' as const, asids: 2, guests };
  const scenario = w.world({}, { qemu0: [vm0!], qemu1: [vm1!] }, { 'kvm.deactivateLock': deactivateLock }, { firmware });
  return s.told(s.unchecked(scenario), mutant, ...lines);
}
/** The thread has the firmware do these. */
const served = (thread: string, ...commands: readonly string[]): Line[] =>
  commands.flatMap((command) => [
    until(thread, `the firmware has ${command}`, (scene) => scene.context<PspContext>('psp').command === command),
    choose('exec(psp)'),
    until(VM0, 'its CPU has taken the interrupt', (scene) => !scene.context<PspContext>('psp').interrupted),
  ]);

/** VM 0 has written back the caches when the firmware takes the end of VM 1. */
const endsBeforeFlush = (mutant: s.Mutant): Played =>
  recycling(
    'none',
    mutant,
    ...served(VM0, 'SNP_DECOMMISSION', 'SNP_PAGE_RECLAIM'),
    until(VM0, 'WBINVD is done', (scene) => scene.at(VM0).includes('snp_df_flush')),
    ...served(VM1, 'SNP_DECOMMISSION'),
  );
/**
 * VM 0 has flushed, and has not yet recycled what it flushed: what VM 1 frees meanwhile is no part
 * of that.
 */
const freesBehindFlush = (mutant: s.Mutant): Played =>
  recycling(
    'rwsem',
    mutant,
    ...served(VM0, 'SNP_DECOMMISSION', 'SNP_PAGE_RECLAIM', 'SNP_DF_FLUSH'),
    to(VM0, 'bitmap_xor'),
    ...served(VM1, 'SNP_DECOMMISSION', 'SNP_PAGE_RECLAIM'),
    until(VM1, 'its ASID is free, or waits to be', (scene) => /sev_asid_free\.mutex_lock_schedule$|sev_asid_new/.test(scene.at(VM1))),
  );
/** Of ASIDs that KVM has freed and no SNP_DF_FLUSH has, those that it takes for free. */
const unflushedGiven = (played: Played) => {
  const { given } = played.context<AsidsContext>('asids');
  return (played.context<PspContext>('psp').snp?.unflushed ?? []).filter((asid) => asid === given);
};

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
    mutants: ['psp-create-keeps-page', 'psp-decommission-keeps-page', 'psp-activate-owned'],
    check: (mutant) => {
      // The firmware refuses the policy, so the context ends right after it began.
      const refused = s.inOrder(s.unchecked(launching([], { policy: 0x3_0200 })), mutant);
      assert.deepEqual(statesOf(refused, CONTEXT), ['Hypervisor', 'Firmware', 'Context', 'Firmware', 'Reclaim', 'Hypervisor']);
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
      'psp-flush-without-wbinvd',
      'psp-activate-unflushed',
      'psp-shutdown-with-guests',
      'psp-decommission-keeps-asid',
      'snp-asid-free-unlocked',
    ],
    check: (mutant) => {
      assert.deepEqual(unflushedGiven(freesBehindFlush(mutant)), []);
      for (const run of between(mutant)) assert.equal(run.end.verdict === 'clean' && asidsGiven(run), 1);
      assert.equal(endsBeforeFlush(mutant).context<HostThread>(VM0).asidNew, 'EBUSY');

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
