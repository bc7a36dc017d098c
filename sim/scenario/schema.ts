/** The schema of a scenario as written. What it cannot say, because it looks at two places at once, is in `checks.ts`. */
import { z } from 'zod';
import { HOST_OPTIONS, type HostOptions, PREEMPTION_MODELS } from '../../events/options.ts';
import { GFN, integer, LIMITS, NAME, named, PARAMETER_NAME, PFN, PROPERTY_ID, PROPERTY_PATTERN, strict } from './fields.ts';
import { GUEST_PROGRAM, HOST_PROGRAM } from './program.ts';
import type { Expectation, Parameter, Scenario } from './types.ts';

const TEXT_MAX = 2000;
const BOUND_MAX = 1_000_000_000;
const text = () => z.string().min(1).max(TEXT_MAX);
const anInteger = () => integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER);

export const ARCHES = z.enum(['amd', 'intel', 'arm64']);
export const KERNELS = z.enum(['6.1', '6.6', '6.12', '6.14']);
export const PREEMPTION = z.enum(PREEMPTION_MODELS);
export const TICKS = z.enum(['direct', 'pending']);
export const FEATURES = z.array(z.enum(['sev', 'sev-es', 'sev-snp'])).max(8);
export const TIME = z.enum(['untimed', 'ordered']);
export const ALLOW = z.array(z.enum(['spurious-exit', 'interrupt', 'psp-error'])).max(8);
export const VM_TYPE = z.enum(['snp']);
export const CPUS = integer(1, LIMITS.cpus);
export const ASID = integer(1, 0xffff);
export const BOUND = integer(1, BOUND_MAX);
export const CLAIMS = z.array(text()).max(256);
export const SUMMARY = text();
export const SOURCE = z.string().max(TEXT_MAX);

const optionFields = Object.entries(HOST_OPTIONS).map(([name, values]) => [name, z.enum([...values]).exactOptional()] as const);

/** Host options by name, any of them. */
const OPTIONS = strict(Object.fromEntries(optionFields)) as z.ZodType<unknown> as z.ZodType<Partial<HostOptions>>;

export const PAGES = z
  .array(strict({ gfn: GFN, pfn: PFN, state: z.enum(['shared', 'guest-invalid', 'guest-valid', 'vmsa']) }))
  .max(LIMITS.pages);

export const FIRMWARE_STATE = z.enum(['UNINIT', 'INIT']);
export const FIRMWARE_PAGES = z.array(strict({ pfn: PFN, state: z.enum(['hypervisor', 'firmware', 'reclaim']) })).max(LIMITS.pages);

export const EXPECTATION: z.ZodType<Expectation> = z.union([
  z.literal('clean'),
  strict({ violates: z.array(PROPERTY_ID).min(1).max(LIMITS.pages) }),
]);

const PARAMETER: z.ZodType<Parameter> = z.discriminatedUnion('type', [
  strict({ type: z.literal('integer'), min: anInteger().exactOptional(), max: anInteger().exactOptional(), default: anInteger() }),
  strict({ type: z.literal('boolean'), default: z.boolean() }),
  strict({ type: z.literal('string'), enum: z.array(text()).min(1).max(64).exactOptional(), default: z.string().max(TEXT_MAX) }),
]);

const HOST = strict({
  arch: ARCHES.describe('Only amd is simulated yet.'),
  cpus: CPUS.describe('How many pCPUs. Default 2.').exactOptional(),
  smt: z.boolean().describe('Whether each two pCPUs share a core. Default false.').exactOptional(),
  preemption: PREEMPTION.describe('The preemption model of the kernel. Default full.').exactOptional(),
  kernel: KERNELS.describe('Presets the options that differ by version; in quotes. Default "6.12".').exactOptional(),
  ticks: TICKS.describe(
    'Whether a preemption is an offer at each point, or a tick first sets need_resched. Default direct.',
  ).exactOptional(),
  features: FEATURES.describe('What the processor and its firmware can do.').exactOptional(),
  options: OPTIONS.describe('Host options for all variants.').exactOptional(),
});

const VM = strict({
  type: VM_TYPE,
  options: strict({
    asid: ASID.describe("Default: the VM's place in `vms`, from 1.").exactOptional(),
    pages: PAGES.describe('Every page that the VM uses, as it is when the run starts.'),
  }),
  vcpus: z.array(GUEST_PROGRAM).max(LIMITS.vcpus).describe('One program for each vCPU.'),
});

const PROCESS = strict({ threads: z.array(HOST_PROGRAM).min(1).max(LIMITS.threads).describe('One program for each thread.') });

const PATTERNS = z.array(PROPERTY_PATTERN).max(LIMITS.pages);

/** A scenario file. */
export const SCENARIO: z.ZodType<Scenario> = strict({
  name: NAME.describe('Kebab-case; the name of the file without its ending.'),
  summary: SUMMARY.describe('One line for people.'),
  source: SOURCE.describe('Where the question comes from.').exactOptional(),
  claims: CLAIMS.describe('What the scenario bears on, by id.').exactOptional(),
  params: named(PARAMETER_NAME, PARAMETER, LIMITS.params)
    .describe('Values that a user may set; arguments name them as $NAME.')
    .exactOptional(),
  model: NAME.describe("A model other than the host's; then vms and processes are left out.").exactOptional(),
  host: HOST,
  vms: named(NAME, VM, LIMITS.vms).exactOptional(),
  processes: named(NAME, PROCESS, LIMITS.processes)
    .refine((map) => Object.keys(map).length > 0, { error: 'expected at least one process' })
    .meta({ minProperties: 1 })
    .exactOptional(),
  firmware: strict({ state: FIRMWARE_STATE, pages: FIRMWARE_PAGES.exactOptional() })
    .describe('The security processor at the start. Default: INIT if there is a VM, else UNINIT.')
    .exactOptional(),
  time: TIME.describe('Whether armed timers keep their order. Default untimed.').exactOptional(),
  allow: ALLOW.describe('Offers that may happen besides preempt and migrate.').exactOptional(),
  variants: named(NAME, OPTIONS, LIMITS.variants)
    .refine((map) => Object.keys(map).length > 0, { error: 'expected at least one variant' })
    .meta({ minProperties: 1 })
    .describe('Host options by name of the variant; the first is the default.')
    .exactOptional(),
  properties: strict({ always: PATTERNS.exactOptional(), sometimes: PATTERNS.exactOptional(), eventually: PATTERNS.exactOptional() })
    .describe('What is checked: ids, or topic.* for all of a topic.')
    .exactOptional(),
  bounds: strict({ steps: BOUND.exactOptional(), states: BOUND.exactOptional() })
    .describe('Limits of a run and of an exploration. Default 1000000 steps, 200000 states.')
    .exactOptional(),
  expect: named(NAME, EXPECTATION, LIMITS.variants).describe('What each variant is known to do.').exactOptional(),
});
