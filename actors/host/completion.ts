/**
 * Devices that tell a CPU by an interrupt that a command is done: the handler wakes the thread that sleeps on it.
 *
 * @see kernel kernel/sched/completion.c, complete(); include/linux/wait.h, wake_up()
 */
import { type AnyStateMachine, createMachine, enqueueActions } from 'xstate';
import { type ActorId, outgoing } from '../../events/event.ts';
import { iret, irqsOn, type PcpuContext, raised } from './pcpu.ts';

export interface Completion {
  /** What waits in the IRR, and the end of the message `irq.NAME` that brings it. */
  readonly name: string;
  /** The interrupt handler, by the kernel's name. */
  readonly handler: string;
}

const SCHEDULER: ActorId = 'sched';
const HANDLERS = '#pcpu.irq';

/** The field of a CPU that says who sleeps on the completion. */
export const waiterOf = ({ name }: Completion): `${string}Waiter` => `${name}Waiter`;
const capital = ({ name }: Completion) => name[0]!.toUpperCase() + name.slice(1);
const pendingOf = (completion: Completion) => `is${capital(completion)}Pending`;
const raiseOf = (completion: Completion) => `raise${capital(completion)}`;
const wakeOf = (completion: Completion) => `wake${capital(completion)}Waiter`;

const guardOf =
  ({ name }: Completion) =>
  ({ context }: { readonly context: PcpuContext }): boolean =>
    context.irr.includes(name) && irqsOn(context);

const raise = (completion: Completion) =>
  enqueueActions(({ context, event, enqueue }) => {
    const { waiter } = event as unknown as { readonly waiter: ActorId };
    enqueue.assign({ irr: raised((context as PcpuContext).irr, completion.name), [waiterOf(completion)]: waiter } as never);
  });

const wake = (completion: Completion) =>
  enqueueActions(({ context, enqueue }) => {
    const c = context as PcpuContext;
    const waiter = c[waiterOf(completion)];
    if (waiter) enqueue.emit(outgoing(SCHEDULER, { type: 'sched.wake', thread: waiter }) as never);
    enqueue.assign({ irr: c.irr.filter((pending) => pending !== completion.name), [waiterOf(completion)]: null } as never);
  });

interface Chart {
  readonly on: Readonly<Record<string, unknown>>;
  readonly states: Readonly<Record<string, { readonly on?: { readonly exec?: readonly object[] }; readonly states?: object }>>;
}

/** Such handlers come after that of the reschedule IPI and before that of the tick: a decision, hardware goes by the vector. */
const afterFirst = <V>(items: readonly V[], added: readonly V[]): readonly V[] => [...items.slice(0, 1), ...added, ...items.slice(1)];
type Entry = readonly [string, unknown];
const named = (entries: readonly Entry[]) => Object.fromEntries(entries);

/** The interrupts are looked at where the CPU is between two steps: the first entry for `exec` is that of the reschedule IPI. */
function withEntries(state: Chart['states'][string], at: number, entries: readonly object[]): object {
  const exec = state.on!.exec!;
  return { ...state, on: { ...state.on, exec: [...exec.slice(0, at), ...afterFirst(exec.slice(at), entries)] } };
}

/** The machine of a pCPU that such devices can interrupt as well. */
export function withCompletions(machine: AnyStateMachine, completions: readonly Completion[]): AnyStateMachine {
  if (completions.length === 0) return machine;
  const { on, states } = machine.config as unknown as Chart;
  const entries = completions.map((one) => ({ guard: pendingOf(one), target: `${HANDLERS}.${one.handler}` }));
  const handlers = completions.map((one): Entry => [one.handler, iret(wakeOf(one))]);
  const arrivals = completions.map((one): Entry => [`irq.${one.name}`, { actions: raiseOf(one) }]);
  const config = {
    ...machine.config,
    on: named(afterFirst<Entry>(Object.entries(on), arrivals)),
    states: {
      ...states,
      idle: withEntries(states.idle!, 0, entries),
      // A guest that is interrupted leaves guest mode first.
      task: withEntries(states.task!, 1, entries),
      irq: { ...states.irq, states: named(afterFirst<Entry>(Object.entries(states.irq!.states!), handlers)) },
    },
  };
  const { guards, actions } = machine.implementations;
  return createMachine(
    config as never,
    {
      guards: { ...guards, ...named(completions.map((one) => [pendingOf(one), guardOf(one)])) },
      actions: {
        ...actions,
        ...named(completions.flatMap((one) => [[raiseOf(one), raise(one)] as const, [wakeOf(one), wake(one)] as const])),
      },
    } as never,
  ) as AnyStateMachine;
}
