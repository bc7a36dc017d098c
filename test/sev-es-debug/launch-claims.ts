/**
 * VMSA-1 to VMSA-13 and DBG-13 to DBG-15: debugging against the encryption of registers, and where
 * SEV_FEATURES are written.
 * @see domain debug-and-split-lock F
 */
import assert from 'node:assert/strict';
import { breaks, type Claim, keeps } from '../claims/claim.ts';
import {
  before,
  behind,
  createVcpu,
  createVm,
  DESIGNS,
  debug,
  destination,
  fresh,
  init2,
  launch,
  launchStart,
  measure,
  move,
  set,
  updateVmsa,
} from './launch-world.ts';
import { REGISTER_CLAIMS } from './register-claims.ts';

const F = 'domain debug-and-split-lock F';
const holds = { source: F, verdict: 'holds' } as const;

const DEBUG = 'sev-debug-then-launch';
const NOT_DEBUGGED = 'sev.protected-not-debugged';
const SECOND = 'sev-second-update';
const MOVE = 'sev-move-features';
const DRIFT = 'sev-attestation-drift';
const AS_TOLD = 'sev.returns-as-told';
const AS_ASKED = 'sev.measures-what-was-asked';

const debuggers: readonly Claim[] = [
  {
    ...holds,
    id: 'VMSA-1',
    says: 'before the encryption KVM_SET_GUEST_DEBUG is refused by V1 and V3, and accepted by V2, V4 and V5',
    shows: [
      keeps(DEBUG, 'allow-debug-op', NOT_DEBUGGED, 'sev-debug-before-launch'),
      keeps(DEBUG, 'protected-from-start', NOT_DEBUGGED, 'sev-debug-before-launch'),
      breaks(DEBUG, 'check-protected', NOT_DEBUGGED, 'sev-debug-never'),
    ],
    mutants: ['sev-debug-before-launch', 'sev-debug-never'],
    check: (mutant) => {
      assert.deepEqual(
        DESIGNS.map((design) => before(design, mutant)),
        [false, true, false, true, true],
      );
    },
  },
  {
    ...holds,
    id: 'VMSA-2',
    says: 'with V2 alone a debugger that came before the launch survives it',
    shows: [breaks(DEBUG, 'check-protected', NOT_DEBUGGED, 'sev-launch-sees-debugger', 'sev-debug-never')],
    mutants: ['sev-launch-sees-debugger', 'sev-debug-never'],
    check: (mutant) => {
      const { asTold, vcpu, debugged } = launch([...fresh, debug(true), updateVmsa()], {
        options: { 'sev.guestDebug': 'check-protected' },
        mutant,
      });
      assert.deepEqual([asTold, vcpu.vmsaEncrypted, debugged()], [null, true, true]);
    },
  },
  {
    ...holds,
    id: 'VMSA-3',
    says: 'V4 launches and ends debugging; V5 fails with EINVAL and leaves the VMSA and the flag as they were',
    shows: [
      keeps(DEBUG, 'sanitize', NOT_DEBUGGED, 'sev-sanitize-nothing'),
      keeps(DEBUG, 'reject-launch', NOT_DEBUGGED, 'sev-launch-ignores-debugger'),
    ],
    mutants: ['sev-sanitize-nothing', 'sev-launch-ignores-debugger'],
    check: (mutant) => {
      const v4 = launch([...fresh, debug(true), updateVmsa()], { options: { 'sev.guestDebug': 'sanitize' }, mutant });
      assert.deepEqual([v4.asTold, v4.vcpu.vmsaEncrypted, v4.debugged()], [null, true, false]);
      const v5 = launch([...fresh, set('KVM_SET_REGS', 7), debug(true), updateVmsa('EINVAL')], { mutant });
      assert.deepEqual([v5.asTold, v5.vcpu.guestProtected, v5.vcpu.vmsa?.gprs, v5.debugged()], [null, false, 0, true]);
    },
  },
  {
    ...holds,
    id: 'VMSA-4',
    says: 'behind a failure of V5 the call succeeds once the debugger is gone',
    shows: [keeps(SECOND, 'linux-6.12', AS_TOLD, 'sev-launch-ignores-debugger', 'sev-launch-refuses-always')],
    mutants: ['sev-launch-ignores-debugger', 'sev-launch-refuses-always'],
    check: (mutant) => {
      const { asTold, vcpu } = launch([...fresh, debug(true), updateVmsa('EINVAL'), debug(false), updateVmsa()], { mutant });
      assert.deepEqual([asTold, vcpu.vmsaEncrypted], [null, true]);
    },
  },
  {
    ...holds,
    id: 'VMSA-5',
    says: 'behind the launch KVM_SET_GUEST_DEBUG is refused by V2 to V5',
    shows: [
      keeps(DEBUG, 'reject-launch', NOT_DEBUGGED, 'sev-debug-after-launch', 'sev-debug-does-not-ask'),
      keeps(DEBUG, 'sanitize', NOT_DEBUGGED, 'sev-debug-after-launch', 'sev-debug-does-not-ask'),
      keeps(DEBUG, 'protected-from-start', NOT_DEBUGGED, 'sev-debug-after-launch', 'sev-debug-does-not-ask'),
    ],
    mutants: ['sev-debug-after-launch', 'sev-debug-does-not-ask'],
    check: (mutant) => {
      for (const design of DESIGNS.slice(1)) assert.equal(behind(design, mutant), false, design);
    },
  },
  {
    ...holds,
    id: 'VMSA-12',
    says: 'without allow_debug() the test of guest_state_protected, and that of the launch, take its place',
    shows: [keeps(DEBUG, 'reject-launch', NOT_DEBUGGED, 'sev-debug-after-launch', 'sev-launch-ignores-debugger')],
    mutants: ['sev-debug-after-launch', 'sev-launch-ignores-debugger'],
    check: (mutant) => {
      const early = launch([...fresh, debug(true), updateVmsa('EINVAL')], { mutant });
      const late = launch([...fresh, updateVmsa(), debug(true)], { mutant });
      assert.deepEqual([early.asTold, early.vcpu.vmsaEncrypted, late.debugged()], [null, false, false]);
    },
  },
  {
    ...holds,
    id: 'VMSA-13',
    says: 'no design debugs a guest whose registers are encrypted',
    shows: [
      keeps(DEBUG, 'allow-debug-op', NOT_DEBUGGED, 'sev-debug-after-launch', 'sev-debug-does-not-ask'),
      keeps(DEBUG, 'reject-launch', NOT_DEBUGGED, 'sev-debug-after-launch', 'sev-debug-does-not-ask'),
    ],
    mutants: ['sev-debug-after-launch', 'sev-debug-does-not-ask'],
    not: 'what a protocol of guest and host for it would have to be; a move to a vCPU that is debugged already',
    check: (mutant) => {
      for (const design of DESIGNS) assert.equal(behind(design, mutant), false, design);
    },
  },
];

