/**
 * A sequencer that stands in the middle of a run: actors and messages in flight as plain data, for
 * looking around or going on.
 */
import type { ActorId } from '../events/event.ts';
import type { ActorEngine } from './engine/port.ts';
import { type BlockSink, Sequencer } from './sequencer.ts';

/** The state of a world as plain data: what folding a journal gives. */
export interface PlainWorld {
  /** `{value, context}` by actor. */
  readonly actors: ReadonlyMap<ActorId, { readonly [key: string]: unknown }>;
  /** Queued messages; those of one channel in order of sending. */
  readonly inFlight: readonly {
    readonly seq: number;
    readonly from: ActorId;
    readonly to: ActorId;
    readonly type: string;
    readonly payload: object;
  }[];
  readonly step: number;
  readonly seq: number;
  readonly vtime: number;
}

/** The state does not fit the model: an actor is missing, or its machine has no such state. */
export class RestoreError extends Error {
  override readonly name = 'RestoreError';
}

/**
 * A sequencer in the given state. The engine must be a memo engine that has not started: it keeps
 * no state of its own.
 * @throws RestoreError naming the actor
 */
export function restore(engine: ActorEngine, world: PlainWorld, sink: BlockSink | null = null): Sequencer {
  const { store } = engine;
  const locals = store.ids.map((id, slot) => {
    const actor = world.actors.get(id);
    if (!actor) throw new RestoreError(`the state has no ${id}, which this scenario has`);
    const kind = store.kindOfSlot[slot]!;
    try {
      return store.local(kind, kind.machine.resolveState({ value: actor.value as never, context: actor.context }));
    } catch (error) {
      throw new RestoreError(`${id} cannot stand in ${JSON.stringify(actor.value)}: ${(error as Error).message}`);
    }
  });
  const sequencer = new Sequencer(engine, sink);
  sequencer.resume(locals, world);
  for (const { seq, from, to, type, payload } of world.inFlight) {
    sequencer.channels.push(store.slot(from, 'a message in flight'), store.slot(to, from), store.event({ type, ...payload, from }), seq);
  }
  return sequencer;
}
