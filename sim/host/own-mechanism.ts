/**
 * A mechanism of the user's own, from whatever a file exports: its shape is checked, its names are
 * compared with all that is there, and it is registered. What its functions give is checked where
 * they are called.
 */
import { z } from 'zod';
import { HOST_INTERRUPTS } from '../../actors/host/interrupt.ts';
import { GRADES } from '../../actors/path/path.ts';
import { CATALOGUE } from '../../events/index.ts';
import { didYouMean } from '../../events/nearest.ts';
import { OWN_OPTIONS } from '../../events/options.ts';

import { isMonitor } from '../monitors/monitor.ts';
import { progress } from '../properties/liveness.ts';
import { useAfterFree } from '../properties/objects.ts';
import { explain } from '../scenario/explain.ts';
import { NAME, PROPERTY_ID, strict, VARIANT_NAME } from '../scenario/fields.ts';
import { listed, type PathIssue, pathText, shown, unknownName } from '../scenario/issues.ts';
import { GUEST_OPERATIONS, HOST_OPERATIONS } from '../scenario/operations.ts';
import { ARCHES, optionValues } from '../scenario/schema.ts';
import type { Section } from '../scenario/section.ts';
import { CORE_KEYS } from '../scenario/types.ts';
import { type Mechanism, MechanismError } from './mechanism.ts';
import { clashesOf } from './names.ts';
import { HOST_OUTCOMES } from './outcomes.ts';
import { HOST_OFFERS, type ModuleSource, mechanisms, register } from './registry.ts';

const TEXT = z.string({ error: 'expected text' }).min(1, { error: 'expected text' });
const isFunction = z.custom<unknown>((value) => typeof value === 'function', { error: 'expected a function' });
const isSchema = z.custom<unknown>((value) => typeof value === 'object' && value !== null && '_zod' in value, {
  error: 'expected a schema of zod 4, as those of worldswitch/sim/scenario/fields',
});
const mapOf = (value: z.ZodType, expected: string) => z.record(z.string(), value, { error: `expected ${expected}` });
const listOf = (value: z.ZodType, expected: string) => z.array(value, { error: `expected ${expected}` });
const SCHEMAS = mapOf(isSchema, 'a map from names to schemas');
const OPERATIONS = mapOf(
  strict({ summary: TEXT, args: SCHEMAS, fields: SCHEMAS, compiled: isSchema }, 'expected what operation() makes'),
  'a map from names to operations',
);
const KEY = z.string().regex(/^[a-z][A-Za-z0-9-]{0,63}$/, { error: 'expected a name such as "disk"' });
const partsOf = (value: z.ZodType, expected: string) => z.record(KEY, value, { error: `expected ${expected}` });
const SECTION = strict(
  { description: TEXT, written: isSchema, resolved: isSchema, resolve: isFunction },
  'expected a section: its description, the schemas written and resolved, and resolve()',
);
const VM_SETTING = strict(
  { schema: isSchema, default: isFunction.optional() },
  'expected a setting: its schema, and default() if it has one',
);
const OPTION_NAME = z.string().regex(/^[a-z][A-Za-z0-9-]*(?:\.[A-Za-z0-9-]+)*$/, { error: 'expected a name such as "my.fix"' });
const VALUE = z
  .string({ error: 'expected a value in quotes' })
  .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, { error: 'expected letters, digits, . _ -' });

/** What the functions of `sim/temporal.ts` make. */
const MONITOR = z.custom<unknown>((value) => isMonitor(value), { error: 'expected what leadsTo(), monitor() and the like make' });

