/**
 * Every known error as one clear message: what is wrong, what was expected, what to try; and the
 * exit code that tells scripts the same.
 */

import { codeOf, type JournalWriteError } from '../replay/errors.ts';

export const EXIT = { ok: 0, broken: 1, usage: 2, damaged: 3, partial: 4, internal: 70 } as const;

export interface Failure {
  /** A name for programs: words joined by `_`, never changed. */
  readonly code: string;
  readonly exit: number;
  readonly message: string;
  readonly expected?: string;
  readonly attempt?: string;
}

/** A failure that a command explains itself. */
export class CliError extends Error {
  override readonly name = 'CliError';
  readonly failure: Failure;
  constructor(failure: Failure, options?: ErrorOptions) {
    super(failure.message, options);
    this.failure = failure;
  }
}

/** The command line is wrong. */
export const usageError = (message: string, rest: { readonly expected?: string; readonly attempt?: string } = {}): CliError =>
  new CliError({ code: 'usage', exit: EXIT.usage, message, ...rest });

const rule = (code: string, exit: number, rest: { readonly expected?: string; readonly attempt?: string } = {}) => ({
  code,
  exit,
  ...rest,
});

const JOURNAL_EXPECTED = 'a journal that a run of worldswitch has written';
const SALVAGE = 'worldswitch verify FILE names the place; another copy of the file, or the same run again';

/** By the name of the error: `instanceof` would load every module that can throw. */
const RULES: Readonly<Record<string, Omit<Failure, 'message'>>> = {
  ScenarioError: rule('scenario_invalid', EXIT.usage, {
    attempt: 'worldswitch check FILE lists every mistake; docs/scenarios.md explains the keys',
  }),
  // A model for which a reduction does not hold, and one that is too wide for a search.
  ClassError: rule('usage', EXIT.usage),
  SizeError: rule('usage', EXIT.usage),
  UnknownVariantError: rule('unknown_variant', EXIT.usage, { attempt: 'worldswitch scenarios NAME lists the variants' }),
  UnknownMutantError: rule('unknown_mutant', EXIT.usage, { attempt: 'worldswitch machines --scenario NAME lists the mutants' }),
  UnknownParameterError: rule('unknown_parameter', EXIT.usage, { attempt: 'worldswitch scenarios NAME lists the parameters' }),
  ParameterValueError: rule('parameter_value', EXIT.usage),
  ResolvedScenarioError: rule('journal_scenario', EXIT.damaged, {
    expected: 'a journal whose scenario this version can run',
    attempt: 'worldswitch replay FILE --fold, which needs no model',
  }),
  JournalModulesError: rule('journal_modules', EXIT.usage, {
    expected: '--models with the files that the run had, and no others',
    attempt: 'worldswitch replay FILE --fold, which needs none of them',
  }),
  MechanismError: rule('mechanism_invalid', EXIT.usage, { attempt: 'docs/extend.md explains what a module exports' }),
  KitError: rule('mechanism_invalid', EXIT.usage, { attempt: 'docs/kit.md explains what a race is made of' }),
  MapError: rule('map_invalid', EXIT.usage, { attempt: 'docs/real-kernels.md has the format of a map' }),
  PatchError: rule('patch_does_not_fit', EXIT.usage, {
    attempt: 'worldswitch paths NAME --scenario SCENARIO shows a path and what replaceStep finds in it',
  }),
  ScheduleError: rule('schedule_does_not_fit', EXIT.usage, { expected: 'choices that this scenario, variant and model have at that step' }),
  PointError: rule('unknown_point', EXIT.usage, { attempt: 'worldswitch show FILE --points' }),
  InjectError: rule('no_such_alternative', EXIT.usage, {
    attempt: 'worldswitch show FILE --step N, where N is the step before, lists what can be chosen',
  }),
  RestoreError: rule('foreign_state', EXIT.broken, {
    expected: 'a journal of this model',
    attempt: 'worldswitch replay FILE --fold, which needs no model',
  }),
  FoldError: rule('journal_damaged', EXIT.damaged, { expected: 'records that give the digests beside them', attempt: SALVAGE }),
  NotAJournalError: rule('not_a_journal', EXIT.damaged, { expected: JOURNAL_EXPECTED }),
  JournalTooNewError: rule('journal_too_new', EXIT.damaged, { attempt: 'a newer version of worldswitch' }),
  JournalTornError: rule('journal_torn', EXIT.damaged, {
    expected: JOURNAL_EXPECTED,
    attempt: 'the same run again: nothing of it was recorded',
  }),
  JournalDamagedError: rule('journal_damaged', EXIT.damaged, { expected: 'the bytes that were written', attempt: SALVAGE }),
  WrongRootError: rule('wrong_root', EXIT.broken, { expected: 'the journal that the root was printed for' }),
  JournalError: rule('journal_damaged', EXIT.damaged, { expected: JOURNAL_EXPECTED }),
  SearchFileError: rule('search_damaged', EXIT.damaged, {
    expected: 'a file that explore --checkpoint has written',
    attempt: 'another copy of the file, or the search from its start',
  }),
  ForeignSearchError: rule('search_foreign', EXIT.damaged, { attempt: 'the search from its start' }),
  ImportError: rule('cannot_import', EXIT.usage),
  TraceError: rule('not_a_recording', EXIT.usage),
  ServerStartError: rule('cannot_serve', EXIT.usage),
  ModelError: rule('model', EXIT.internal),
  UnhandledEventError: rule('model', EXIT.internal),
};

