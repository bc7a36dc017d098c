/**
 * VMSA-1 to VMSA-13 and DBG-13 to DBG-15: debugging against the encryption of registers, what ioctls
 * do on both sides of it, and where SEV_FEATURES are written.
 * @see domain debug-and-split-lock F
 */
import assert from 'node:assert/strict';
import { LAUNCH_RULES, vmsaTarget } from '../../actors/sev-es-debug/launch-rule.ts';
import { breaks, type Claim, keeps } from '../claims/claim.ts';
import { createVcpu, createVm, debug, fresh, init2, launch, launchStart, legacy, measure, set, updateVmsa } from './launch-world.ts';

const F = 'domain debug-and-split-lock F';
const holds = { source: F, verdict: 'holds' } as const;

const DEBUG = 'sev-debug-then-launch';
const NOT_DEBUGGED = 'sev.protected-not-debugged';
const SREGS = 'sev-v3-sregs';
const SECOND = 'sev-second-update';
const MOVE = 'sev-move-features';
const DRIFT = 'sev-attestation-drift';
const AS_TOLD = 'sev.returns-as-told';
const KEEPS_REGISTERS = 'sev.launch-keeps-registers';
const AS_ASKED = 'sev.measures-what-was-asked';

type Design = 'allow-debug-op' | 'check-protected' | 'protected-from-start' | 'reject-launch' | 'sanitize';
const DESIGNS: readonly Design[] = ['allow-debug-op', 'check-protected', 'protected-from-start', 'sanitize', 'reject-launch'];

/** Whether a debugger is in force that comes before the launch, and behind it. */
const before = (design: Design, mutant?: string): boolean =>
  launch([...fresh, debug(true)], { options: { 'sev.guestDebug': design }, mutant }).debugged();
const behind = (design: Design, mutant?: string): boolean =>
  launch([...fresh, updateVmsa(), debug(true)], { options: { 'sev.guestDebug': design }, mutant }).debugged();

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
    not: 'what a protocol of guest and host for it would have to be',
    check: (mutant) => {
      for (const design of DESIGNS) assert.equal(behind(design, mutant), false, design);
    },
  },
];