/** What the functions of `sim/property.ts` and `sim/temporal.ts` make. */
const PROPERTY = strict({
  id: PROPERTY_ID,
  form: z.enum(['always', 'sometimes', 'eventually']),
  kinds: listOf(TEXT, 'a list of kinds of actors'),
  source: TEXT,
  grade: z.enum(GRADES),
  check: isFunction,
  each: isFunction.optional(),
  sees: isFunction.optional(),
  owes: isFunction.optional(),
  cycle: isFunction.optional(),
  monitor: MONITOR.optional(),
}).check(({ value, issues }) => {
  const { form, kinds, owes, cycle } = value;
  const refuse = (path: string, message: string) => issues.push({ code: 'custom', input: value, path: [path], message });
  if (kinds.length === 0 && cycle === undefined) refuse('kinds', 'expected at least one kind of actors');
  for (const [key, given] of Object.entries({ owes, cycle }))
    if (given !== undefined && form !== 'eventually') refuse(key, 'expected it where form is "eventually" alone');
});
const PATCH = { paths: mapOf(listOf(isFunction, 'a list of functions'), 'a map from names of paths to lists of functions').optional() };
const MACHINES = { machines: mapOf(isFunction, 'a map from kinds of actors to functions').optional() };

const COMPLETION = strict({
  name: z.string().regex(/^[a-z][A-Za-z0-9]*$/, { error: 'expected a name such as "nic"' }),
  handler: TEXT,
  driver: TEXT,
});

/** One entry for each field of the interface: the compiler sees to it. */
const FIELDS = {
  name: NAME,
  arches: listOf(ARCHES, 'a list of "amd", "intel", "arm64"').min(1, { error: 'expected at least one' }),
  options: z
    .record(OPTION_NAME, listOf(VALUE, 'a list of values, the default first').min(1, { error: 'expected at least one value' }), {
      error: 'expected a map from options to lists of values, the default first',
    })
    .optional(),
  presets: mapOf(mapOf(TEXT, 'a map from options to values'), 'a map from kernel versions').optional(),
  features: listOf(TEXT, 'a list of names').optional(),
  allow: listOf(TEXT, 'a list of names').optional(),
  vmTypes: listOf(TEXT, 'a list of names').optional(),
  sections: partsOf(SECTION, 'a map from keys of a scenario to sections').optional(),
  vmSettings: partsOf(VM_SETTING, 'a map from settings of VMs to their schemas').optional(),
  guestOperations: OPERATIONS.optional(),
  hostOperations: OPERATIONS.optional(),
  properties: listOf(PROPERTY, 'a list of properties').optional(),
  outcomes: listOf(
    strict({ name: TEXT, title: TEXT, count: isFunction, concerns: isFunction.optional() }),
    'a list of outcomes',
  ).optional(),
  waits: listOf(isFunction, 'a list of functions').optional(),
  catalogue: mapOf(z.enum(['bus', 'queued', 'latched', 'offer']), 'a map from event types').optional(),
  quiet: listOf(TEXT, 'a list of event types').optional(),
  checks: isFunction.optional(),
  structureChecks: isFunction.optional(),
  operationChecks: isFunction.optional(),
  host: isFunction.optional(),
  guest: isFunction.optional(),
  kvm: isFunction.optional(),
  core: isFunction.optional(),
  taskFlags: isFunction.optional(),
  kernelThreads: isFunction.optional(),
  perCpu: listOf(TEXT, 'a list of kinds').optional(),
  sets: listOf(TEXT, 'a list such as "kind.field"').optional(),
  uses: z
    .custom<unknown>((value) => typeof value === 'function' || Array.isArray(value), {
      error: 'expected a list of primitives, or a function that gives one',
    })
    .optional(),
  actors: isFunction.optional(),
  machines: isFunction.optional(),
  completions: listOf(COMPLETION, 'a list of names, handlers and drivers').optional(),
  creates: strict({ options: listOf(TEXT, 'a list of options'), has: isFunction }).optional(),
  vm: isFunction.optional(),
  vcpu: isFunction.optional(),
  patch: isFunction.optional(),
  mutants: mapOf(strict({ summary: TEXT, ...PATCH, ...MACHINES }), 'a map from names to mutants').optional(),
  variants: mapOf(
    mapOf(mapOf(z.string({ error: 'expected a value in quotes' }), 'a map from options to values'), 'a map from variants'),
    'a map from scenarios',
  ).optional(),
  models: listOf(strict({ name: NAME, topology: isFunction, properties: listOf(PROPERTY, 'a list of properties') }), 'a list').optional(),
} satisfies Record<keyof Mechanism, z.ZodType>;

const SHAPE = strict(FIELDS, 'expected a map with the keys of a mechanism');

