/**
 * The map: which functions, events and exits of a recorded kernel stand for which micro-steps and
 * exits of the model. It comes from YAML, so that a user can say more for functions of his own.
 *
 * A place is the dotted end or middle of a micro-step's name: `KVM_RUN.ioctl` is that step wherever
 * KVM_RUN is called, and `svm_vcpu_run` all steps of the function.
 */
import { didYouMean } from '../../events/nearest.ts';
import { type Path, pathText, type ScenarioIssue, shown } from '../../sim/scenario/issues.ts';
import { readYaml } from '../../sim/scenario/yaml.ts';

/** What one function or event stands for. */
export interface Meaning {
  /** It begins, or is told, where one of these micro-steps runs next. */
  readonly at: readonly string[];
  /** It is told when one of these has run, and nothing after it. */
  readonly after: readonly string[];
  /** Its return is told where one of these runs next. */
  readonly returns: readonly string[];
  /** Only in a turn that has entered the guest, or only in one that has not. */
  readonly entered: boolean | null;
  /** The micro-step may also run without it. */
  readonly optional: boolean;
  /** KVM_RUN begins here. */
  readonly begins: boolean;
}

/** A map, whole. */
export interface TraceMap {
  /** The files that it is made of, the most general first. */
  readonly files: readonly string[];
  readonly vendor: string;
  readonly kernel: string;
  /** By name, or by `caller>name`. */
  readonly functions: ReadonlyMap<string, Meaning>;
  readonly events: ReadonlyMap<string, Meaning>;
  /** Exits of the model, by reason as the recording has it, in small letters. */
  readonly exits: ReadonlyMap<string, readonly string[]>;
  /** Functions in which a callee that has no name here may be a micro-step. */
  readonly inside: ReadonlySet<string>;
  /** Functions that only KVM_RUN calls: an ioctl without them is another one. */
  readonly runs: ReadonlySet<string>;
  /** Functions that may sleep or reschedule, and of which the model has no step. */
  readonly sleeps: ReadonlySet<string>;
  /** Micro-steps that call schedule() where need_resched is set: sched_switch says R, not R+. */
  readonly schedules: readonly string[];
  /** Exits, by reason, whose handlers may sleep or reschedule in steps that the model has not. */
  readonly sleepingExits: ReadonlySet<string>;
  /** Functions that stand for no micro-step; an end of `*` stands for any text. */
  readonly known: readonly string[];
}

/** One file of a map. */
export interface MapFile extends Partial<Omit<TraceMap, 'files'>> {
  readonly file: string;
  readonly extends?: string;
}

/** A file is no map. */
export class MapError extends Error {
  override readonly name = 'MapError';
}

/** Events that can stand for a micro-step; `ioctl` and `ioctl_end` are those of KVM_RUN. */
const MAPPED_EVENTS = ['ioctl', 'ioctl_end', 'kvm_entry', 'kvm_exit', 'kvm_userspace_exit'] as const;

const KEYS = [
  'vendor',
  'kernel',
  'extends',
  'functions',
  'events',
  'exits',
  'inside',
  'runs',
  'sleeps',
  'sleepingExits',
  'schedules',
  'known',
] as const;
const MEANING_KEYS = ['at', 'after', 'returns', 'entered', 'optional', 'begins'] as const;
const FUNCTION = /^(?:[\w.$]{1,128}>)?[\w.$]{1,128}$/;
const PATTERN = /^[\w.$]{1,128}\*?$/;
const PLACE = /^[\w$]{1,64}(?:\.[\w$]{1,64}){0,15}$/;
const NAME = /^[\w. -]{1,40}$/;
/** Entries of one key. */
const ENTRIES_MAX = 5_000;
const LIST_MAX = 20;

const isMap = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** Checks one file, and notes its first mistake with the line. */
class MapReader {
  readonly #file: string;
  readonly #lineOf: (path: Path) => number;

  constructor(file: string, lineOf: (path: Path) => number) {
    this.#file = file;
    this.#lineOf = lineOf;
  }

  fail(path: Path, message: string): never {
    const at = pathText(path);
    throw new MapError(`${this.#file}:${this.#lineOf(path)}: ${at === '' ? '' : `${at}: `}${message}`);
  }

  entries(value: unknown, path: Path): readonly (readonly [string, unknown])[] {
    if (!isMap(value)) this.fail(path, `found ${shown(value)}; expected a map`);
    const entries = Object.entries(value);
    if (entries.length > ENTRIES_MAX) this.fail(path, `found ${entries.length} entries; expected at most ${ENTRIES_MAX}`);
    return entries;
  }

  text(value: unknown, path: Path, form: RegExp, what: string): string {
    if (typeof value === 'string' && form.test(value)) return value;
    return this.fail(path, `found ${shown(value)}; expected ${what}`);
  }

  /** One text, or a list of them. */
  texts(value: unknown, path: Path, form: RegExp, what: string, most = LIST_MAX): readonly string[] {
    if (!Array.isArray(value)) return [this.text(value, path, form, what)];
    if (value.length === 0 || value.length > most) this.fail(path, `found ${value.length} entries; expected 1 to ${most}`);
    return value.map((one, index) => this.text(one, [...path, index], form, what));
  }

  key(name: string, known: readonly string[], path: Path): void {
    if (!known.includes(name)) this.fail([...path, name], `unknown key; expected one of ${known.join(', ')}${didYouMean(name, known)}`);
  }

  isSet(value: unknown, path: Path): boolean {
    if (typeof value === 'boolean') return value;
    return this.fail(path, `found ${shown(value)}; expected true or false`);
  }

