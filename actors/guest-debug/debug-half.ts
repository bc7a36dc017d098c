/**
 * KVM's debug half of an x86 vCPU as a function of its state and a message: what every half does
 * alike, and the machine that carries one out. The vCPU's thread loads it on a CPU, and the half
 * writes to the debug registers of that CPU.
 */
import { assign, enqueueActions, setup } from 'xstate';
import { type ActorId, type Outgoing, outgoing, type Stamped } from '../../events/event.ts';
import type { VcpuDebugEvent } from '../../events/guest-debug/kvm-debug.ts';
import { drOf } from './cpu-debug-registers.ts';

/** What a message changes, and what the half sends, in this order. */
export interface HalfStep<S> {
  readonly change?: Partial<S>;
  readonly sends?: readonly Outgoing[];
}

type EventFor<K extends VcpuDebugEvent['type']> = Stamped<Extract<VcpuDebugEvent, { readonly type: K }>>;

/** By message; one that is not there reaches no such vCPU. */
export type DebugHalf<S> = { readonly [K in VcpuDebugEvent['type']]?: (v: S, event: EventFor<K>) => HalfStep<S> };

/** What all halves keep. */
export interface LoadedHalf {
  readonly loadedOn: ActorId | null;
}

export const onCpu = ({ loadedOn }: LoadedHalf): ActorId => {
  if (loadedOn === null) throw new Error('a vCPU that is loaded nowhere meets the registers of a CPU');
  return drOf(loadedOn);
};

export const LOADED_HALF = {
  'kdb.load': (_v, { cpu }) => ({ change: { loadedOn: cpu } }),
  'kdb.put': () => ({ change: { loadedOn: null } }),
  'kdb.leave': (v) => ({ sends: [outgoing(onCpu(v), { type: 'dr.leave?' })] }),
} as const satisfies DebugHalf<LoadedHalf>;

/** What the half makes of any message. */
export function halfStep<S>(half: DebugHalf<S>, v: S, event: Stamped<VcpuDebugEvent>): HalfStep<S> {
  const handler = half[event.type] as ((v: S, event: Stamped<VcpuDebugEvent>) => HalfStep<S>) | undefined;
  if (handler === undefined) throw new Error(`${event.type} reaches a vCPU that knows nothing of it`);
  return handler(v, event);
}

/** The machine of all vCPUs with this half. */
export function debugHalfMachine<S extends LoadedHalf, I>(id: string, initial: (input: I) => S, half: DebugHalf<S>) {
  return setup({
    types: { context: {} as S, events: {} as Stamped<VcpuDebugEvent>, emitted: {} as Outgoing, input: {} as I },
    actions: {
      take: enqueueActions(({ context, event, enqueue }) => {
        const { change, sends = [] } = halfStep(half, context, event);
        for (const message of sends) enqueue.emit(message);
        if (change !== undefined) enqueue(assign(() => change));
      }),
    },
  }).createMachine({
    id,
    context: ({ input }) => initial(input),
    initial: 'kept',
    states: { kept: { tags: 'rest', on: Object.fromEntries(Object.keys(half).map((type) => [type, { actions: 'take' }])) } },
  });
}
