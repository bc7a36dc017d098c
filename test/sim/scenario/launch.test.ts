/** Scenarios with VMs that are launched in the run: what they must have, and what they must not. */
import { describe, expect, it } from 'vitest';
import { knownProperties } from '../../../sim/properties/index.ts';
import { loadScenario } from '../../../sim/scenario/load.ts';
import { resolveScenario } from '../../../sim/scenario/resolve.ts';

interface Parts {
  readonly type?: string;
  readonly options?: string;
  readonly guest?: string;
  readonly program?: string;
  readonly kernel?: string;
}
const text = ({
  type = 'sev-es',
  options = '{ launched: false }',
  guest = 'touch: {}',
  program = 'KVM_CREATE_VM: { vm: vm0 }',
  kernel = '6.12',
}: Parts) => `name: l
summary: s
host: { arch: amd, cpus: 1, features: [sev, sev-es, sev-snp], kernel: "${kernel}" }
vms: { vm0: { type: ${type}, options: ${options}, vcpus: [[${guest}]] } }
processes: { qemu0: { threads: [[${program}, KVM_RUN: { vcpu: vm0/0 }]] } }
`;
const load = (parts: Parts) => loadScenario(text(parts), 'l.yaml', knownProperties());

describe('a VM that is launched in the run', () => {
  it('is debugged before its launch, which an SEV-ES guest from the start is not', () => {
    const program = 'KVM_SET_GUEST_DEBUG: { vcpu: vm0/0, step: true }';
    expect(() => load({ program })).not.toThrow();
    expect(() => load({ program, options: '{}' })).toThrow(
      'found vm0/0 of type sev-es; expected a vCPU of type svm or vmx, or of a VM with launched: false',
    );
  });

  it('has the design of its kernel', () => {
    const { host } = resolveScenario(load({}), { knownProperties: knownProperties() });
    expect(host.options).toMatchObject({ 'sev.launchLock': 'one-by-one', 'sev.snpFinishLock': 'none', 'sev.vmTypes': 'explicit' });
    const old = resolveScenario(load({ kernel: '6.1' }), { knownProperties: knownProperties() });
    expect(old.host.options).toMatchObject({ 'sev.vmTypes': 'legacy', 'sev.guestFpu': 'not-allocated' });
  });

  it.each([
    ['another type', { type: 'svm' }, 'l.yaml:4: vms.vm0.options.launched: found a VM of type svm; expected type sev-es or snp'],
    [
      'a launch of a VM that is there',
      { options: '{}' },
      'KVM_CREATE_VM.vm: found KVM_CREATE_VM of vm0; expected a VM with options: { createdInRun: true } or { onlineVcpus: 0 } or { launched: false }',
    ],
    [
      'a vCPU of a VM that is there',
      { options: '{}', program: 'KVM_CREATE_VCPU: { vcpu: vm0/0 }' },
      'KVM_CREATE_VCPU.vcpu: found KVM_CREATE_VCPU of vm0; expected a VM',
    ],
    [
      'a launch of a VM that is none',
      { program: 'KVM_CREATE_VM: { vm: vm1 }' },
      'KVM_CREATE_VM.vm: found "vm1"; expected a VM of the scenario',
    ],
    ['features in the file', { options: '{ launched: false, vmsaFeatures: [debug-swap] }' }, 'found vmsaFeatures; expected none'],
    ['an operation that encrypted guests lack', { guest: 'ac-loop: {}' }, 'found "ac-loop" in a VM of type sev-es'],
    ['an errno that there is not', { program: 'KVM_CREATE_VM: { vm: vm0, returns: EWRONG }' }, 'returns'],
    ['a type of VM that KVM lacks', { program: 'KVM_CREATE_VM: { vm: vm0, type: tdx }' }, 'type'],
    [
      'a source of a move that is none',
      { program: 'KVM_CAP_VM_MOVE_ENC_CONTEXT_FROM: { vm: vm0, from: vm9 }' },
      'from: found "vm9"; expected a VM of the scenario',
    ],
  ])('is refused with %s', (_, parts, says) => {
    expect(() => load(parts)).toThrow(says);
  });
});
