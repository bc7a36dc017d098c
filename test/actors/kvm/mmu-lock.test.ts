/**
 * kvm->mmu_lock: one vCPU of a VM at a time changes a page's state; the vCPUs of another VM are not
 * in its way.
 */
import { describe, expect, it } from 'vitest';
import { type VmContext, vmMachine } from '../../../actors/kvm/vm.ts';
import * as w from '../../claims/world.ts';
import { engineOf, microSteps, type Played, play, seeds } from '../../sim/play.ts';
import { finish, steer, steps, to } from '../../sim/steer.ts';
import { Given } from '../given.ts';

const OTHER = 'thread:qemu0/vcpu1';
const LOCKED = 'rmpupdate.RMPUPDATE.check';

/** Two vCPUs of one VM change a page each. */
const twoVcpus = () =>
  w.world(
    { vm0: w.vm([w.page('shared'), w.page('shared', 6, 0x1206)], [w.psc('private')], [w.psc('private', 6)]) },
    { qemu0: [[w.run('vm0/0')], [w.run('vm0/1')]] },
  );

/** Who was told that it has the lock, and who gave it back, in order. */
const owners = ({ records }: Played): string[] =>
  records.flatMap(({ kind, type, actor, peer, payload }) => {
    if (kind !== 'deliver') return [];
    if (type === 'vm.mmuLocked' && payload.acquired === true) return [`${actor} has it`];
    return type === 'vm.unlockMmu' ? [`${peer} gives it back`] : [];
  });

describe('mmu_lock', () => {
  it('has one owner, and only the owner drops it', () => {
    const by = (from: string, type: string) => ({ type, from });
    const taken = Given.start<VmContext>(vmMachine).after(by('thread:a/0', 'vm.lockMmu'));
    const refused = taken.when(by('thread:b/0', 'vm.lockMmu'));
    expect(refused.sent).toEqual([{ to: 'thread:b/0', event: { type: 'vm.mmuLocked', acquired: false } }]);
    expect(refused.context.mmuLock).toBe('thread:a/0');
    expect(taken.when(by('thread:b/0', 'vm.unlockMmu')).handled).toBe(false);
    expect(taken.after(by('thread:a/0', 'vm.unlockMmu'), by('thread:b/0', 'vm.lockMmu')).context.mmuLock).toBe('thread:b/0');
  });

  it('makes the second vCPU spin until the first has changed its page', () => {
    const story = [to(w.VCPU, LOCKED), to(OTHER, 'write_lock_mmu_lock.queued_write_lock_slowpath'), steps(OTHER, 3), finish(w.VCPU)];
    const played = play(twoVcpus(), steer(...story));
    expect(owners(played)).toEqual([w.VCPU, OTHER].flatMap((thread) => [`${thread} has it`, `${thread} gives it back`]));
    expect(microSteps(played, OTHER).filter((name) => name.endsWith('.queued_write_lock_slowpath')).length).toBeGreaterThan(3);
    expect([w.entryOf(played, 0x1005).assigned, w.entryOf(played, 0x1206).assigned]).toEqual([true, true]);
  });

  it('is never held by two, whatever the order', () => {
    const scenario = twoVcpus();
    const engine = engineOf(scenario, 'memo');
    for (const seed of seeds(60)) {
      const told = owners(play(scenario, seed, engine));
      expect(told).toHaveLength(4);
      for (let i = 0; i < told.length; i += 2) expect(told[i + 1]).toBe(told[i]!.replace('has it', 'gives it back'));
    }
  });

  it('belongs to one VM: the vCPU of another changes a page meanwhile', () => {
    const vms = { vm0: w.vm([w.page('shared')], [w.psc('private')]), vm1: w.vm([w.page('shared', 6, 0x1206)], [w.psc('private', 6)]) };
    const scenario = w.world(vms, { qemu0: [[w.run()]], qemu1: [[w.run('vm1/0')]] });
    const other = 'thread:qemu1/vcpu0';
    const played = play(scenario, steer(to(w.VCPU, LOCKED), finish(other)));
    expect(owners(played).slice(0, 3)).toEqual([`${w.VCPU} has it`, `${other} has it`, `${other} gives it back`]);
    expect(w.entryOf(played, 0x1206).assigned).toBe(true);
  });
});
