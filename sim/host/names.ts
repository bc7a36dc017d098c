/** The names that mechanisms bring, and which of them two mechanisms may share. */
import type { Path } from '../scenario/issues.ts';
import type { Mechanism } from './mechanism.ts';

type Named = readonly (readonly [name: string, value: unknown])[];

interface Kind {
  /** What a message calls it. */
  readonly noun: string;
  readonly key: keyof Mechanism;
  readonly of: (mechanism: Mechanism) => Named;
  /**
   * Whether mechanisms of different architectures clash too: a scenario or a command calls for it
   * without an architecture.
   */
  readonly everywhere: boolean;
  /** Whether two may bring it if both give it the same value. */
  readonly sharedIfEqual?: true;
}

const fieldsOf =
  (key: 'options' | 'sections' | 'vmSettings' | 'guestOperations' | 'hostOperations' | 'mutants' | 'catalogue') =>
  (mechanism: Mechanism): Named =>
    Object.entries(mechanism[key] ?? {});
const listOf =
  (names: (mechanism: Mechanism) => readonly string[]) =>
  (mechanism: Mechanism): Named =>
    names(mechanism).map((name) => [name, null]);

/**
 * Two mechanisms may share what is not in this list: features and VM types. These describe the
 * processor and its guests, whichever mechanism reads them: `sev-es` is a feature for SEV-ES and
 * for SNP.
 */
const KINDS: readonly Kind[] = [
  { noun: 'name', key: 'name', of: listOf(({ name }) => [name]), everywhere: true },
  { noun: 'option', key: 'options', of: fieldsOf('options'), everywhere: true },
  { noun: 'section', key: 'sections', of: fieldsOf('sections'), everywhere: false },
  { noun: 'VM setting', key: 'vmSettings', of: fieldsOf('vmSettings'), everywhere: false },
  { noun: 'guest operation', key: 'guestOperations', of: fieldsOf('guestOperations'), everywhere: true },
  { noun: 'host operation', key: 'hostOperations', of: fieldsOf('hostOperations'), everywhere: true },
  {
    noun: 'property',
    key: 'properties',
    of: listOf(({ properties = [], models = [] }) => [...properties, ...models.flatMap((model) => model.properties)].map(({ id }) => id)),
    everywhere: true,
  },
  { noun: 'mutant', key: 'mutants', of: fieldsOf('mutants'), everywhere: true },
  { noun: 'model', key: 'models', of: listOf(({ models = [] }) => models.map(({ name }) => name)), everywhere: true },
  // An actor of each may take the same event, such as `exec`; the event travels in one way.
  { noun: 'event type', key: 'catalogue', of: fieldsOf('catalogue'), everywhere: false, sharedIfEqual: true },
  { noun: 'core', key: 'core', of: listOf(({ core }) => (core === undefined ? [] : ['of a pCPU'])), everywhere: false },
  { noun: 'allow', key: 'allow', of: listOf(({ allow = [] }) => allow), everywhere: false },
  { noun: 'outcome', key: 'outcomes', of: listOf(({ outcomes = [] }) => outcomes.map(({ name }) => name)), everywhere: false },
  { noun: 'completion', key: 'completions', of: listOf(({ completions = [] }) => completions.map(({ name }) => name)), everywhere: false },
  {
    noun: 'interrupt handler',
    key: 'completions',
    of: listOf(({ completions = [] }) => completions.map(({ handler }) => handler)),
    everywhere: false,
  },
];

/** A name that two mechanisms bring. */
export interface Clash {
  /**
   * Where it stands in the mechanism. Names of a map are part of the path, names of a list are not.
   */
  readonly path: Path;
  readonly noun: string;
  readonly name: string;
  readonly other: Mechanism;
}

const isMap = (mechanism: Mechanism, key: keyof Mechanism): boolean => typeof mechanism[key] === 'object' && !Array.isArray(mechanism[key]);

/**
 * Names of a mechanism that another one has brought already, or that stand in one of its lists
 * twice.
 */
export function clashesOf(mechanism: Mechanism, others: readonly Mechanism[]): readonly Clash[] {
  const share = (other: Mechanism): boolean => mechanism.arches.some((arch) => other.arches.includes(arch));
  return KINDS.flatMap(({ noun, key, of, everywhere, sharedIfEqual }) =>
    of(mechanism).flatMap(([name, value], at, mine): readonly Clash[] => {
      const isTaken = ([taken, its]: Named[number]) => taken === name && !(sharedIfEqual && its === value);
      const other = mine.slice(0, at).some(isTaken)
        ? mechanism
        : others.find((candidate) => (everywhere || share(candidate)) && of(candidate).some(isTaken));
      return other ? [{ path: isMap(mechanism, key) ? [key, name] : [key], noun, name, other }] : [];
    }),
  );
}
