/**
 * A host whose threads are changed so that what they answer the scheduler hangs on their programs:
 * no configuration may stand for others, and the verdict is that of the search over all states.
 */

import { describe, expect, it } from 'vitest';
import { type AnyStateMachine, assign, createMachine } from 'xstate';
import { ClassError } from '../../../../sim/explore/classes/class-error.ts';
import { classesOrAll, explore } from '../../../../sim/explore/explore.ts';
import type { Exploration } from '../../../../sim/explore/request.ts';
import { finish } from '../../../../sim/explore/turns.ts';
import { register } from '../../../../sim/host/registry.ts';
import { resolved, shipped } from '../../play.ts';
import { verdictsOf } from './against-plain.ts';

const STATES = 10_000;

/** States that are few enough to be searched one by one. */
const FEW = 50;

const isOverClasses = ({ guarantee }: Exploration): boolean => guarantee.some((line) => line.startsWith('Scheduler classes:'));

/** Threads whose flags hang on how far they are, where the context switch saves them. */
function forgetful(machine: AnyStateMachine): AnyStateMachine {
  const { notify, ...states } = (machine.config as { readonly states: Readonly<Record<string, Region>> }).states;
  const { none, ...rest } = notify!.states;
  const swapOut = none!.on['sched.swapOut']!;
  const marks = assign({ notifyResume: ({ context }: { context: { readonly pc: number } }) => context.pc > 0 } as never);
  const on = { ...none!.on, 'sched.swapOut': { ...swapOut, actions: [swapOut.actions, marks].flat() } };
  const changed = { ...machine.config, states: { ...states, notify: { ...notify, states: { ...rest, none: { ...none, on } } } } };
  return createMachine(changed as never).provide(machine.implementations as never) as AnyStateMachine;
}

interface Region {
  readonly states: Readonly<Record<string, { readonly on: Readonly<Record<string, { readonly actions: unknown }>> }>>;
}

describe('a host whose threads answer the scheduler by their programs', () => {
  const scenario = () =>
    resolved({
      name: 'forgetful',
      summary: 'Two threads on a CPU',
      host: { arch: 'amd', cpus: 1 },
      processes: {
        p: {
          threads: [
            [{ compute: {} }, { compute: {} }],
            [{ compute: {} }, { compute: {} }],
          ],
        },
      },
    });
  const patched = <T>(look: () => T): T => {
    const undo = register({ name: 'forgetful', arches: ['amd'], patch: () => ({ machines: { hostThread: forgetful } }) });
    try {
      return look();
    } finally {
      undo();
    }
  };
  const searched = (scheduler: boolean | 'where-it-applies') =>
    patched(() => finish(explore({ scenario: scenario(), maxStates: STATES, scheduler })));

  it('is refused', () => {
    expect(() => searched(true)).toThrow(ClassError);
    expect(() => searched(true)).toThrow('hangs on its program');
  });

  it('is searched state by state where classes are taken where they apply', () => {
    const [plain, other] = [searched(false), searched('where-it-applies')];
    expect(verdictsOf(other)).toEqual(verdictsOf(plain));
    expect(other.states).toBe(plain.states);
  });

  it('is searched over classes as it is shipped', () => {
    const [classes, plain] = [true, false].map((scheduler) => finish(explore({ scenario: scenario(), maxStates: STATES, scheduler })));
    expect(classes!.states).toBeLessThan(plain!.states);
  });

  describe('where there are more states than are searched one by one', () => {
    const classesOr = (few: number, maxStates = STATES) => finish(classesOrAll({ scenario: scenario(), maxStates }, few));

    it('is searched state by state all the same, and says what that says', () => {
      const [plain, other] = [searched(false), patched(() => classesOr(FEW))];
      expect(plain.states).toBeGreaterThan(FEW);
      expect({ ...other, ledger: null }).toEqual({ ...plain, ledger: null });
    });

    it('is searched over classes as it is shipped, and state by state where there are few', () => {
      expect([classesOr(FEW), classesOr(STATES - 1), classesOr(FEW, FEW)].map(isOverClasses)).toEqual([true, false, false]);
    });
  });
});

describe('a search that may go over to classes', () => {
  it('ends where it is stopped before', () => {
    const search = classesOrAll({ scenario: shipped('rmpadjust-vs-rmpupdate', 'inuse'), maxStates: 1_000_000 }, 500_000);
    expect(search.next().done).toBe(false);
    let turn = search.next(true);
    while (!turn.done) turn = search.next(true);
    expect(turn.value).toMatchObject({ exhausted: false, limit: 'stopped' });
    expect(isOverClasses(turn.value)).toBe(false);
  });
});
