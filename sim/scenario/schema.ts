/**
 * The schema of a scenario as written. What it cannot say, because it looks at two places at once,
 * is in `checks.ts`.
 */
import { z } from 'zod';
import { type HostOptions, OWN_OPTIONS, PREEMPTION_MODELS } from '../../events/options.ts';
import { U64_MAX } from '../../events/u64.ts';
import { allowedOffers, mechanisms, perArch, perRegistry } from '../host/registry.ts';
import { BITS64, EXPECTED_NAME, integer, LIMITS, NAME, named, PARAMETER_NAME, PROPERTY_PATTERN, strict, VARIANT_NAME } from './fields.ts';
import { guestProgram, hostProgram } from './program-schema.ts';
import { settingFields, writtenSections } from './sections.ts';
import type { Arch, CORE_KEYS, Expectation, Parameter, Scenario, Uncovered } from './types.ts';

const TEXT_MAX = 2000;
const BOUND_MAX = 1_000_000_000;
const text = () => z.string().min(1).max(TEXT_MAX);
const AN_INTEGER = z.union([z.int(), BITS64], {
  error: `expected an integer from ${Number.MIN_SAFE_INTEGER} to 0x${U64_MAX.toString(16)}`,
});

export const ARCHES = z.enum(['amd', 'intel', 'arm64']);
export const KERNELS = z.enum(['6.1', '6.6', '6.12', '6.14']);
export const PREEMPTION = z.enum(PREEMPTION_MODELS);
export const TICKS = z.enum(['direct', 'pending']);
/** Names that mechanisms bring. */
const namesOf = (key: 'features' | 'vmTypes') => z.enum([...new Set(mechanisms().flatMap((mechanism) => mechanism[key] ?? []))]);

export const features = perRegistry(() => z.array(namesOf('features')).max(8));
export const TIME = z.enum(['untimed', 'ordered']);
export const allow = perRegistry(() => z.array(z.enum([...allowedOffers()])).max(8));
export const vmType = perRegistry(() => namesOf('vmTypes'));
export const CPUS = integer(1, LIMITS.cpus);
/** A pCPU by its index. */
export const CPU = integer(0, LIMITS.cpus - 1);
export const BOUND = integer(1, BOUND_MAX);
export const CLAIMS = z.array(text()).max(256);
export const SUMMARY = text();
export const SOURCE = z.string().max(TEXT_MAX);

/** Values of every option of every host, the default first. */
export const optionValues = perRegistry(
  (): Readonly<Record<string, readonly string[]>> => Object.assign({}, OWN_OPTIONS, ...mechanisms().map(({ options }) => options ?? {})),
);

/** Host options by name, any of them; `checks.ts` says which a host has. */
const someOptions = () => {
  const fields = Object.entries(optionValues()).map(([name, values]) => [name, z.enum([...values]).exactOptional()] as const);
  return strict(Object.fromEntries(fields)) as z.ZodType<unknown> as z.ZodType<Partial<HostOptions>>;
};

export const EXPECTATION: z.ZodType<Expectation> = z.union([
  z.literal('clean'),
  strict({ violates: z.array(EXPECTED_NAME).min(1).max(LIMITS.names) }),
]);

const PARAMETER: z.ZodType<Parameter> = z.discriminatedUnion('type', [
  strict({ type: z.literal('integer'), min: AN_INTEGER.exactOptional(), max: AN_INTEGER.exactOptional(), default: AN_INTEGER }),
  strict({ type: z.literal('boolean'), default: z.boolean() }),
  strict({ type: z.literal('string'), enum: z.array(text()).min(1).max(64).exactOptional(), default: z.string().max(TEXT_MAX) }),
]);

const UNCOVERED_MAX = 256;
const UNCOVERED: z.ZodType<Uncovered> = strict({
  steps: text().describe('Names of micro-steps, branches, operations; * stands for any text.'),
  why: text().describe('Why no variant takes them.'),
});

