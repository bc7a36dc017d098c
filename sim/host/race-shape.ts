/**
 * What a race declares, looked at before anything is made of it: unknown keys, and values that do
 * not fit.
 */
import { type Fits, flag, fn, list, oneOf, shownValue, text, wrongKey } from '../../actors/path/fits.ts';
import { GRADES } from '../../actors/path/path.ts';
import { type Mechanism, MechanismError } from './mechanism.ts';
import type { RunHooks } from './race-hooks.ts';
import type { KvmRace, RaceExit, RaceIoctl, RaceMsr, RaceRequest } from './race-kvm.ts';

type Keys<T> = Readonly<Record<keyof T & string, Fits>>;
type Table = Readonly<Record<string, unknown>>;

const map: Fits = ['a map', (value) => typeof value === 'object' && value !== null && !Array.isArray(value)];
/** Looked at elsewhere. */
const any: Fits = ['anything', () => true];
const source: Fits = [
  `text, or { source, grade } with a grade of ${GRADES.join(', ')}`,
  (value) => text[1](value) || (map[1](value) && text[1]((value as Table).source) && GRADES.includes((value as Table).grade as 'read')),
];
const primitive: Fits = [
  'what cell(), mutex() and their likes give',
  (value) => Array.isArray((value as { readonly parts?: unknown } | null | undefined)?.parts),
];

const DOES = { summary: text, source, args: map, does: fn };
const OPERATION: Readonly<Record<string, Fits>> = DOES;
const REQUEST: Keys<RaceRequest> = { source, flags: map, endsHalt: flag, does: fn };
const IOCTL: Keys<RaceIoctl> = { ...DOES, of: oneOf('vcpu', 'vm') };
const EXIT: Keys<RaceExit> = { ...DOES, guest: fn, user: fn, skips: flag };
const MSR: Keys<RaceMsr> = {
  summary: text,
  source,
  of: primitive,
  intercepts: oneOf('all', 'reads', 'writes', 'none'),
  onWrite: fn,
  onRead: fn,
};

/** Tables by name: the keys of what they hold, and those that must be there. */
const TABLES: Readonly<
  Record<keyof KvmRace | 'operations' | 'guestOperations', readonly [keys: Readonly<Record<string, Fits>>, needed: readonly string[]]>
> = {
  operations: [OPERATION, ['summary', 'source', 'does']],
  guestOperations: [OPERATION, ['summary', 'source', 'does']],
  requests: [REQUEST, ['source', 'does']],
  ioctls: [IOCTL, ['of', 'summary', 'source', 'does']],
  exits: [EXIT, ['summary', 'source']],
  hypercalls: [EXIT, ['summary', 'source']],
  naes: [EXIT, ['summary', 'source']],
  msrs: [MSR, ['summary', 'source', 'of']],
};

/** The keys of a race; those of a mechanism are looked at where it is registered. */
const RACE: Keys<Omit<Mechanism, 'hostOperations' | 'host' | 'guest' | 'patch'> & KvmRace & RunHooks> &
  Readonly<Record<'operations' | 'paths' | 'guestPaths' | 'faults', Fits>> = {
  name: text,
  arches: list,
  options: any,
  presets: any,
  uses: list,
  operations: map,
  guestOperations: map,
  paths: map,
  guestPaths: map,
  faults: map,
  onLoad: fn,
  onPut: fn,
  onEntry: fn,
  onExit: fn,
  requests: map,
  ioctls: map,
  exits: map,
  hypercalls: map,
  msrs: map,
  naes: map,
  properties: list,
  kvm: fn,
  features: any,
  allow: any,
  vmTypes: any,
  sections: any,
  vmSettings: any,
  outcomes: any,
  waits: any,
  catalogue: any,
  quiet: any,
  checks: any,
  structureChecks: any,
  operationChecks: any,
  core: any,
  taskFlags: any,
  kernelThreads: any,
  perCpu: any,
  sets: any,
  actors: any,
  machines: any,
  completions: any,
  creates: any,
  vm: any,
  vcpu: any,
  mutants: any,
  variants: any,
  models: any,
};

function refuse(message: string | null): void {
  if (message !== null) throw new MechanismError(message);
}

/** Values of tables of functions. */
function refuseOther(who: string, key: string, table: unknown): void {
  for (const [name, value] of Object.entries((table ?? {}) as Table))
    if (!fn[1](value)) throw new MechanismError(`${who}: ${key}.${name} is ${shownValue(value)}; expected a function`);
}

/** @throws MechanismError where it has another shape */
export function refuseOdd(declared: unknown): void {
  const named = (declared as { readonly name?: unknown } | null | undefined)?.name;
  const who = map[1](declared) && typeof named === 'string' ? `race ${named}` : 'race()';
  if (!map[1](declared))
    throw new MechanismError(`${who}: found ${shownValue(declared)}; expected a map with name, arches, uses, operations`);
  const race = declared as Table;
  refuse(wrongKey(race, RACE, who));
  for (const key of ['name', 'arches'])
    if (race[key] === undefined) throw new MechanismError(`${who} has no ${key}; expected ${RACE[key as 'name'][0]}`);
  const odd = ((race.uses ?? []) as readonly unknown[]).findIndex((one) => !primitive[1](one));
  if (odd >= 0) throw new MechanismError(`${who}: uses[${odd}] is no primitive; expected ${primitive[0]}`);
  for (const [key, [keys, needed]] of Object.entries(TABLES)) {
    for (const [name, one] of Object.entries((race[key] ?? {}) as Table)) {
      const at = `${who}: ${key}.${name}`;
      if (!map[1](one)) throw new MechanismError(`${at} is ${shownValue(one)}; expected a map with ${Object.keys(keys).join(', ')}`);
      refuse(wrongKey(one as object, keys, at));
      const missing = needed.find((need) => (one as Table)[need] === undefined);
      if (missing !== undefined) throw new MechanismError(`${at} has no ${missing}; expected ${keys[missing]![0]}`);
    }
  }
  for (const key of ['paths', 'guestPaths', 'faults']) refuseOther(who, key, race[key]);
}
