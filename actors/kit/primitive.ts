/**
 * A primitive of the kernel as a value: the actors that it brings to a run, and the steps that
 * threads and guests take with it.
 *
 * A mechanism names the primitives that it uses; nothing else has to be declared.
 */
import type { AnyStateMachine } from 'xstate';
import type { ActorId } from '../../events/event.ts';
import type { HostEnv } from '../host/host-env.ts';
import type { Source } from '../path/path.ts';
import { KitError } from './kit-error.ts';

/** Of what there is one each: the host, each VM, each vCPU, each CPU. @public */
export type Per = 'host' | 'vm' | 'vcpu' | 'cpu';

/** The things of a host that a primitive can have one each of. @public */
export interface HostShape {
  readonly cpus: number;
  readonly vms: readonly { readonly id: string; readonly vcpus: number }[];
}

/** The actors of one kind that a primitive brings. @public */
export interface Part {
  /** The kind of these actors, and the first half of their ids. */
  readonly kind: string;
  readonly per: Per;
  readonly machine: (env: HostEnv) => AnyStateMachine;
  /** What an actor begins with, by the second half of its id. */
  readonly input?: (instance: string) => unknown;
  /** Fields of the context whose lists are sets. */
  readonly sets?: readonly string[];
  /** What must not come about: each scenario with such an actor asks for it. */
  readonly breaches?: readonly Breach<never>[];
  /** They are kernel threads: the CPU that each sleeps on at the start; whether it stays there. */
  readonly sleeps?: (instance: string) => { readonly cpu: number; readonly bound: boolean };
  /** They walk the handler of this interrupt, each on its own CPU. */
  readonly handles?: string;
  /** That handler is a softirq: local_bh_disable() keeps it out. */
  readonly softirq?: true;
}

/**
 * A state of one actor that is a mistake of the kernel, whatever a scenario is about. It breaks the
 * property `KIND.ID`, with the kind in lower case: `my-object.use-after-free` of `myObject`.
 * @public
 */
export interface Breach<C> extends Source {
  readonly id: string;
  /** What has happened to the actor of this id; null if nothing has. */
  readonly each: (context: C, id: ActorId) => string | null;
}

/** What stands in `uses` of a mechanism. @public */
export interface Primitive {
  readonly parts: readonly Part[];
}

/** The second halves of the ids, in the order of the slots. */
export function instancesOf(per: Per, { cpus, vms }: HostShape): readonly string[] {
  switch (per) {
    case 'host':
      return ['0'];
    case 'vm':
      return vms.map(({ id }) => id);
    case 'vcpu':
      return vms.flatMap(({ id, vcpus }) => Array.from({ length: vcpus }, (_, vcpu) => `${id}/${vcpu}`));
    case 'cpu':
      return Array.from({ length: cpus }, (_, cpu) => `${cpu}`);
  }
}

/**
 * Which instance a step is about: `vcpu:vm0/0`, `vm:vm0`, `vm0` or `pcpu:0`, by the walker and its
 * locals. Without one: the CPU that the walker runs on, or the only instance that there is.
 * @public
 */
export type At<T = never, L = never> = (walker: T, locals: L) => ActorId;

/** The id of the actor that a step of the walker is about. */
export function instanceAt<T, L>(kind: string, per: Per, at: At<T, L> | undefined): (walker: T, locals: L) => ActorId {
  if (per === 'host') return () => `${kind}:0`;
  if (at === undefined && per !== 'cpu')
    throw new KitError(`${kind} has one actor for each ${per === 'vm' ? 'VM' : 'vCPU'}; expected \`at\` to say which`);
  const select = at ?? ((walker: T) => (walker as { readonly cpu?: ActorId | null }).cpu!);
  return (walker, locals) => {
    const of = select(walker, locals);
    return `${kind}:${of.slice(of.indexOf(':') + 1)}`;
  };
}
