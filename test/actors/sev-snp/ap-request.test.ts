/** What KVM makes of an AP creation event, row by row, and what the target's state becomes. */
import { describe, expect, it } from 'vitest';
import { apInfo, checkApRequest } from '../../../actors/sev-snp/ap-request.ts';
import { type ApState, apAfter, apAtStart, startsAfresh, usedOn } from '../../../actors/sev-snp/ap-state.ts';
import type { ApEvent } from '../../../events/sev-snp/ap.ts';

const VCPUS = 2;
const CREATE = { info1: apInfo('create', 1), info2: 0xa000, rax: 1 };

describe('an AP creation event', () => {
  it.each([
    ['create', CREATE, { target: 1, request: 'create', gpa: 0xa000 }],
    ['create-on-init', { ...CREATE, info1: apInfo('create-on-init', 1) }, { target: 1, request: 'create-on-init', gpa: 0xa000 }],
    [
      'destroy, whatever the other fields are',
      { info1: apInfo('destroy', 0), info2: 0x200010 },
      { target: 0, request: 'destroy', gpa: null },
    ],
    ['create with DebugSwap, which may differ', { ...CREATE, rax: 0x21 }, { target: 1, request: 'create', gpa: 0xa000 }],
  ])('is taken: %s', (_name, fields, verdict) => {
    expect(checkApRequest(fields, VCPUS)).toEqual(verdict);
  });

  it.each([
    ['of a vCPU that there is not', { ...CREATE, info1: apInfo('create', 2) }, null, 'invalid AP APIC ID', false],
    ['of an unknown number', { ...CREATE, info1: apInfo('create', 1) + 2 }, 1, 'invalid AP creation request', true],
    ['of another VMPL', { ...CREATE, info1: apInfo('create', 1) + 0x10000 }, 1, 'invalid AP creation request', true],
    ['with restricted injection', { ...CREATE, rax: 0b1001 }, 1, 'invalid AP injection mode', true],
    ['with alternate injection', { ...CREATE, rax: 0b10001 }, 1, 'invalid AP injection mode', true],
    [
      'at INIT, with alternate injection',
      { ...CREATE, info1: apInfo('create-on-init', 1), rax: 0b10001 },
      1,
      'invalid AP injection mode',
      true,
    ],
    ['of a GPA that is not aligned', { ...CREATE, info2: 0xa001 }, 1, 'invalid AP VMSA address', true],
    ['of a GPA beyond all memory', { ...CREATE, info2: 2 ** 52 }, 1, 'invalid AP VMSA address', true],
    ['of a GPA that is aligned to 2 MiB', { ...CREATE, info2: 0x200000 }, 1, 'AP VMSA address is unsafe as it is 2M aligned', true],
    [
      'of such a GPA at INIT, which kicks no one',
      { ...CREATE, info1: apInfo('create-on-init', 1), info2: 0 },
      1,
      'AP VMSA address is unsafe as it is 2M aligned',
      false,
    ],
  ])('is refused: %s', (_name, fields, target, refused, kicks) => {
    expect(checkApRequest(fields, VCPUS)).toEqual({ target, refused, kicks });
  });
});

const CPU = 'pcpu:0';
const stateAfter = (...events: readonly ApEvent[]): ApState => events.reduce(apAfter, apAtStart(0x1008));
const asked = (gpa: number | null, request: 'create' | 'destroy' | null): ApEvent => ({ type: 'sevEs.apRequest', gpa, request });
const DROP: ApEvent = { type: 'sevEs.dropVmsa' };
const SET: ApEvent = { type: 'sevEs.setVmsa', pfn: 0x100a };
const INIT: ApEvent = { type: 'sevEs.initVmcb' };
const RUN: ApEvent = { type: 'sevEs.vmrun', cpu: CPU };
const TAKEN = [asked(0xa000, 'create'), DROP, SET] as const;

describe('the VMSA of a vCPU', () => {
  it('is the one that KVM has made, until the guest gives it another', () => {
    expect(usedOn(stateAfter(RUN), CPU)).toBe(0x1008);
    const ap = stateAfter(RUN, ...TAKEN, INIT);
    expect([usedOn(ap, CPU), startsAfresh(ap, CPU), startsAfresh(apAfter(ap, RUN), CPU)]).toEqual([0x100a, true, false]);
    expect(apAfter(ap, RUN).wrongEntry).toBeUndefined();
  });

  it('is the old one to the same CPU, and to no other, while no one marks the VMCB dirty', () => {
    const ap = stateAfter(RUN, ...TAKEN);
    expect([usedOn(ap, CPU), usedOn(ap, 'pcpu:1')]).toEqual([0x1008, 0x100a]);
    expect(apAfter(ap, RUN).wrongEntry).toBe('stale');
  });

  it('is none after a DESTROY of one that the guest had made', () => {
    const ap = stateAfter(...TAKEN, INIT, RUN, asked(null, 'destroy'), DROP, INIT);
    expect([ap.vmsa, ap.off]).toEqual([null, 'destroyed']);
    expect(apAfter(ap, RUN).wrongEntry).toBe('no-vmsa');
  });

  it("is KVM's own again after a DESTROY of that, by the reset that the DESTROY brings", () => {
    const ap = stateAfter(RUN, asked(null, 'destroy'), DROP, INIT);
    expect([ap.vmsa, ap.off, apAfter(ap, RUN).wrongEntry]).toEqual([0x1008, 'destroyed', 'destroyed']);
  });

  it('is gone where its GPA has no memory, and where a refused request had changed the state', () => {
    expect(stateAfter(asked(0x77000, 'create'), DROP).off).toBe('not-found');
    expect(stateAfter(asked(null, null), DROP).off).toBe('refused');
  });
});
