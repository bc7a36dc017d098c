/**
 * Walks a mechanism's operations under combinations of its options: each scenario runs, or is
 * refused with a reason.
 */
import { expect } from 'vitest';
import { knownProperties } from '../../../sim/properties/index.ts';
import { ScenarioError } from '../../../sim/scenario/issues.ts';
import { loadScenario } from '../../../sim/scenario/load.ts';
import type { ChooserSpec } from '../../../sim/session.ts';
import { engineOf, play, resolved } from '../play.ts';

/** Operations with their arguments, one text for each kind of use that their code tells apart. */
export const namedIn = (table: Readonly<Record<string, readonly string[]>>): readonly string[] =>
  Object.entries(table).flatMap(([name, arguments_]) => arguments_.map((given) => `{ ${name}: ${given} }`));

type Options = Readonly<Record<string, readonly string[]>>;

const setting = (name: string, value: string): string => `${name}: '${value}'`;

/** All values of all options but the defaults, one at a time. */
export const othersIn = (options: Options, but: readonly string[] = []): readonly string[] =>
  Object.entries(options).flatMap(([name, values]) => (but.includes(name) ? [] : values.slice(1).map((value) => setting(name, value))));

/** Two values of two options, for every two that are no defaults. */
export const pairsIn = (options: Options): readonly string[] => {
  const others = othersIn(options);
  const nameOf = (text: string): string => text.slice(0, text.indexOf(': '));
  return others.flatMap((one, index) => others.slice(index + 1).flatMap((two) => (nameOf(one) === nameOf(two) ? [] : [`${one}, ${two}`])));
};

/** All ways to give each option one of its values. */
export const settingsOf = (options: Options): readonly string[] =>
  Object.entries(options).reduce<readonly string[]>(
    (all, [name, values]) =>
      all.flatMap((before) => values.map((value) => [...(before === '' ? [] : [before]), setting(name, value)].join(', '))),
    [''],
  );

/**
 * Few settings of all options in which each value of one meets each value of every other: a product
 * of so many options has no end.
 */
export function pairsOf(options: Options): readonly string[] {
  const names = Object.keys(options);
  const key = (a: string, x: string, b: string, y: string) => (a < b ? `${a}=${x} ${b}=${y}` : `${b}=${y} ${a}=${x}`);
  const missing = new Map<string, readonly [string, string, string, string]>();
  for (const [i, a] of names.entries()) {
    for (const b of names.slice(i + 1)) {
      for (const x of options[a]!) for (const y of options[b]!) missing.set(key(a, x, b, y), [a, x, b, y]);
    }
  }
  const rows: string[] = [];
  for (const [a, x, b, y] of missing.values()) {
    const chosen: [string, string][] = [
      [a, x],
      [b, y],
    ];
    const gain = (name: string, value: string) => chosen.filter(([other, one]) => missing.has(key(name, value, other, one))).length;
    for (const name of names.filter((each) => each !== a && each !== b)) {
      const [best] = [...options[name]!].sort((one, other) => gain(name, other) - gain(name, one));
      chosen.push([name, best!]);
    }
    for (const [i, [name, value]] of chosen.entries()) {
      for (const [other, one] of chosen.slice(i + 1)) missing.delete(key(name, value, other, one));
    }
    rows.push(chosen.map(([name, value]) => setting(name, value)).join(', '));
  }
  return rows;
}

/** Every nth, from one of the first n on: callers that go on by one share out the whole list. */
export const every = <T>(n: number, list: readonly T[], from = 0): readonly T[] => list.filter((_, i) => i % n === from % n);

interface Walk {
  readonly orders?: readonly ChooserSpec[];
  readonly stepsMax?: number;
}

/**
 * Why a scenario is refused; null if it runs in all orders, to its end or so many steps.
 * @throws Error with the scenario, where the model breaks its own rules
 */
export function refusal(text: string, { orders = [{ name: 'fifo' }], stepsMax = 200 }: Walk = {}): string | null {
  try {
    const scenario = resolved(loadScenario(text, 'tried.yaml', knownProperties()));
    const engine = engineOf(scenario, 'memo');
    for (const order of orders) play(scenario, order, engine, ({ sequencer }) => sequencer.step >= stepsMax);
    return null;
  } catch (error) {
    if (!(error instanceof ScenarioError)) throw new Error(text, { cause: error });
    return error.issues.map(({ message }) => message).join('; ');
  }
}

/** Each runs, but for those whose refusal says what was found and what is expected. */
export function expectReasons(said: readonly (string | null)[]): void {
  expect(said.filter((why) => why !== null && !/^found .*; expected /.test(why))).toEqual([]);
}
