/**
 * Wake-ups for nothing: a thread that blocks in KVM_RUN is woken, looks, and sleeps again. Nothing
 * in the model wakes a vCPU that has nothing to do.
 */
import type { Act, Need } from './need.ts';

/** Needs of a thread that say that it has not slept again at once. */
const GOES_ON: readonly Act['type'][] = ['entry', 'exit', 'user-exit', 'run', 'return', 'signal'];

const isOf = ({ act }: Need, thread: number): boolean =>
  act.type === 'switch' ? act.prev === thread || act.next === thread : 'thread' in act && act.thread === thread;
const leaves = ({ act }: Need, thread: number): boolean => act.type === 'switch' && act.prev === thread;

/** The needs between a wake-up and the sleep that follows at once; none if the thread goes on. */
function vainFrom(needs: readonly Need[], at: number, thread: number): readonly Need[] {
  const found: Need[] = [];
  for (let next = at + 1; next < needs.length; next++) {
    const need = needs[next]!;
    if (!isOf(need, thread)) continue;
    if (GOES_ON.includes(need.act.type)) return [];
    found.push(need);
    if (leaves(need, thread)) return need.act.type === 'switch' && need.act.state === 'sleeps' ? found : [];
  }
  return [];
}

/** A switch without the thread in it: who ran before it, or after it, runs on. */
function without({ act, ...need }: Need, thread: number): Need[] {
  if (act.type !== 'switch') return [];
  const prev = act.prev === thread ? null : act.prev;
  const next = act.next === thread ? null : act.next;
  return prev === null && next === null ? [] : [{ ...need, act: { ...act, prev, next } }];
}

/** Takes such wake-ups out, and what their threads did by them. */
export function withoutVain(needs: readonly Need[], threads: number): Need[] {
  const out = new Map<Need, number>();
  for (let thread = 0; thread < threads; thread++) for (const need of vainOf(needs, thread)) out.set(need, thread);
  return needs.flatMap((need) => {
    const thread = out.get(need);
    if (thread === undefined) return [need];
    return need.act.type === 'wake' ? [{ ...need, act: { type: 'vain', thread } }] : without(need, thread);
  });
}

/** Of a thread that sleeps in KVM_RUN: its wake-ups for nothing, and what follows each. */
function vainOf(needs: readonly Need[], thread: number): Need[] {
  let isInKvm = false;
  let sleeps = false;
  return needs.flatMap((need, at) => {
    const { act } = need;
    if (!isOf(need, thread)) return [];
    if (act.type === 'switch' && act.prev === thread) sleeps = isInKvm && act.state === 'sleeps';
    if (act.type === 'return' || act.type === 'user-exit') isInKvm = false;
    else if (act.type === 'run' || act.type === 'entry' || act.type === 'exit') isInKvm = true;
    if (act.type !== 'wake' || !sleeps) return [];
    const vain = vainFrom(needs, at, thread);
    return vain.length > 0 ? [need, ...vain] : [];
  });
}