/** A launched guest with these features, behind a move. */
const moved = (asked: number, mutant: string | undefined) =>
  launch([createVm('sev-es'), init2(asked), createVcpu, launchStart, updateVmsa(), ...destination('vm1'), move('vm1')], {
    destinations: ['vm1'],
    mutant,
  });

const features: readonly Claim[] = [
  {
    ...holds,
    id: 'DBG-13',
    says: 'the sync writes SEV_FEATURES, and the launch measurement covers them',
    shows: [
      keeps(DRIFT, 'newest', AS_ASKED, 'sev-sync-adds-debug-swap'),
      breaks(DRIFT, 'linux-6.6', AS_ASKED, 'sev-sync-forgets-features'),
    ],
    mutants: ['sev-sync-adds-debug-swap', 'sev-sync-forgets-features'],
    check: (mutant) => {
      const measured = [0, 0x20].map((asked) => {
        const { vm } = launch([createVm('sev-es'), init2(asked), createVcpu, launchStart, updateVmsa(), measure], { mutant });
        return vm.firmware?.measured.map((one) => (one.vcpu === null ? null : one.features));
      });
      assert.deepEqual(measured, [[0], [0x20]]);
    },
  },
  {
    ...holds,
    id: 'DBG-14',
    says: 'written in sev_es_init_vmcb() they hit an encrypted VMSA or a null pointer on an intra-host move; at the sync alone there is no store',
    shows: [
      keeps(MOVE, 'lbrv', 'sev.no-store-to-encrypted-vmsa', 'sev-move-writes-encrypted'),
      keeps(MOVE, 'lbrv', 'sev.no-store-through-null', 'sev-move-writes-null'),
      breaks(MOVE, 'init-vmcb', 'sev.no-store-through-null', 'sev-move-keeps-vmcb'),
    ],
    mutants: ['sev-sync-adds-debug-swap', 'sev-sync-forgets-features', 'sev-move-writes-encrypted', 'sev-move-writes-null'],
    check: (mutant) => {
      const found = [0x20, 0].map((asked) => {
        const { asTold, vcpu, taken } = moved(asked, mutant);
        const { vmsa, storedEncrypted = false, storedNull = false } = taken[0]!;
        return [asTold, vmsa?.features, vcpu.storedEncrypted ?? storedEncrypted, storedNull];
      });
      assert.deepEqual(found, [
        [null, 0x20, false, false],
        [null, 0, false, false],
      ]);
    },
  },
  {
    ...holds,
    id: 'DBG-15',
    says: 'the destination of a move intercepts DR7 and #DB by the features of the VM',
    shows: [keeps(MOVE, 'lbrv', 'sev.intercepts-follow-features', 'sev-intercepts-stay', 'sev-move-keeps-vmcb')],
    mutants: ['sev-intercepts-stay', 'sev-move-keeps-vmcb'],
    check: (mutant) => {
      const intercepts = [0x20, 0].map((asked) => moved(asked, mutant).taken[0]!.intercepts);
      assert.deepEqual(intercepts, [
        { dr7: false, db: false },
        { dr7: true, db: true },
      ]);
    },
  },
];

export const LAUNCH_CLAIMS: readonly Claim[] = [...features, ...debuggers, ...REGISTER_CLAIMS].sort((a, b) =>
  a.id.localeCompare(b.id, 'en', { numeric: true }),
);