/** What the system says, in words. */
const SYSTEM: Readonly<Record<string, { readonly says: string; readonly attempt?: string }>> = {
  ENOENT: { says: 'there is no such file or folder' },
  ENOTDIR: { says: 'a part of the path is a file, not a folder' },
  EEXIST: { says: 'a file stands there; expected a folder, or nothing' },
  EISDIR: { says: 'it is a folder; expected a file' },
  EACCES: { says: 'permission denied' },
  EPERM: { says: 'the system does not permit it' },
  EROFS: { says: 'the file system is read-only', attempt: 'another place: -o FILE' },
  ENOSPC: { says: 'the disk is full', attempt: 'another place: -o FILE; or --mode memory, which writes none' },
  EDQUOT: { says: 'the quota is used up', attempt: 'another place: -o FILE' },
  EFBIG: { says: 'the file would be too big for this file system or user' },
  EMFILE: { says: 'too many files are open' },
  ENAMETOOLONG: { says: 'the name is too long' },
  ELOOP: { says: 'too many symbolic links' },
  EIO: { says: 'the disk, or what stands for it, gave an error' },
  ENXIO: { says: 'there is nothing that takes or gives bytes' },
  ESHORT: { says: 'it takes no more bytes' },
};

/** An error that a call of the system gave, whether it has words here or not. */
const isOfSystem = (error: unknown): boolean => Object.hasOwn(SYSTEM, codeOf(error)) || (error instanceof Error && 'syscall' in error);

/** A place that cannot be read or written. */
export function fileError(error: unknown, path: string, doing: 'read' | 'write'): Error {
  const code = codeOf(error);
  if (!isOfSystem(error)) return error instanceof Error ? error : new Error(String(error));
  const message = `cannot ${doing} ${path}: ${SYSTEM[code]?.says ?? code}`;
  return new CliError({
    code: doing === 'read' ? 'cannot_read' : 'cannot_write',
    exit: EXIT.usage,
    message,
  });
}

function writeFailure(error: Error): Failure {
  const { path, operation, code, kept } = error as JournalWriteError;
  if (code === 'EEXIST') {
    return {
      code: 'cannot_write',
      exit: EXIT.usage,
      message: `${path} exists: another run writes it, or one was killed`,
      expected: 'a name that no other run writes',
      attempt: `worldswitch show ${path} shows what it holds; remove it, or give another name with -o`,
    };
  }
  const { says = code, attempt = undefined } = SYSTEM[code] ?? {};
  return {
    code: 'cannot_write',
    exit: EXIT.usage,
    message: `cannot ${operation} ${path}: ${says}; ${kept === null ? 'under the final name nothing has changed' : `the whole file is ${kept}`}`,
    ...(attempt && { attempt }),
  };
}

/** What commander says is wrong, without its prefix and with its suggestion as a question. */
function usageFailure(message: string): Failure {
  const text = message.replace(/^error: /, '').replace(/\n?\(Did you mean (.*)\?\)$/s, '; did you mean $1?');
  return { code: 'usage', exit: EXIT.usage, message: text };
}

const REPORT = 'the same command with WORLDSWITCH_DEBUG=1, and a report with its output: this is a mistake in worldswitch';

/**
 * A failure of the model while modules of the user's own take part: most likely theirs, so the
 * message does not ask for a report.
 */
export const blamed = (failure: Failure, files: readonly string[]): Failure => ({
  code: 'models_fail',
  exit: EXIT.usage,
  message: `${failure.message.replace(/^internal error: /, '')}\n  while ${files.join(', ')} took part`,
  ...(failure.expected !== undefined && { expected: failure.expected }),
  attempt:
    'WORLDSWITCH_DEBUG=1, which shows where; docs/extend.md has the rules. A scenario that needs no module tells whose mistake it is without --models',
});

/** What an error itself says was expected, and what to try. */
function adviceOf(error: Error): Pick<Failure, 'expected' | 'attempt'> {
  const { expected, attempt } = error as { readonly expected?: unknown; readonly attempt?: unknown };
  return { ...(typeof expected === 'string' && { expected }), ...(typeof attempt === 'string' && { attempt }) };
}

/** Any error as a failure. */
export function failureOf(error: unknown): Failure {
  if (error instanceof CliError) return error.failure;
  if (!(error instanceof Error)) return { code: 'internal', exit: EXIT.internal, message: String(error), attempt: REPORT };
  const known = Object.hasOwn(RULES, error.name) ? RULES[error.name] : undefined;
  if (known) return { ...known, message: error.message, ...adviceOf(error) };
  if (error.name === 'JournalWriteError') return writeFailure(error);
  const code = codeOf(error);
  if (code.startsWith('commander.')) return usageFailure(error.message);
  const system = SYSTEM[code];
  if (system) {
    const path = 'path' in error ? ` ${String(error.path)}` : '';
    return { code: 'system', exit: EXIT.usage, message: `cannot use${path}: ${system.says}` };
  }
  return { code: 'internal', exit: EXIT.internal, message: `internal error: ${error.message}`, attempt: REPORT };
}

/** A failure as the JSON document of a command. */
export const failureDocument = ({ code, exit, message, expected, attempt }: Failure) => ({
  error: { code, exit, message, expected: expected ?? null, try: attempt ?? null },
});
