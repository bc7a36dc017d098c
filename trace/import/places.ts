/** Where threads of the simulated host are, as far as a recording can tell. */
import type { ActorId } from '../../events/event.ts';
import { VENDORS } from '../../sim/host/vendors.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import type { Row, World } from './world.ts';

export type Phase = 'user' | 'kvm' | 'guest';

export class Places {
  readonly #world: World;
  readonly #worldSwitch: { readonly name: string; readonly leave: string };
  readonly #known = new Map<string, Phase>();

  constructor(world: World, { host }: ResolvedScenario) {
    this.#world = world;
    this.#worldSwitch = VENDORS[host.arch].worldSwitch;
  }

  /** Behind the exit but before its end, a thread is in its guest still. */
  phase(row: Row, id: ActorId): Phase {
    const { at } = this.#world.thread(row, id);
    let phase = this.#known.get(at);
    if (phase === undefined) {
      phase = this.#phaseAt(at);
      this.#known.set(at, phase);
    }
    return phase;
  }

  #phaseAt(at: string): Phase {
    const parts = at.split('.');
    const step = parts.at(-1)!;
    const { name, leave } = this.#worldSwitch;
    if (parts.includes(name) && (step.startsWith('guest') || step === leave)) return 'guest';
    return parts.includes('KVM_RUN') && step !== 'ioctl' ? 'kvm' : 'user';
  }

  /** Whether the guest itself runs: it has not left yet. */
  runsGuest(row: Row, id: ActorId): boolean {
    return this.phase(row, id) === 'guest' && !this.#world.thread(row, id).at.endsWith(`.${this.#worldSwitch.leave}`);
  }

  /** KVM_RUN is over but for its mutex: behind R19, where the kernel tells its end. */
  isAtEnd(row: Row, id: ActorId): boolean {
    return this.#world.thread(row, id).at.endsWith('.KVM_RUN.mutex_unlock');
  }

  /** Its next step in short: `thread:vmm0/0@vcpu_load.get_cpu`. */
  nameOf(row: Row, id: ActorId): string {
    return `${id}@${this.#world.thread(row, id).at.split('.').slice(-2).join('.')}`;
  }
}
