/** A CPU and its host save area, through entries and exits of guests. */
import { describe, expect, it } from 'vitest';
import { type HostSaveAreaState, hostSaveAreaMachine, hsaveOf, lostRegisters } from '../../../actors/sev-es-debug/host-save-area.ts';
import { filledBy } from '../../../actors/sev-es-debug/swap-types.ts';
import { Given } from '../given.ts';

const from = 'thread:qemu0/vcpu0';
const DESIGN = { virtTscAux: false, forgets: [] };
const start = (design = DESIGN) => Given.start<HostSaveAreaState>(hostSaveAreaMachine(design), { debugs: null, breakpoints: false });
const save = (...registers: readonly string[]) => ({ type: 'hsave.save', registers, from });
const FILL = save(...filledBy('vmsave', 'kvm', 'kvm-debug', 'vmenter'));
const vmrun = (guest: 'plain' | { readonly debugSwap: boolean }) => ({ type: 'hsave.vmrun', vcpu: 'vcpu:vm0/0', guest, from });
const VMEXIT = { type: 'hsave.vmexit', from };
const DEBUG_SWAP = vmrun({ debugSwap: true });

it('hsave:N is the area of pcpu:N', () => {
  expect(hsaveOf('pcpu:3')).toBe('hsave:3');
});

describe('the world switch of a CPU', () => {
  it('leaves the host all that it needs, where its area was filled', () => {
    const { context } = start().after(FILL, DEBUG_SWAP, VMEXIT);
    expect([lostRegisters(context), context.cpu.RCX, context.cpu.CR2]).toEqual([[], 'zero', 'reset']);
  });

  it('tells nothing lost while the guest runs, whose registers are its own', () => {
    const { context } = start().after(DEBUG_SWAP);
    expect([lostRegisters(context), context.cpu.FS, context.cpu.DR0, context.hsave.CR3]).toEqual([[], 'vcpu:vm0/0', 'vcpu:vm0/0', 'host']);
  });

  it('loses what was never stored, and what a mutant leaves out', () => {
    const { context } = start().after(DEBUG_SWAP, VMEXIT);
    expect(lostRegisters(context)).toEqual(expect.arrayContaining(['FS', 'XCR0', 'DR0_ADDR_MASK', 'R15']));
    const forgetful = start({ ...DESIGN, forgets: ['PKRU'] as never[] }).after(FILL, DEBUG_SWAP, VMEXIT);
    expect(lostRegisters(forgetful.context)).toEqual(['PKRU']);
  });

  it('takes callee-saved registers from the stack on kernels that push them', () => {
    const pushed = save(...filledBy('vmsave', 'kvm', 'kvm-debug'));
    const behind = start().after(pushed, DEBUG_SWAP, VMEXIT);
    expect(lostRegisters(behind.context)).toEqual(filledBy('vmenter'));
    expect(lostRegisters(behind.after({ type: 'hsave.pop', registers: filledBy('vmenter'), from }).context)).toEqual([]);
  });

  it('leaves DR0 to a guest without DebugSwap, and its mask alone', () => {
    const { context } = start().after(FILL, vmrun({ debugSwap: false }), VMEXIT);
    expect([context.cpu.DR0, context.cpu.DR0_ADDR_MASK, lostRegisters(context)]).toEqual(['vcpu:vm0/0', 'host', []]);
  });

  it('needs VMSAVE alone for a plain guest', () => {
    expect(lostRegisters(start().after(save(...filledBy('vmsave')), vmrun('plain'), VMEXIT).context)).toEqual([]);
    expect(lostRegisters(start().after(vmrun('plain'), VMEXIT).context)).toEqual(filledBy('vmsave'));
  });

  it.each([true, false])('brings back TSC_AUX where the CPU virtualizes it: %s', (virtTscAux) => {
    const { context } = start({ ...DESIGN, virtTscAux }).after(FILL, DEBUG_SWAP);
    expect([context.cpu.TSC_AUX, context.hsave.TSC_AUX]).toEqual(virtTscAux ? ['vcpu:vm0/0', 'host'] : ['host', 'zero']);
  });

  it('knows whether the state of its vCPU is loaded, until it is put', () => {
    const answer = (given: Given<HostSaveAreaState>) => given.when({ type: 'hsave.loaded?', from }).sent[0]!.event;
    const loaded = start().after({ type: 'hsave.setLoaded', from });
    expect([answer(start()), answer(loaded), answer(loaded.after({ type: 'hsave.put', from }))]).toEqual([
      { type: 'hsave.loaded', loaded: false },
      { type: 'hsave.loaded', loaded: true },
      { type: 'hsave.loaded', loaded: false },
    ]);
  });
});
