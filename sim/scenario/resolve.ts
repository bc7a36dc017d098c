/**
 * Fixes everything that a run depends on but its choices: parameters, preset, variant, programs,
 * names of properties.
 */
import type { ControlOp, GuestOp, HostOp } from '../../events/program.ts';
import { mutantsOf } from '../host/registry.ts';
import { withBreaches } from '../host/used-parts.ts';
import { foreignOperations, foreignOptions, foreignSections, foreignVms } from './architecture.ts';
import { hostIssues, scenarioIssues, variantNames } from './checks.ts';
import { compile } from './compile.ts';
import { explain } from './explain.ts';
import { CPUS_DEFAULT, KERNEL_DEFAULT } from './fields.ts';
import {
  type Path,
  type PathIssue,
  ResolvedScenarioError,
  ScenarioError,
  shown,
  UnknownMutantError,
  UnknownVariantError,
  unknownName,
  withoutPlace,
} from './issues.ts';
import { withLaterParts } from './later-parts.ts';
import { lowerScenario } from './lower.ts';
import type { LoweredProcess, LoweredVm, Node, Structure } from './lowered.ts';
import { parameterValues } from './parameters.ts';
import { plainCopy } from './plain.ts';
import { hostOptions } from './presets.ts';
import { expandProperties, type KnownProperty, propertyIssues } from './properties.ts';
import { resolvedSchema } from './resolved-schema.ts';
import { archIn } from './schema.ts';
import { structureIssues } from './structure.ts';
import type { Expectation, ResolvedHost, ResolvedScenario, Scenario } from './types.ts';
import { VARIANT_DEFAULT } from './variants.ts';

/** What a scenario gets when it does not say. */
const DEFAULTS = {
  smt: false,
  preemption: 'full',
  ticks: 'direct',
  time: 'untimed',
  steps: 1_000_000,
  states: 200_000,
} as const;

export interface ResolveOptions {
  /** The scenario's first unless given. */
  readonly variant?: string;
  /** Parameters by name, as the command line has them. */
  readonly set?: Readonly<Record<string, string>>;
  readonly knownProperties: readonly KnownProperty[];
  /** A change of the model, by name. */
  readonly mutant?: string;
}

function variantOf(scenario: Scenario, asked: string | undefined): string {
  const names = variantNames(scenario);
  const variant = asked ?? names[0] ?? VARIANT_DEFAULT;
  if (names.includes(variant)) return variant;
  const message = unknownName(variant, 'a variant of the scenario', names);
  throw new UnknownVariantError(withoutPlace([{ path: [], message }]), `no such variant of ${scenario.name}`);
}

/** @throws UnknownMutantError if the host has no such mutant */
function mutantOf({ name, host }: Scenario, mutant: string): string {
  const known = Object.keys(mutantsOf(host.arch));
  if (known.includes(mutant)) return mutant;
  const message = unknownName(mutant, `a mutant of the model of ${host.arch} hosts`, known);
  throw new UnknownMutantError(withoutPlace([{ path: [], message }]), `no such mutant for ${name}`);
}

function resolveHost({ host, variants = {} }: Scenario, variant: string): ResolvedHost {
  const kernel = host.kernel ?? KERNEL_DEFAULT;
  const ofVariant = Object.hasOwn(variants, variant) ? variants[variant] : undefined;
  return {
    arch: host.arch,
    cpus: host.cpus ?? CPUS_DEFAULT,
    smt: host.smt ?? DEFAULTS.smt,
    preemption: host.preemption ?? DEFAULTS.preemption,
    kernel,
    ticks: host.ticks ?? DEFAULTS.ticks,
    ...(host.haltPolling === false && { haltPolling: false as const }),
    ...(host.rseq === true && { rseq: true as const }),
    ...(host.tsc === 'unstable' && { tsc: 'unstable' as const }),
    features: host.features ?? [],
    options: hostOptions(host.arch, kernel, host.options ?? {}, ofVariant ?? {}),
  };
}

const resolveVm = ({ id, type, settings, vcpus }: LoweredVm) => ({
  id,
  type,
  ...(Object.keys(settings).length > 0 && { settings }),
  vcpus: vcpus.map(compile<GuestOp>),
});

const resolveProcess = ({ id, cpu, threads }: LoweredProcess) => ({
  id,
  ...(cpu !== undefined && { cpu }),
  threads: threads.map((thread) => ({ id: thread.id, program: compile<HostOp>(thread.program) })),
});

const expectationOf = ({ expect = {} }: Scenario, variant: string): Expectation | null =>
  Object.hasOwn(expect, variant) ? expect[variant]! : null;

const variantFacts = (scenario: Scenario, variants: NonNullable<Scenario['variants']>): NonNullable<ResolvedScenario['variants']> =>
  Object.fromEntries(Object.entries(variants).map(([name, options]) => [name, { options, expect: expectationOf(scenario, name) }]));

/**
 * Makes a run's scenario of a checked one.
 * @throws UnknownVariantError, UnknownMutantError, UnknownParameterError, ParameterValueError
 * @throws ScenarioError if the values that were set make an operation invalid, or a property is
 * unknown.
 */
