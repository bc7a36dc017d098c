/**
 * What `explore` is asked to search: a scenario, the futures of a recorded run, or what a stored
 * search is of.
 */
import { stateAt } from '../../replay/fold.ts';
import { scenarioOf } from '../../replay/model.ts';
import type { SearchImage } from '../../sim/explore/space/image.ts';
import { withLiveness } from '../../sim/properties/liveness.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import { loadReference, resolved } from '../catalog.ts';
import { usageError } from '../errors.ts';
import type { Io } from '../io.ts';
import { checkStep, withJournal } from '../journal-file.ts';
import type { SearchSubject } from './image-file.ts';
import { expectSame, resumed } from './keeping.ts';
import { checkFlags, type ExploreFlags } from './options.ts';

/**
 * A journal is told from a scenario by its ending; that of a run in progress, or of one that
 * failed, has one more.
 */
const isJournal = (reference: string): boolean => /\.wsj(\.part|\.failed)?$/.test(reference);

/** The scenario, with what `--liveness` asks besides. */
const asAsked = (scenario: ResolvedScenario, { liveness }: ExploreFlags): ResolvedScenario =>
  liveness === true ? withLiveness(scenario) : scenario;

/** What is searched, and how many states its file says that a search may take. */
interface Asked extends SearchSubject {
  readonly states?: number | undefined;
}

function subjectOf(reference: string, flags: ExploreFlags, io: Io): Promise<Asked> | Asked {
  if (!isJournal(reference)) {
    if (flags.from !== undefined) throw usageError('--from is for a journal; a scenario is searched from its start');
    const { scenario } = loadReference(reference, io);
    return { scenario: asAsked(resolved(scenario, flags), flags), from: null, prefix: [], states: scenario.bounds?.states };
  }
  if (flags.variant !== undefined || flags.mutant !== undefined || flags.set)
    throw usageError('a journal carries its variant, mutant and parameters; leave --variant, --mutant and --set out');
  return withJournal(reference, io, (journal) => {
    const { from = 0 } = flags;
    checkStep(journal, from);
    // A run starts in one way: where not even that was recorded, the scenario tells it.
    if (journal.records === 0) return { scenario: asAsked(scenarioOf(journal), flags), from: null, prefix: [] };
    const choices = [...journal.choices()].slice(0, from);
    return { scenario: asAsked(scenarioOf(journal), flags), from: stateAt(journal, from), prefix: choices.map(({ label }) => label) };
  });
}

/** What is searched, and where an earlier search of it stood. @throws CliError */
export async function askedFor(
  reference: string | undefined,
  flags: ExploreFlags,
  io: Io,
): Promise<{ readonly subject: SearchSubject; readonly image: SearchImage | null; readonly states?: number | undefined }> {
  const { resume } = flags;
  if (resume === undefined) {
    if (reference === undefined) throw usageError("missing required argument 'scenario|journal'; only --resume goes without");
    const { states, ...subject } = await subjectOf(reference, flags, io);
    checkFlags(flags, subject.from !== null);
    return { subject, image: null, states };
  }
  if (
    reference === undefined &&
    (flags.variant !== undefined || flags.mutant !== undefined || flags.set || flags.from !== undefined || flags.liveness)
  )
    throw usageError('a stored search carries its scenario; leave --variant, --mutant, --set, --from and --liveness out');
  checkFlags(flags, false);
  const { image, ...subject } = resumed(resume, io);
  if (reference === undefined) return { subject, image };
  const asked = await subjectOf(reference, flags, io);
  expectSame(resume, subject, asked);
  return { subject, image, states: asked.states };
}
