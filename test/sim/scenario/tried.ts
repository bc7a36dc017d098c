/** Scenarios that are tried: each runs, or is refused by the checks with a reason. */
import { expect } from 'vitest';
import { knownProperties } from '../../../sim/properties/index.ts';
import { ScenarioError } from '../../../sim/scenario/issues.ts';
import { loadScenario } from '../../../sim/scenario/load.ts';
import { engineOf, play, resolved } from '../play.ts';

const KNOWN = knownProperties();
/** In order, and at random: what is asked for comes before or after what the others do. */
const ORDERS = [{ name: 'fifo' }, { name: 'random', seed: 1 }] as const;

/**
 * Why a scenario is refused; null if it runs in all orders, to its end or so many steps.
 * @throws Error with the scenario, where the model breaks its own rules
 */
export function refusal(text: string, steps: number): string | null {
  try {
    const scenario = resolved(loadScenario(text, 'tried.yaml', KNOWN));
    const engine = engineOf(scenario, 'memo');
    for (const order of ORDERS) play(scenario, order, engine, ({ sequencer }) => sequencer.step >= steps);
    return null;
  } catch (error) {
    if (!(error instanceof ScenarioError)) throw new Error(text, { cause: error });
    return error.issues.map(({ message }) => message).join('; ');
  }
}

/** All ways to give each option one of its values, as text of a scenario. */
export function settingsOf(options: Readonly<Record<string, readonly string[]>>): readonly string[] {
  return Object.entries(options).reduce<readonly string[]>(
    (settings, [name, values]) => settings.flatMap((before) => values.map((value) => `${before}${before && ', '}${name}: '${value}'`)),
    [''],
  );
}

/** Each runs, but for those whose refusal says what was found and what is expected. */
export function expectReasons(said: readonly (string | null)[]): void {
  expect(said.filter((why) => why !== null && !/^found .*; expected /.test(why))).toEqual([]);
}