export function resolveScenario(scenario: Scenario, { variant: asked, set, knownProperties, mutant }: ResolveOptions): ResolvedScenario {
  const variant = variantOf(scenario, asked);
  const values = parameterValues(scenario.params ?? {}, set);
  const lowered = lowerScenario(scenario, values);
  const issues = [...scenarioIssues(scenario, lowered), ...propertyIssues(scenario, knownProperties)];
  if (issues.length > 0) throw new ScenarioError(withoutPlace(issues));
  return withBreaches({
    name: scenario.name,
    summary: scenario.summary,
    source: scenario.source ?? '',
    claims: scenario.claims ?? [],
    variant,
    params: Object.fromEntries(values),
    ...(scenario.model !== undefined && { model: scenario.model }),
    ...(mutant !== undefined && { mutant: mutantOf(scenario, mutant) }),
    host: resolveHost(scenario, variant),
    vms: lowered.vms.map(resolveVm),
    processes: lowered.processes.map(resolveProcess),
    ...(Object.keys(lowered.sections).length > 0 && { sections: lowered.sections }),
    time: scenario.time ?? DEFAULTS.time,
    allow: scenario.allow ?? [],
    properties: expandProperties(scenario, knownProperties),
    bounds: { steps: scenario.bounds?.steps ?? DEFAULTS.steps, states: scenario.bounds?.states ?? DEFAULTS.states },
    ...(scenario.variants !== undefined && { variants: variantFacts(scenario, scenario.variants) }),
    expect: expectationOf(scenario, variant),
  });
}

/** The operations of a compiled program as the checks take them. */
const nodesOf = <Op extends { readonly op: string }>(ops: readonly (Op | ControlOp)[], path: Path): Node<Op>[] =>
  ops.flatMap((op, index) => (CONTROL.includes(op.op) ? [] : [{ kind: 'operation', op: op as Op, path: [...path, 'ops', index] }]));
const CONTROL: readonly string[] = ['next', 'choose', 'jump', 'end'] satisfies ControlOp['op'][];

/** A resolved scenario as the checks take it. */
function structureOf({ host, vms, processes, sections = {} }: ResolvedScenario): Structure {
  return {
    arch: host.arch,
    cpus: host.cpus,
    vms: vms.map((vm, index) => ({
      id: vm.id,
      type: vm.type,
      settings: vm.settings ?? {},
      settingsPath: ['vms', index, 'settings'],
      vcpusPath: ['vms', index, 'vcpus'],
      vcpus: vm.vcpus.map(({ ops }, vcpu) => nodesOf<GuestOp>(ops as readonly GuestOp[], ['vms', index, 'vcpus', vcpu])),
    })),
    processes: processes.map(({ id, cpu, threads }, index) => ({
      id,
      ...(cpu !== undefined && { cpu }),
      path: ['processes', index],
      threads: threads.map((thread, at) => {
        const path = ['processes', index, 'threads', at];
        return { id: thread.id, path, program: nodesOf<HostOp>(thread.program.ops as readonly HostOp[], [...path, 'program']) };
      }),
    })),
    sections,
    sectionsPath: ['sections'],
  };
}

function resolvedIssues(scenario: ResolvedScenario): PathIssue[] {
  const { host, allow, time, vms, processes, mutant } = scenario;
  const structure = structureOf(scenario);
  const again = (ids: readonly string[], key: string): PathIssue[] =>
    ids.flatMap((id, index) =>
      ids.indexOf(id) < index ? [{ path: [key, index, 'id'], message: `found ${shown(id)} twice; expected it once` }] : [],
    );
  return [
    ...hostIssues({ host, allow, time }),
    ...foreignSections(host.arch, Object.keys(structure.sections), structure.sectionsPath),
    ...foreignOptions({ host }),
    ...foreignVms(
      host.arch,
      structure.vms.map((vm, index) => ({ ...vm, path: ['vms', index] })),
    ),
    ...foreignOperations(structure),
    ...(mutant === undefined || Object.hasOwn(mutantsOf(host.arch), mutant)
      ? []
      : [{ path: ['mutant'], message: unknownName(mutant, 'a mutant of the model', Object.keys(mutantsOf(host.arch))) }]),
    ...again(
      vms.map(({ id }) => id),
      'vms',
    ),
    ...again(
      processes.map(({ id }) => id),
      'processes',
    ),
    ...structureIssues(structure),
  ];
}

/**
 * Checks a resolved scenario that comes out of a journal, and returns a copy.
 * @throws ResolvedScenarioError
 */
export function validateResolved(json: unknown): ResolvedScenario {
  const fail = (issues: readonly PathIssue[]): never => {
    throw new ResolvedScenarioError(withoutPlace(issues), 'the journal holds no valid scenario');
  };
  const copy = plainCopy(json);
  if (copy.issues.length > 0) return fail(copy.issues);
  const parsed = resolvedSchema(archIn(copy.value)).safeParse(copy.value);
  if (!parsed.success) return fail(explain(parsed.error, copy.value));
  const scenario = withLaterParts(parsed.data);
  const issues = resolvedIssues(scenario);
  return issues.length > 0 ? fail(issues) : scenario;
}
