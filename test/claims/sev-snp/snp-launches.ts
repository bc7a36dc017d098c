/**
 * SNP-44, SNP-45: what a launch in the run gives to the firmware, and what it takes back.
 * @see domain snp f.3, f.6; g
 */
import assert from 'node:assert/strict';
import type { HostThread } from '../../../actors/host/host-env.ts';
import type { PspContext } from '../../../actors/sev-snp/psp.ts';
import { pageStateOf } from '../../../actors/sev-snp/rmp-table.ts';
import type { LaunchSetup } from '../../../sim/mechanisms/sev-snp/launch-sections.ts';
import type { GuestStep, HostStep } from '../../../sim/scenario/program.ts';
import type { ResolvedScenario } from '../../../sim/scenario/types.ts';
import type { Played } from '../../sim/play.ts';
import { choose, to, until } from '../../sim/steer.ts';
import { type Claim, keeps } from '../claim.ts';
import * as w from '../world.ts';
import * as s from './snp-worlds.ts';

const holds = { source: 'domain snp g', verdict: 'holds' } as const;
export const CONTEXT = 0x1900;
const VMSA = 0x1908;
const VMM = 'thread:qemu0/0';

export const PAGES: LaunchSetup['pages'] = [
  { type: 'normal', gfn: 0x10, pfn: 0x1015, fill: 7 },
  { type: 'zero', gfn: 0x11, pfn: 0x1014 },
  { type: 'secrets', gfn: 0x12, pfn: 0x1013 },
];
const START: readonly HostStep[] = [
  { KVM_CREATE_VM: { vm: 'vm0' } },
  { KVM_SEV_INIT2: { vm: 'vm0' } },
  { KVM_CREATE_VCPU: { vcpu: 'vm0/0' } },
  { KVM_SEV_SNP_LAUNCH_START: { vm: 'vm0' } },
];
export const update = (gfn: number, pages = 1): HostStep => ({ KVM_SEV_SNP_LAUNCH_UPDATE: { vm: 'vm0', gfn, pages } });
const FINISH: HostStep = { KVM_SEV_SNP_LAUNCH_FINISH: { vm: 'vm0' } };

/** A VMM that launches a guest with these pages, and runs it. */
export const launching = (
  program: readonly HostStep[],
  launch: Partial<LaunchSetup> = {},
  guest: GuestStep = w.read(true, 0x10),
): ResolvedScenario =>
  w.world(
    {
      vm0: {
        type: 'snp',
        options: { launched: false, launch: { context: CONTEXT, vmsas: [VMSA], pages: PAGES, ...launch } },
        vcpus: [[guest]],
      },
    },
    { qemu0: [[...START, ...program, FINISH, w.run()]] },
  );

const stateOf = (played: Played, pfn: number) => pageStateOf(w.entryOf(played, pfn));
const updatesOf = (played: Played): number =>
  played.delivered('psp.command').filter(({ payload }) => payload.command === 'SNP_LAUNCH_UPDATE').length;
const guestIn = (played: Played) => played.context<PspContext>('psp').snp!.guests[CONTEXT];
export const toldBy = (played: Played) => played.context<HostThread>(VMM).firmwareTold;

const has = (command: string) => until(VMM, `the firmware has ${command}`, (scene) => scene.context<PspContext>('psp').command === command);

export const SNP_LAUNCH_CLAIMS: readonly Claim[] = [
  {
    ...holds,
    id: 'SNP-44',
    says: 'LAUNCH_UPDATE over pages of which one is assigned fails before the firmware sees that page, and takes the pages before it back',
    shows: [keeps('snp-launch', 'default', 'sev.launch-gives-back', 'snp-launch-no-reclaim')],
    why: 'a page that is assigned already is in no shipped scenario',
    mutants: ['snp-launch-no-reclaim', 'snp-launch-any-page', 'snp-launch-keeps-batch'],
    check: (mutant) => {
      // The second page is the guest's already when the range comes.
      const played = s.inOrder(s.unchecked(launching([update(0x11), update(0x10, 3)], {}, { insn: {} })), mutant);
      assert.equal(updatesOf(played), 3, 'the second page, the first of the range, and the VMSA');
      const states = [0x1015, 0x1014, 0x1013].map((pfn) => stateOf(played, pfn));
      assert.deepEqual(states, ['Hypervisor', 'Guest-Valid', 'Hypervisor']);

      // The firmware fails with the page in its hands.
      const failed = s.told(
        s.unchecked({ ...launching([update(0x10)], {}, { insn: {} }), allow: ['psp-error'] }),
        mutant,
        ...['SNP_GCTX_CREATE', 'SNP_LAUNCH_START', 'SNP_ACTIVATE'].flatMap((command) => [has(command), choose('exec(psp)')]),
        has('SNP_LAUNCH_UPDATE'),
        choose('psp-error(psp)'),
        has('SNP_PAGE_RECLAIM'),
        choose('exec(psp)'),
        to(VMM, 'mutex_unlock_kvm'),
      );
      assert.equal(stateOf(failed, 0x1015), 'Hypervisor');
    },
  },
  {
    ...holds,
    id: 'SNP-45',
    says: 'a page of LAUNCH_UPDATE is measured and assigned at the GFN that the caller names, wherever its frame is, and the guest finds it there',
    shows: [],
    why: 'the GFN of a page shows in its RMP entry and in the digest, which no property knows',
    mutants: ['snp-launch-gfn-of-frame', 'psp-finish-unmeasured'],
    check: (mutant) => {
      const played = s.inOrder(launching([update(0x10, 2), update(0x12)]), mutant);
      const { gfn, asid, validated } = w.entryOf(played, 0x1015);
      assert.deepEqual([gfn, asid, validated], [0x10, 1, true]);
      assert.equal(guestIn(played)!.state, 'RUNNING');
      assert.deepEqual(w.accesses(played), ['ok']);
      const other = s.inOrder(launching([update(0x10, 2), update(0x12)], { idBlock: { digest: '0'.repeat(96) } }), mutant);
      assert.deepEqual(toldBy(other)!.status, 'BAD_MEASUREMENT');
    },
  },
];
