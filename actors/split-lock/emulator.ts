/**
 * KVM's emulator carries out a locked increment that crosses a cache line. Where the processor can
 * detect split locks, the exchange becomes a plain write, so that the kernel splits none on behalf
 * of a guest. The emulator asks for the CPU's feature alone: the host's policy changes nothing.
 *
 * @see kernel arch/x86/kvm/x86.c, emulator_cmpxchg_emulated() (6.1); "KVM: x86: Emulate split-lock
 * access as a write in emulator"
 */
import { outgoing } from '../../events/event.ts';
import { type HostEnv, type HostItem, type HostThread, host, kernelSource } from '../host/host-env.ts';
import { vcpuOf } from '../kvm/kvm-env.ts';
import type { SldFacts } from './sld-facts.ts';

const { path, step, loop, when, leaveLoop } = host;

declare module '../host/host-env.ts' {
  interface HostLocals {
    /** What the emulator read. */
    readonly operand?: number | undefined;
    readonly exchanged?: boolean | undefined;
  }
}

/** From the exit to the retired instruction, or to a retry of it. `complete` tells the guest. */
export const emulatePath = (env: HostEnv, facts: SldFacts, complete: HostItem) => {
  const line = (t: HostThread) => `line:${vcpuOf(env, t).vm}`;
  const exchange: HostItem = facts.hasFeature
    ? step('emulator_write_emulated', {
        send: (t, l) => outgoing(line(t), { type: 'line.write', value: l.operand! + 1 }),
        local: () => ({ exchanged: true }),
      })
    : step('emulator_cmpxchg_emulated', {
        send: (t, l) => outgoing(line(t), { type: 'line.cmpxchg', expected: l.operand! }),
        answers: { 'line.exchanged': (e) => ({ exchanged: e.ok }) },
      });
  return path(
    'x86_emulate_instruction',
    kernelSource('arch/x86/kvm/x86.c, x86_emulate_instruction(), emulator_cmpxchg_emulated()'),
    [
      loop(
        step('emulator_read_emulated', {
          send: (t) => outgoing(line(t), { type: 'line.read?' }),
          answers: { 'line.value': (e) => ({ operand: e.value }) },
        }),
        exchange,
        when([(_t, l) => l.exchanged === true, [leaveLoop]]),
      ),
      complete,
    ],
    { locals: ['operand', 'exchanged'] },
  );
};
