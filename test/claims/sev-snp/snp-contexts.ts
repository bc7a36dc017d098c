/**
 * SNP-55: what the firmware tells of the platform, and what SNP_CONFIG sets.
 * @see domain snp f.3
 */
import assert from 'node:assert/strict';
import type { HostThread } from '../../../actors/host/host-env.ts';
import type { HostStep } from '../../../sim/scenario/program.ts';
import type { Played } from '../../sim/play.ts';
import type { Claim } from '../claim.ts';
import * as w from '../world.ts';
import * as s from './snp-worlds.ts';

const holds = { source: 'domain snp g', verdict: 'holds' } as const;
const TCB = '0x7308000000000003';
const OLDER = '0x7300000000000003';
const NEWER = '0x7309000000000003';

const configOf = (reportedTcb: string): HostStep => ({ 'sev-command': { command: 'SNP_CONFIG', reportedTcb, maskChipKey: true } });
const tool = (...program: readonly HostStep[]) =>
  w.world(
    {},
    { sevctl: [program] },
    {},
    { firmware: { state: 'INIT', pages: [{ pfn: s.BUFFER, state: 'hypervisor' }], guests: [{ pfn: 0x1900, state: 'RUNNING', asid: 1 }] } },
  );
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
      const status = { major: 1, minor: 52, build: 4, state: 1, rmpInitialized: true, guestCount: 1, tcb: TCB };
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
];
