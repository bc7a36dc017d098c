/** A mutant that gives a machine other guards or actions, by name. */
import type { AnyStateMachine } from 'xstate';
import type { Mutant } from '../../host/mechanism.ts';

export const provided = (kind: string, summary: string, parts: object): Mutant => ({
  summary,
  machines: { [kind]: (machine: AnyStateMachine) => machine.provide(parts as never) as AnyStateMachine },
});