const host = () =>
  strict({
    arch: ARCHES.describe('amd, or one that a mechanism is for.'),
    cpus: CPUS.describe('How many pCPUs. Default 2.').exactOptional(),
    smt: z.boolean().describe('Whether each two pCPUs share a core. Default false.').exactOptional(),
    preemption: PREEMPTION.describe('The preemption model of the kernel. Default full.').exactOptional(),
    kernel: KERNELS.describe('Presets the options that differ by version; in quotes. Default "6.12".').exactOptional(),
    ticks: TICKS.describe(
      'Whether a preemption is an offer at each point, or a tick first sets need_resched. Default direct.',
    ).exactOptional(),
    haltPolling: z.boolean().describe('Whether KVM polls for a halted vCPU before its thread sleeps. Default true.').exactOptional(),
    rseq: z.boolean().describe('Whether threads have registered an rseq area, as glibc does. Default false.').exactOptional(),
    tsc: z.enum(['stable', 'unstable']).describe('Whether the TSCs of the CPUs agree; x86 only. Default stable.').exactOptional(),
    features: features().describe('What the processor and its firmware can do.').exactOptional(),
    options: someOptions().describe('Host options for all variants.').exactOptional(),
  });

const vm = (arch: Arch | null) =>
  strict({
    type: vmType(),
    options: strict(settingFields(arch)).exactOptional(),
    vcpus: z.array(guestProgram()).max(LIMITS.vcpus).describe('One program for each vCPU.'),
  });

const hostProcess = () =>
  strict({
    cpu: CPU.describe('The pCPU that its threads are bound to: they never migrate.').exactOptional(),
    threads: z.array(hostProgram()).min(1).max(LIMITS.threads).describe('One program for each thread.'),
  });

const PATTERNS = z.array(PROPERTY_PATTERN).max(LIMITS.names);

/**
 * The architecture that an unchecked scenario says it is for, written or resolved; null if it is
 * none that there is.
 */
export const archIn = (scenario: unknown): Arch | null => {
  const { arch } = (scenario as { readonly host?: { readonly arch?: unknown } | null } | null)?.host ?? {};
  return ARCHES.safeParse(arch).data ?? null;
};

/** All keys, in the order in which messages list them. */
const shape = (arch: Arch | null) =>
  ({
    name: NAME.describe('Kebab-case; the name of the file without its ending.'),
    summary: SUMMARY.describe('One line for people.'),
    source: SOURCE.describe('Where the question comes from.').exactOptional(),
    claims: CLAIMS.describe('What the scenario bears on, by id.').exactOptional(),
    params: named(PARAMETER_NAME, PARAMETER, LIMITS.params)
      .describe('Values that a user may set; arguments name them as $NAME.')
      .exactOptional(),
    model: NAME.describe("A model other than the host's; then vms and processes are left out.").exactOptional(),
    host: host(),
    vms: named(NAME, vm(arch), LIMITS.vms).exactOptional(),
    processes: named(NAME, hostProcess(), LIMITS.processes)
      .refine((map) => Object.keys(map).length > 0, { error: 'expected at least one process' })
      .meta({ minProperties: 1 })
      .exactOptional(),
    ...writtenSections(arch),
    time: TIME.describe('Whether armed timers keep their order. Default untimed.').exactOptional(),
    allow: allow().describe('Offers that may happen besides preempt and migrate.').exactOptional(),
    variants: named(VARIANT_NAME, someOptions(), LIMITS.variants)
      .refine((map) => Object.keys(map).length > 0, { error: 'expected at least one variant' })
      .meta({ minProperties: 1 })
      .describe('Host options by name of the variant; the first is the default.')
      .exactOptional(),
    properties: strict({ always: PATTERNS.exactOptional(), sometimes: PATTERNS.exactOptional(), eventually: PATTERNS.exactOptional() })
      .describe('What is checked: ids, or topic.* for all of a topic.')
      .exactOptional(),
    bounds: strict({ steps: BOUND.exactOptional(), states: BOUND.exactOptional() })
      .describe('Limits of a run, 1000000 steps unless given, and of a search, which has its own limit of states unless given.')
      .exactOptional(),
    expect: named(VARIANT_NAME, EXPECTATION, LIMITS.variants).describe('What each variant is known to do.').exactOptional(),
    uncovered: z
      .array(UNCOVERED)
      .max(UNCOVERED_MAX)
      .describe('What no variant takes, and why: for verify --full-coverage.')
      .exactOptional(),
  }) satisfies Readonly<Record<(typeof CORE_KEYS)[number], z.ZodType>>;

/** A scenario file for hosts of an architecture; without one, for any host. */
export const scenarioSchema = perArch((arch): z.ZodType<Scenario> => strict(shape(arch)));
