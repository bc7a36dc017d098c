/** The VM. */
import { describe, expect, it } from 'vitest';
import { type VmContext, vmMachine } from '../../../actors/kvm/vm.ts';
import { Given } from '../given.ts';

const A = 'thread:a/0';
const by = (from: string, type: string, rest: object = {}) => ({ type, from, ...rest });

describe('a VM', () => {
  it('dies once, of its first cause', () => {
    const dead = Given.start<VmContext>(vmMachine).after(by(A, 'vm.kill', { cause: 'bugged' }), by(A, 'vm.kill', { cause: 'dead' }));
    expect(dead.context).toEqual({ dead: 'bugged', mmuLock: null });
  });
});
