/** Two parts of one mechanism in KVM's slots: both are there, or the slot is named that clashes. */
import { describe, expect, it } from 'vitest';
import { type HostEnv, host } from '../../actors/host/host-env.ts';
import type { SlotItems } from '../../actors/kvm/slots.ts';
import { joined } from '../../sim/mechanisms/sev-es-debug/joined.ts';

const slot = (name: string): SlotItems => ({ locals: ['granted'], items: () => [host.step(name)] });
const itemsOf = (at: SlotItems | undefined) => at?.items({} as HostEnv);

describe('two parts', () => {
  it('fill the entry one behind the other, with the locals of both', () => {
    const { entry } = joined({ entry: slot('first') }, { entry: { ...slot('second'), locals: ['failed'] } });
    expect(entry?.locals).toEqual(['granted', 'failed']);
    expect(itemsOf(entry)).toMatchObject([{ name: 'first' }, { name: 'second' }]);
  });

  it('each have what the other leaves', () => {
    const [load, put] = [slot('load'), slot('put')];
    expect(joined({ load }, { put })).toEqual({ load, put });
  });

  it('lose no slot but say which', () => {
    expect(() => joined({ load: slot('a') }, { load: slot('b') })).toThrow('both parts fill the slot load');
  });
});
