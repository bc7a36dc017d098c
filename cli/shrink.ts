/**
 * `shrink`: the least deviating run that breaks the same property, and the two steps on whose order
 * that hangs.
 */
import { scenarioOf } from '../replay/model.ts';
import { pointsOf } from '../replay/points.ts';
import type { Journal } from '../replay/reader.ts';
import { reexecute } from '../replay/reexecute.ts';
import { type CriticalPair, ShrinkError, type Shrunk, shrink } from '../replay/shrink.ts';
import { closing } from '../sim/explore/turns.ts';
import { topologyOf } from '../sim/host/topology.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';
import { stepSources } from '../sim/step-sources.ts';
import { type Call, type Command, integer } from './command.ts';
import { CliError, EXIT } from './errors.ts';
import type { Io } from './io.ts';
import { withJournal } from './journal-file.ts';
import { commandText, type Printer, styled } from './output.ts';
import type { Recorded } from './recording.ts';
import { costText, printCommands } from './report.ts';
import { drive, recordTrail } from './searching.ts';
import { checkOutput } from './target.ts';

interface ShrinkOptions {
  readonly output?: string;
  readonly time?: number;
}

/** One of the two steps of the critical pair, as people know it. */
interface NamedStep {
  readonly step: number;
  readonly label: string;
  readonly microSteps: readonly {
    readonly actor: string;
    readonly name: string;
    readonly source: string | null;
    readonly grade: string | null;
  }[];
}

function namedSteps(journal: Journal, first: number): NamedStep[] {
  const sources = stepSources(topologyOf(scenarioOf(journal)).machines);
  return [...pointsOf(journal)]
    .filter(({ step }) => step === first || step === first + 1)
    .map(({ step, label, microSteps }) => ({
      step,
      label,
      microSteps: microSteps.map(({ actor, name }) => {
        const known = sources.get(name);
        return { actor, name, source: known?.source ?? null, grade: known?.grade ?? null };
      }),
    }));
}

/**
 * The critical pair by name, and the journal in which its two steps are neighbours: the shrunk one,
 * or one of its own.
 */
interface Critical {
  readonly steps: readonly NamedStep[];
  readonly journal: string | null;
}

async function criticalSteps(scenario: ResolvedScenario, pair: CriticalPair, shrunk: Recorded, io: Io): Promise<Critical> {
  const labels = [...shrunk.journal.choices()].map(({ label }) => label);
  if (labels.join('\n') === pair.labels.join('\n')) return { steps: namedSteps(shrunk.journal, pair.step), journal: shrunk.path };
  const recorded = await recordTrail({ scenario, labels: pair.labels, io });
  const steps = namedSteps(recorded.journal, pair.step);
  recorded.close();
  return { steps, journal: recorded.path };
}

function print(printer: Printer, shrunk: Shrunk, critical: Critical | null, recorded: Recorded): void {
  printer.line(`before: ${costText(shrunk.before)}`);
  printer.line(
    `after:  ${costText(shrunk.after)}`,
    styled('dim', shrunk.optimal ? '   no schedule is smaller' : '   smaller ones may exist'),
  );
  if (!critical) printer.line('no two neighbouring steps can change places and flip the verdict');
  else {
    const where = critical.journal === recorded.path ? '' : ` in ${critical.journal}, where they are neighbours`;
    printer.line(styled('bold', 'critical pair'), `${where}: in the other order the property does not break`);
  }
  for (const { step, label, microSteps } of critical?.steps ?? []) {
    printer.line(`  ${step}  ${label}`);
    for (const { actor, name, source, grade } of microSteps)
      printer.line(`        ${actor}@${name}`, styled('dim', source ? `   ${source} (${grade})` : ''));
  }
  const { path, steps } = recorded;
  if (path !== null)
    printCommands(printer, [
      ['show', path, '--step', String(steps)],
      ['replay', path],
    ]);
}

async function run({ io, out, err, json, args, options: given }: Call): Promise<number> {
  const options = given as ShrinkOptions;
  const [file] = args as [string];
  return withJournal(file, io, async (journal) => {
    const property = journal.end?.violation?.property;
    if (property === undefined) {
      throw new CliError({
        code: 'no_violation',
        exit: EXIT.usage,
        message: `${file} ${journal.sealed ? 'shows no violation' : 'is not sealed and tells no verdict'}, so there is nothing to shrink`,
        attempt: 'worldswitch explore on its scenario finds one, if there is one',
      });
    }
    if (options.output !== undefined) checkOutput(options.output, io, { json });
    const scenario = scenarioOf(journal);
    const labels = [...journal.choices()].map(({ label }) => label);
    const { result, interrupted } = await drive(closing(shrunkOrTold(shrink(scenario, labels, property), file)), io, {
      seconds: options.time,
      what: `shrink ${file}`,
    });
    const recorded = await recordTrail({
      scenario,
      labels: result.labels,
      shows: property,
      output: options.output,
      io,
    });
    try {
      // Nothing is called shrunk that does not replay, twice, to the same violation.
      for (const pass of [1, 2]) {
        if (!reexecute(recorded.journal).identical || recorded.end.violation?.property !== property)
          throw new Error(`replay ${pass} of the shrunk journal differs`);
      }
      const critical = result.critical ? await criticalSteps(scenario, result.critical, recorded, io) : null;
      if (json)
        out.json({
          property,
          before: result.before,
          after: result.after,
          optimal: result.optimal,
          critical: critical?.steps ?? null,
          criticalJournal: critical?.journal ?? null,
          journal: recorded.path,
        });
      else print(options.output === '-' ? err : out, result, critical, recorded);
      return interrupted ? EXIT.partial : EXIT.ok;
    } finally {
      recorded.close();
    }
  });
}

/** A schedule that no longer breaks anything is an error of the input, not an internal one. */
function* shrunkOrTold(search: ReturnType<typeof shrink>, file: string): ReturnType<typeof shrink> {
  try {
    return yield* search;
  } catch (error) {
    if (!(error instanceof ShrinkError)) throw error;
    throw new CliError({
      code: 'not_reproduced',
      exit: EXIT.broken,
      message: `${file}: ${error.message}`,
      attempt: `${commandText(['replay', file])} says where the model differs`,
    });
  }
}

export const COMMAND: Command = {
  operands: '<journal>',
  details: [
    'Smaller means fewer disturbances, then fewer preemptions, then fewer switches, then fewer steps. The result is replayed twice before it is reported.',
    'The critical pair are two neighbouring steps: with them exchanged the property does not break.',
  ],
  options: [
    { flags: '-o, --output <file>', description: 'the shrunk journal (default: ./worldswitch-runs/<run id>.wsj); - for standard output' },
    { flags: '--time <s>', description: 'seconds to search for the optimum', parse: integer(1) },
  ],
  examples: [['shrink worldswitch-runs/RUN.wsj', 'the least deviating run that breaks the same property']],
  run,
};
