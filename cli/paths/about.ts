/** `paths --about`: what a module can patch, fill, import and say on the host of a scenario. */
import * as extend from '../../api/extend.ts';
import * as kit from '../../api/kit.ts';
import type { Site } from '../../sim/paths/sites.ts';
import { type SlotRow, slotsOn } from '../../sim/paths/slot-places.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import type { Topology } from '../../sim/store.ts';
import { type Printer, styled, table } from '../output.ts';

/** The host that is asked about. */
export interface Asked {
  readonly scenario: ResolvedScenario;
  readonly topology: Topology;
  readonly paths: ReadonlyMap<string, readonly Site[]>;
}

export interface About {
  readonly patches: { readonly paths: readonly string[]; readonly machines: readonly string[]; readonly functions: readonly string[] };
  readonly slots: readonly SlotRow[];
  /** Values that `worldswitch/extend` exports; docs/api-report.md has its types. */
  readonly imports: readonly string[];
  /** The same of `worldswitch/kit`. */
  readonly kit: readonly string[];
  readonly messages: readonly { readonly type: string; readonly travels: string; readonly takenBy: readonly string[] }[];
}

const PATCHING = ['replaceStep', 'withoutSteps', 'swapSteps', 'hasStep', 'hostPatch', 'guestPatch', 'joinPatches'];

/** What there is on the host of a scenario. */
export function aboutOf({ scenario, topology, paths }: Asked): About {
  const { machines, catalogue } = topology;
  const takenBy = (type: string): string[] =>
    Object.entries(machines).flatMap(([kind, machine]) => ((machine.events as readonly string[]).includes(type) ? [kind] : []));
  return {
    patches: { paths: [...paths.keys()], machines: Object.keys(machines), functions: PATCHING },
    slots: scenario.model === undefined ? slotsOn(scenario) : [],
    imports: Object.keys(extend).sort(),
    kit: Object.keys(kit).sort(),
    messages: Object.entries(catalogue).map(([type, travels]) => ({ type, travels, takenBy: takenBy(type) })),
  };
}

export const filledText = (filledBy: SlotRow['filledBy']): string =>
  filledBy.map(({ owner, keys }) => (keys.length > 0 ? `${owner} (${keys.join(', ')})` : owner)).join('; ') || 'nothing';

/** What the words of a line of pseudo-code mean. */
export const WORDS: readonly (readonly [word: string, means: string])[] = [
  ['asks T of K; takes A -> x', 'a bus message and its answer, in the same step; the answer sets the local x'],
  ['sends T to K', 'a bus message: K takes it within the step'],
  ['sends T to K (queued)', 'it stays in flight; its delivery is a step of its own. (latched): as one that is in flight already'],
  ['may send T', 'the text of the step names it, and no try has said it'],
  ['sends what a run decides', 'no try has said anything'],
  ['ends on A', 'a message that ends the step unasked'],
  ['preempt, spin, irqs, mode, insn', 'the context changes for the steps behind it'],
  ['mayResched', 'a voluntary reschedule point'],
  ['sleeps', 'never with preemption or interrupts off: checked when the path is expanded'],
  ['idles, yields', 'it may change nothing and wait; it lets others go first'],
  ['rests, computes, chooses, awaits', 'may stay here; counts as progress; offers several ways; only a message ends it'],
  ['when, decided at the end of S', 'the first case that holds after S. Others may run before the step that follows'],
  ['note, with', 'locals are set at the end of the step before'],
  ['[slot N: M]', 'the mechanism M has put this into the slot N of KVM'],
];

export function printAbout(printer: Printer, asked: Asked, json: boolean): void {
  const about = aboutOf(asked);
  if (json) {
    printer.json(about);
    return;
  }
  const { name, variant } = asked.scenario;
  const title = (text: string): void => printer.line(styled('bold', text));
  title('Words');
  table(printer, WORDS);
  printer.line();
  title(`What can be patched in ${name}, variant ${variant}`);
  printer.line(`  patch().paths, by name: ${about.patches.paths.join(', ')}`);
  printer.line(`  patch().machines, by kind: ${about.patches.machines.join(', ')}`);
  printer.line(`  Functions for it: ${about.patches.functions.join(', ')}. worldswitch paths NAME says what replaceStep finds.`);
  printer.line();
  if (about.slots.length > 0) {
    title('Slots of KVM, which kvm() of a mechanism fills');
    table(
      printer,
      about.slots.map(({ slot, says, paths, filledBy }) => [
        slot,
        `${says}${paths.length > 0 ? ` [${paths.join(', ')}]` : ''}; filled by ${filledText(filledBy)}`,
      ]),
    );
    printer.line();
  }
  title('What worldswitch/extend exports besides types');
  printer.line(`  ${about.imports.join(', ')}`);
  printer.line();
  title('What worldswitch/kit exports: primitives of the kernel, docs/kit.md');
  printer.line(`  ${about.kit.join(', ')}`);
  printer.line();
  title('What can be sent: how it travels, and whose machines take it');
  table(
    printer,
    about.messages.map(({ type, travels, takenBy }) => [type, travels, takenBy.join(', ') || 'no actor of this scenario']),
  );
}