const registers: readonly Claim[] = [
  {
    ...holds,
    id: 'VMSA-6',
    says: 'before the launch KVM_SET_SREGS, KVM_SET_REGS and KVM_GET_XCRS work, and what they set is in the VMSA',
    shows: [
      keeps(SREGS, 'mainline', KEEPS_REGISTERS, 'sev-sync-forgets-registers'),
      keeps(SREGS, 'mainline', AS_TOLD, 'sev-registers-refused-early'),
      keeps('sev-finish-races', 'newest', KEEPS_REGISTERS, 'sev-launch-unlocked'),
    ],
    mutants: ['sev-sync-forgets-registers', 'sev-registers-refused-early'],
    check: (mutant) => {
      const set2 = [set('KVM_SET_SREGS', 2), set('KVM_SET_REGS', 1), set('KVM_GET_XCRS', 0)];
      for (const begin of [fresh, legacy]) {
        const { asTold, vcpu } = launch([...begin, ...set2, updateVmsa()], { mutant });
        assert.deepEqual([asTold, vcpu.vmsa?.sregs, vcpu.vmsa?.gprs], [null, 2, 1]);
      }
    },
  },
  {
    ...holds,
    id: 'VMSA-7',
    says: 'behind it they change no register: EINVAL where the VM says its type, 0 and nothing else where it does not',
    shows: [keeps(SREGS, 'mainline', AS_TOLD, 'sev-registers-after-launch'), keeps(SECOND, 'linux-6.12', AS_TOLD, 'sev-registers-refused')],
    mutants: ['sev-registers-after-launch', 'sev-registers-refused'],
    check: (mutant) => {
      for (const [begin, result] of [
        [fresh, 'EINVAL'],
        [legacy, 'ok'],
      ] as const) {
        const late = [set('KVM_SET_SREGS', 4, result), set('KVM_SET_REGS', 4, result), set('KVM_GET_XCRS', 0, result)];
        const { asTold, vcpu } = launch([...begin, set('KVM_SET_REGS', 1), updateVmsa(), ...late], { mutant });
        assert.deepEqual([asTold, vcpu.vmsa?.gprs, vcpu.registers.gprs, vcpu.registers.sregs], [null, 1, 1, 0]);
      }
    },
  },
  {
    ...holds,
    id: 'VMSA-8',
    says: 'V3 drops KVM_SET_SREGS without a word if __set_sregs() asks for guest_state_protected, and stores it if for vmsa_encrypted',
    shows: [
      breaks(SREGS, 'guest-state-protected', KEEPS_REGISTERS, 'sev-sregs-stored', 'sev-v3-protects-late'),
      keeps(SREGS, 'vmsa-encrypted', KEEPS_REGISTERS, 'sev-sync-forgets-registers'),
    ],
    mutants: ['sev-sregs-stored', 'sev-v3-protects-late'],
    check: (mutant) => {
      const started = (sregsKey: 'guest-state-protected' | 'vmsa-encrypted') => {
        const options = { 'sev.guestDebug': 'protected-from-start', 'sev.sregsKey': sregsKey } as const;
        const { asTold, vcpu } = launch([...fresh, set('KVM_SET_SREGS', 2), updateVmsa()], { options, mutant });
        return [asTold, vcpu.vmsa?.sregs];
      };
      assert.deepEqual(
        [started('guest-state-protected'), started('vmsa-encrypted')],
        [
          [null, 0],
          [null, 2],
        ],
      );
    },
  },
  {
    ...holds,
    id: 'VMSA-9',
    says: 'get_vmsa() is the VMSA until that is encrypted, and the GHCB from then on',
    shows: [],
    why: 'a program sees no more of it than VMSA-7 says',
    mutants: ['sev-registers-after-launch', 'sev-registers-refused-early'],
    check: (mutant) => {
      assert.deepEqual([vmsaTarget({ encrypted: false }), vmsaTarget({ encrypted: true })], ['VMSA', 'GHCB']);
      const { asTold, vcpu } = launch([...legacy, set('KVM_SET_REGS', 1), updateVmsa(), set('KVM_SET_REGS', 4)], { mutant });
      assert.deepEqual([asTold, vcpu.registers.gprs, vcpu.vmsa?.gprs], [null, 1, 1]);
    },
  },
  {
    ...holds,
    id: 'VMSA-10',
    says: 'without an FPU from the start KVM_SET_FPU and KVM_SET_XSAVE do nothing before the launch; mainline takes them until then',
    shows: [],
    why: 'what the kernel of that time ignored it also said 0 to, and no register is left to tell',
    mutants: ['sev-fpu-allocated', 'sev-registers-refused-early'],
    check: (mutant) => {
      const fpuOf = (guestFpu: 'not-allocated' | 'confidential-at-launch') =>
        (['KVM_SET_FPU', 'KVM_SET_XSAVE'] as const).map((ioctl) => {
          const { asTold, vcpu } = launch([...fresh, set(ioctl, 3), updateVmsa()], { options: { 'sev.guestFpu': guestFpu }, mutant });
          return [asTold, vcpu.vmsa?.fpu];
        });
      assert.deepEqual(fpuOf('not-allocated'), [
        [null, 0],
        [null, 0],
      ]);
      assert.deepEqual(fpuOf('confidential-at-launch'), [
        [null, 3],
        [null, 3],
      ]);
    },
  },
  {
    ...holds,
    id: 'VMSA-11',
    says: 'LAUNCH_UPDATE_VMSA encrypts in place what ioctls have set; nothing runs before it',
    shows: [
      keeps('sev-finish-races', 'newest', 'sev.vmsa-is-a-snapshot', 'sev-launch-unlocked'),
      keeps('sev-finish-races', 'newest', 'sev.no-vmrun-in-launch', 'sev-launch-unlocked'),
      keeps(SREGS, 'mainline', KEEPS_REGISTERS, 'sev-sync-forgets-registers'),
    ],
    mutants: ['sev-sync-forgets-registers', 'sev-registers-refused-early'],
    check: (mutant) => {
      const { asTold, vcpu, vm } = launch([...fresh, set('KVM_SET_REGS', 1), updateVmsa()], { mutant });
      assert.deepEqual([asTold, vcpu.encrypted, vcpu.vmsa?.gprs], [null, true, 1]);
      assert.deepEqual(vm.firmware?.measured, [{ vcpu: 0, gprs: 1, sregs: 0, fpu: 0, features: 0 }]);
    },
  },
];

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
    mutants: ['sev-sync-adds-debug-swap', 'sev-sync-forgets-features'],
    check: (mutant) => {
      const { vcpu } = launch([createVm('sev-es'), init2(0x20), createVcpu, launchStart, updateVmsa()], { mutant });
      const plain = launch([createVm('sev-es'), init2(), createVcpu, launchStart, updateVmsa()], { mutant });
      assert.deepEqual([vcpu.vmsa?.features, plain.vcpu.vmsa?.features, vcpu.storedEncrypted], [0x20, 0, undefined]);
    },
  },
  {
    ...holds,
    id: 'DBG-15',
    says: 'the destination of a move intercepts DR7 and #DB by the features of the VM',
    shows: [keeps(MOVE, 'lbrv', 'sev.intercepts-follow-features', 'sev-intercepts-stay', 'sev-move-keeps-vmcb')],
    mutants: ['sev-intercepts-stay', 'sev-sync-forgets-features'],
    check: (mutant) => {
      const { vcpu } = launch([createVm('sev-es'), init2(0x20), createVcpu, launchStart, updateVmsa()], { mutant });
      assert.deepEqual(
        [vcpu.intercepts, LAUNCH_RULES.interceptsOf(vcpu.vmsa!.features)],
        [
          { dr7: false, db: false },
          { dr7: false, db: false },
        ],
      );
    },
  },
];

export const LAUNCH_CLAIMS: readonly Claim[] = [...features, ...debuggers, ...registers].sort((a, b) =>
  a.id.localeCompare(b.id, 'en', { numeric: true }),
);
