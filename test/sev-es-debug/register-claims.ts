/**
 * VMSA-6 to VMSA-11: what ioctls on registers do on both sides of the encryption.
 * @see domain debug-and-split-lock F
 */
import assert from 'node:assert/strict';
import { breaks, type Claim, keeps } from '../claims/claim.ts';
import { fresh, launch, legacy, set, updateVmsa } from './launch-world.ts';

const holds = { source: 'domain debug-and-split-lock F', verdict: 'holds' } as const;

const SREGS = 'sev-v3-sregs';
const SECOND = 'sev-second-update';
const AS_TOLD = 'sev.returns-as-told';
const KEEPS_REGISTERS = 'sev.launch-keeps-registers';

export const REGISTER_CLAIMS: readonly Claim[] = [
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
    says: 'LAUNCH_UPDATE_VMSA encrypts in place what ioctls have set by then; nothing runs before it',
    shows: [
      keeps('sev-finish-races', 'newest', 'sev.vmsa-is-current', 'sev-launch-unlocked'),
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