  meaning(value: unknown, path: Path): Meaning {
    const fields = Object.fromEntries(this.entries(value, path));
    for (const name of Object.keys(fields)) this.key(name, MEANING_KEYS, path);
    const places = (name: string): readonly string[] =>
      fields[name] === undefined
        ? []
        : this.texts(fields[name], [...path, name], PLACE, 'a micro-step or a path by its name, such as KVM_RUN.ioctl');
    const meaning = { at: places('at'), after: places('after'), returns: places('returns') };
    if (meaning.at.length + meaning.after.length + meaning.returns.length === 0)
      this.fail(path, 'it stands for nothing; expected at, after or returns with a micro-step');
    return {
      ...meaning,
      entered: fields.entered === undefined ? null : this.isSet(fields.entered, [...path, 'entered']),
      optional: fields.optional !== undefined && this.isSet(fields.optional, [...path, 'optional']),
      begins: fields.begins !== undefined && this.isSet(fields.begins, [...path, 'begins']),
    };
  }

  meanings(value: unknown, key: 'functions' | 'events'): ReadonlyMap<string, Meaning> {
    return new Map(
      this.entries(value, [key]).map(([name, meaning]) => {
        if (key === 'events') this.key(name, MAPPED_EVENTS, [key]);
        else this.text(name, [key, name], FUNCTION, 'a function by its name, or CALLER>NAME');
        return [name, this.meaning(meaning, [key, name])];
      }),
    );
  }

  exits(value: unknown): ReadonlyMap<string, readonly string[]> {
    return new Map(
      this.entries(value, ['exits']).map(([reason, exits]) => [
        this.text(reason.toLowerCase(), ['exits', reason], NAME, 'a reason as kvm_exit prints it'),
        this.texts(exits, ['exits', reason], NAME, "an exit of the model's"),
      ]),
    );
  }
}

/**
 * Reads one file of a map.
 * @param file names it in messages
 * @throws MapError with the place
 */
export function readMap(text: string, file: string): MapFile {
  const { value, lineOf, issues } = readYaml(text, file);
  const first: ScenarioIssue | undefined = issues[0];
  if (first) throw new MapError(`${file}:${first.line}: ${first.path === '' ? '' : `${first.path}: `}${first.message}`);
  const reader = new MapReader(file, lineOf);
  const map = Object.fromEntries(reader.entries(value, []));
  for (const name of Object.keys(map)) reader.key(name, KEYS, []);
  const has = (name: (typeof KEYS)[number]): boolean => map[name] !== undefined && map[name] !== null;
  const word = (name: 'vendor' | 'kernel' | 'extends') => reader.text(map[name], [name], NAME, 'a word');
  return {
    file,
    ...(has('vendor') && { vendor: word('vendor') }),
    ...(has('kernel') && { kernel: word('kernel') }),
    ...(has('extends') && { extends: word('extends') }),
    ...(has('functions') && { functions: reader.meanings(map.functions, 'functions') }),
    ...(has('events') && { events: reader.meanings(map.events, 'events') }),
    ...(has('exits') && { exits: reader.exits(map.exits) }),
    ...(has('inside') && { inside: new Set(reader.texts(map.inside, ['inside'], FUNCTION, 'a function by its name', ENTRIES_MAX)) }),
    ...(has('runs') && { runs: new Set(reader.texts(map.runs, ['runs'], FUNCTION, 'a function by its name')) }),
    ...(has('sleeps') && { sleeps: new Set(reader.texts(map.sleeps, ['sleeps'], FUNCTION, 'a function by its name', ENTRIES_MAX)) }),
    ...(has('sleepingExits') && {
      sleepingExits: new Set(reader.texts(map.sleepingExits, ['sleepingExits'], NAME, 'a reason as kvm_exit prints it')),
    }),
    ...(has('schedules') && { schedules: reader.texts(map.schedules, ['schedules'], PLACE, 'a micro-step or a path by its name') }),
    ...(has('known') && {
      known: reader.texts(map.known, ['known'], PATTERN, 'a function by its name, or its beginning and *', ENTRIES_MAX),
    }),
  };
}

/** Files as one map; a later one adds to those before it, and replaces entries of the same name. */
export function mapOf(files: readonly MapFile[]): TraceMap {
  const joined = <V>(of: (file: MapFile) => ReadonlyMap<string, V> | undefined): ReadonlyMap<string, V> =>
    new Map(files.flatMap((file) => [...(of(file) ?? [])]));
  return {
    files: files.map(({ file }) => file),
    vendor: files.findLast(({ vendor }) => vendor !== undefined)?.vendor ?? '',
    kernel: files.findLast(({ kernel }) => kernel !== undefined)?.kernel ?? '',
    functions: joined(({ functions }) => functions),
    events: joined(({ events }) => events),
    exits: joined(({ exits }) => exits),
    inside: new Set(files.flatMap(({ inside }) => [...(inside ?? [])])),
    runs: new Set(files.flatMap(({ runs }) => [...(runs ?? [])])),
    sleeps: new Set(files.flatMap(({ sleeps }) => [...(sleeps ?? [])])),
    sleepingExits: new Set(files.flatMap(({ sleepingExits }) => [...(sleepingExits ?? [])])),
    schedules: files.flatMap(({ schedules }) => schedules ?? []),
    known: files.flatMap(({ known }) => known ?? []),
  };
}

/** Whether a function is on the list of those that stand for no micro-step. */
export function knowsFunction({ known, inside, sleeps }: TraceMap, name: string): boolean {
  return (
    inside.has(name) || sleeps.has(name) || known.some((one) => (one.endsWith('*') ? name.startsWith(one.slice(0, -1)) : one === name))
  );
}
