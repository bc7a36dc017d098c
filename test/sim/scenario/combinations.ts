/**
 * Walks a mechanism's operations under combinations of its options: each scenario runs, or is
 * refused with a reason.
 */
import { knownProperties } from '../../../sim/properties/index.ts';
import { ScenarioError } from '../../../sim/scenario/issues.ts';
import { loadScenario } from '../../../sim/scenario/load.ts';
import type { ChooserSpec } from '../../../sim/session.ts';
import { play, resolved } from '../play.ts';

/** Operations with their arguments, one text for each kind of use that their code tells apart. */
export const namedIn = (table: Readonly<Record<string, readonly string[]>>): readonly string[] =>
  Object.entries(table).flatMap(([name, arguments_]) => arguments_.map((given) => `{ ${name}: ${given} }`));

type Options = Readonly<Record<string, readonly string[]>>;

/** All values of all options but the defaults, one at a time. */
export const othersIn = (options: Options, but: readonly string[] = []): readonly string[] =>
  Object.entries(options).flatMap(([name, values]) => (but.includes(name) ? [] : values.slice(1).map((value) => `${name}: '${value}'`)));

/** Two values of two options, for every two that are no defaults. */
export const pairsIn = (options: Options): readonly string[] => {
  const others = othersIn(options);
  const nameOf = (text: string): string => text.slice(0, text.indexOf(': '));
  return others.flatMap((one, index) => others.slice(index + 1).flatMap((two) => (nameOf(one) === nameOf(two) ? [] : [`${one}, ${two}`])));
};

const STEPS_MAX = 200;

/** What says why a scenario is refused, as all of them do. */
export const REASON = /^found .*; expected /;

/** Why a scenario is refused; null if it runs. A mistake of the model is thrown. */
export function refusal(text: string, how: ChooserSpec = { name: 'fifo' }, stepsMax = STEPS_MAX): string | null {
  try {
    const scenario = resolved(loadScenario(text, 'tried.yaml', knownProperties()));
    play(scenario, how, undefined, ({ sequencer }) => sequencer.step >= stepsMax);
    return null;
  } catch (error) {
    if (!(error instanceof ScenarioError)) throw new Error(text, { cause: error });
    return error.issues.map(({ message }) => message).join('; ');
  }
}