const fail = (where: string, issues: readonly PathIssue[]): never => {
  const lines = issues.slice(0, 20).map(({ path, message }) => (path.length === 0 ? message : `${pathText(path)}: ${message}`));
  throw new MechanismError(
    lines.length === 1
      ? `${where}: ${lines[0]!}`
      : [`${where} has ${issues.length} mistakes`, ...lines.map((line) => `  ${line}`)].join('\n'),
  );
};

/** The names of what every host has, in the shape of a mechanism. */
export const hostOwn = (): Mechanism => ({
  name: 'host',
  arches: ARCHES.options,
  options: OWN_OPTIONS,
  sections: Object.fromEntries(CORE_KEYS.map((key) => [key, {} as Section])),
  guestOperations: GUEST_OPERATIONS,
  hostOperations: HOST_OPERATIONS,
  properties: [progress, useAfterFree],
  outcomes: HOST_OUTCOMES,
  catalogue: CATALOGUE,
  allow: HOST_OFFERS,
  completions: Object.entries(HOST_INTERRUPTS).map(([name, handler]) => ({ name, handler, driver: 'pcpu' })),
});

/** Names that are there already, with the mechanism that has brought them. */
function takenIn(mechanism: Mechanism): PathIssue[] {
  const own = hostOwn();
  return clashesOf(mechanism, [own, ...mechanisms()]).map(({ path, name, other }) => {
    const owner = other === mechanism ? 'stands there twice' : `is taken by ${other === own ? 'every host' : `mechanism ${other.name}`}`;
    const isField = path.length > 1;
    if (path[0] === 'core') return { path, message: `the core of a pCPU ${owner}; expected none` };
    return {
      path,
      message: isField ? `this name ${owner}; expected another one` : `found ${shown(name)}, a name that ${owner}; expected another one`,
    };
  });
}

/** Variants that set what no host has, or that are meant for a scenario of another name. */
function variantIssues({ variants = {} }: Mechanism, scenarios: readonly string[]): PathIssue[] {
  const known: Readonly<Record<string, readonly string[]>> = optionValues();
  const misnamed = Object.keys(variants).filter((name) => !scenarios.includes(name) && didYouMean(name, scenarios) !== '');
  const issues: PathIssue[] = misnamed.map((name) => ({
    path: ['variants', name],
    message: `found the key ${shown(name)}; expected the name of a scenario${didYouMean(name, scenarios)}`,
  }));
  for (const [scenario, added] of Object.entries(variants)) {
    for (const [variant, options] of Object.entries(added)) {
      const path = ['variants', scenario, variant];
      const named = VARIANT_NAME.safeParse(variant);
      if (!named.success) issues.push({ path, message: `found the key ${shown(variant)}; ${named.error.issues[0]!.message}` });
      for (const [option, value] of Object.entries(options)) {
        const values = Object.hasOwn(known, option) ? known[option]! : null;
        if (values === null) issues.push({ path: [...path, option], message: unknownName(option, 'a host option', Object.keys(known)) });
        else if (!values.includes(value))
          issues.push({
            path: [...path, option],
            message: `found ${shown(value)}; expected one of ${listed(values)}${didYouMean(value, values)}`,
          });
      }
    }
  }
  return issues;
}

/**
 * Registers what a file of the user's own exports as a mechanism.
 * @param where names it in messages: file and export
 * @param scenarios the names of the shipped scenarios, to find slips of the pen
 * @returns what takes it away again
 * @throws MechanismError
 */
export function registerOwn(value: unknown, where: string, source: ModuleSource, scenarios: readonly string[]): () => void {
  const parsed = SHAPE.safeParse(value);
  if (!parsed.success) return fail(where, explain(parsed.error, value));
  // The object itself, and not the copy: functions of it may use `this`, and schemas are compared
  // by identity.
  const mechanism = value as Mechanism;
  const taken = takenIn(mechanism);
  if (taken.length > 0) return fail(where, taken);
  const undo = register(mechanism, source);
  const issues = variantIssues(mechanism, scenarios);
  if (issues.length === 0) return undo;
  undo();
  return fail(where, issues);
}
