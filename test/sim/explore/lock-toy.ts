/** Parts of toys in which actors ask for a lock, and wait for who holds it. */
import { type AnyStateMachine, assign, createMachine, emit } from 'xstate';
import { outgoing, sender } from '../../../events/event.ts';
import { DEADLOCK } from '../../../sim/end.ts';
import { explore } from '../../../sim/explore/explore.ts';
import { finish } from '../../../sim/explore/turns.ts';
import type { Topology } from '../../../sim/store.ts';
import { toy } from './toy.ts';

export const LOCK_CATALOGUE = { exec: 'offer', lock: 'bus', unlock: 'bus', granted: 'bus', refused: 'bus', go: 'bus' } as const;
export const machine = (config: object): AnyStateMachine => createMachine(config as never) as unknown as AnyStateMachine;
export const offers = (...types: string[]) => ({ offers: () => types.map((type) => ({ type })), idles: true });
export const send = (to: string, type: string) => emit(outgoing(to as never, { type }) as never);
export const say = (type: string) => emit(({ event }: { event: never }) => outgoing(sender(event), { type }) as never);
export const stays = { actions: assign({}) };
export const actor = (id: string) => ({ id, kind: id.slice(0, id.indexOf(':')), input: null }) as Topology['actors'][number];

/** The deadlock that a search finds. */
export const deadlockIn = (topology: Topology) =>
  finish(explore({ scenario: toy(topology), maxStates: 10_000 })).violations.find(({ property }) => property === DEADLOCK);
