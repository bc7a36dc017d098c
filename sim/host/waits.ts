/**
 * Which threads wait for another: a thread has asked for something and was refused, and has not
 * been granted it since. Runs are compared by the longest wait.
 */
import type { HostThread } from '../../actors/host/host-env.ts';
import { ModelError, thrownText } from '../engine/port.ts';
import type { ResolvedScenario } from '../scenario/types.ts';
import type { Store } from '../store.ts';
import type { Waits } from './mechanism.ts';
import { mechanismsOf } from './registry.ts';

type Host = Pick<ResolvedScenario['host'], 'arch' | 'options'>;

/**
 * A lock, a mutex, a semaphore: the thread sleeps, or spins, between two questions. Machines of
 * another model may lack the field.
 */
const wasRefused: Waits = ({ context: { frames } }) => frames?.code?.granted === false;

/** A module of the user's own may answer anything, and a promise would count as yes. */
function answerOf(one: Waits, ...args: Parameters<Waits>): boolean {
  let answer: unknown;
  try {
    answer = one(...args);
  } catch (error) {
    throw new ModelError(`waits throws: ${thrownText(error)}`, { cause: error });
  }
  if (typeof answer === 'boolean') return answer;
  throw new ModelError(`waits answered ${typeof answer === 'object' ? 'an object' : String(answer)}; expected true or false`);
}

/** For each slot whether the actor in it waits, by its local state: each is looked at once. */
export function waitsIn(store: Store, { arch, options }: Host): (slot: number, local: number) => boolean {
  const waits = [wasRefused, ...mechanismsOf(arch).flatMap((mechanism) => mechanism.waits ?? [])];
  const known: boolean[][] = store.kinds.map(() => []);
  return (slot, local) => {
    const kind = store.kindOfSlot[slot]!;
    if (kind.name !== 'hostThread') return false;
    const answers = known[kind.index]!;
    if (answers[local] === undefined) {
      const { value, context } = kind.locals.values[local]!;
      answers[local] = waits.some((one) => answerOf(one, { value, context: context as unknown as HostThread }, options));
    }
    return answers[local];
  };
}
