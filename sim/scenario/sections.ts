/**
 * Sections and settings of VMs that mechanisms bring: their fields in the schemas of scenarios, and
 * their values in a run.
 */
import { z } from 'zod';
import type { VmSettings } from '../../events/options.ts';
import { type Mechanism, MechanismError } from '../host/mechanism.ts';
import { mechanisms, mechanismsOf, originOf } from '../host/registry.ts';
import { explain } from './explain.ts';
import { pathText } from './issues.ts';
import { plainCopy } from './plain.ts';
import type { Section, VmSetting } from './section.ts';
import type { Arch, ResolvedSections, Scenario, VmSource } from './types.ts';

interface Brought<Part> {
  readonly name: string;
  readonly part: Part;
  readonly by: Mechanism;
}

const among = <Part>(some: readonly Mechanism[], of: (one: Mechanism) => Readonly<Record<string, Part>> | undefined): Brought<Part>[] =>
  some.flatMap((by) => Object.entries(of(by) ?? {}).map(([name, part]) => ({ name, part, by })));
const sectionsAmong = (some: readonly Mechanism[]): Brought<Section>[] => among(some, ({ sections }) => sections);
const settingsAmong = (some: readonly Mechanism[]): Brought<VmSetting>[] => among(some, ({ vmSettings }) => vmSettings);

/**
 * One field for each name. A name that only other hosts know takes any value: `architecture.ts`
 * refuses it, and says why. Without an architecture a field takes what any host would take.
 */
function fieldsOf<Part>(all: readonly Brought<Part>[], arch: Arch | null, schemaOf: (part: Part) => z.ZodType) {
  const fieldOf = (name: string): z.ZodType => {
    const [first, ...others] = all
      .filter((one) => one.name === name && (arch === null || one.by.arches.includes(arch)))
      .map(({ part }) => schemaOf(part));
    if (first === undefined) return z.unknown().exactOptional();
    return others.length === 0 ? first : z.union([first, ...others]);
  };
  return Object.fromEntries([...new Set(all.map(({ name }) => name))].map((name) => [name, fieldOf(name)]));
}

/** Sections as a file has them. */
export const writtenSections = (arch: Arch | null) =>
  fieldsOf(sectionsAmong(mechanisms()), arch, ({ written, description }) => written.describe(description).exactOptional());

/** Sections as a journal has them. */
export const resolvedSections = (arch: Arch | null) =>
  fieldsOf(sectionsAmong(mechanisms()), arch, ({ resolved }) => resolved.exactOptional());

/** Settings as a file has them, and a journal, which lacks those that came after it. */
export const settingFields = (arch: Arch | null) => fieldsOf(settingsAmong(mechanisms()), arch, ({ schema }) => schema.exactOptional());

/** Names of the sections of some host that a scenario has. */
export const sectionsIn = (scenario: Scenario): string[] =>
  [...new Set(sectionsAmong(mechanisms()).map(({ name }) => name))].filter((name) => Object.hasOwn(scenario, name));

/** Names of the sections, and of the settings of VMs, that a host knows. */
export const sectionNames = (arch: Arch): string[] => sectionsAmong(mechanismsOf(arch)).map(({ name }) => name);
export const settingNames = (arch: Arch): string[] => settingsAmong(mechanismsOf(arch)).map(({ name }) => name);

/**
 * A value that code of a mechanism gives, as a journal would give it back.
 * @throws MechanismError
 */
function checked(value: unknown, schema: z.ZodType, by: Mechanism, what: string): unknown {
  const copy = plainCopy(value);
  const parsed = schema.safeParse(copy.value);
  const issues = parsed.success || copy.issues.length > 0 ? copy.issues : explain(parsed.error, copy.value);
  const [first] = issues;
  if (first === undefined) return parsed.data;
  const place = first.path.length === 0 ? '' : `${pathText(first.path)}: `;
  throw new MechanismError(`${originOf(by) ?? `mechanism ${by.name}`}: ${what}: ${place}${first.message}`);
}

/**
 * The sections of a run.
 * @throws MechanismError if a mechanism gives what its own schema refuses
 */
export const resolveSections = (scenario: Scenario): Readonly<Partial<ResolvedSections>> => sectionsWith({}, scenario);

/**
 * The same, where a run has some already.
 * @throws MechanismError if a mechanism gives what its own schema refuses
 */
export function sectionsWith(known: Readonly<Partial<ResolvedSections>>, scenario: Scenario): Readonly<Partial<ResolvedSections>> {
  const written = scenario as unknown as Readonly<Record<string, unknown>>;
  const others = sectionsAmong(mechanismsOf(scenario.host.arch)).filter(({ name }) => !Object.hasOwn(known, name));
  const entries = others.flatMap(({ name, part, by }) => {
    const value = part.resolve(Object.hasOwn(written, name) ? written[name] : undefined, scenario);
    return value === undefined ? [] : [[name, checked(value, part.resolved, by, `sections.${name}.resolve()`)]];
  });
  return { ...known, ...(Object.fromEntries(entries) as Partial<ResolvedSections>) };
}

/**
 * The settings of a VM in a run.
 * @param vm as a file has it
 * @param place of the VM in `vms`, from 1
 * @throws MechanismError if a mechanism gives what its own schema refuses
 */
export function resolveSettings(arch: Arch, vm: VmSource, place: number): Readonly<Partial<VmSettings>> {
  const written: Readonly<Record<string, unknown>> = vm.options ?? {};
  const entries = settingsAmong(mechanismsOf(arch)).flatMap(({ name, part, by }) => {
    if (Object.hasOwn(written, name)) return [[name, checked(written[name], part.schema, by, `vmSettings.${name}.schema`)]];
    return part.default ? [[name, checked(part.default(place, vm), part.schema, by, `vmSettings.${name}.default()`)]] : [];
  });
  return Object.fromEntries(entries) as Partial<VmSettings>;
}
