/** The schema of a resolved scenario, for one that comes from a journal and is not trusted. */
import { z } from 'zod';
import type { HostOptions, VmSettings } from '../../events/options.ts';
import type { ControlOp, GuestOp, HostOp, Program } from '../../events/program.ts';
import { perArch, perRegistry } from '../host/registry.ts';
import { guestOperations, hostOperations } from './all-operations.ts';
import { integer, LIMITS, NAME, named, PARAMETER_NAME, PROPERTY_ID, strict, VARIANT_NAME } from './fields.ts';
import { OPTIONS_MAX, type Operations, TIMES } from './program.ts';
import {
  ARCHES,
  allow,
  BOUND,
  CLAIMS,
  CPU,
  CPUS,
  EXPECTATION,
  features,
  KERNELS,
  optionValues,
  PREEMPTION,
  SOURCE,
  SUMMARY,
  TICKS,
  TIME,
  vmType,
} from './schema.ts';
import { resolvedSections, settingFields } from './sections.ts';
import type { Arch, ResolvedScenario, ResolvedSections } from './types.ts';

/** Longer than any program that a file of the greatest size can hold. */
const OPS_MAX = 1_000_000;
const index = () => integer(0, OPS_MAX);

/** Host options by name; `resolve.ts` knows which of them a host must have. */
const someOptions = () =>
  strict(Object.fromEntries(Object.entries(optionValues()).map(([name, values]) => [name, z.enum([...values]).exactOptional()])));

interface AnyProgram {
  readonly ops: readonly unknown[];
  readonly loops: readonly number[];
}

const operationName = (op: unknown): unknown => (op as { readonly op: unknown }).op;

/** Where a choice and the jump behind an option of it may go on. */
function targetsOf(op: unknown): readonly number[] {
  const { op: name, to } = op as { readonly op: string; readonly to: number | readonly number[] };
  return name === 'choose' || name === 'jump' ? ([] as number[]).concat(to) : [];
}

/** What is wrong with the jumps of a program; null if nothing is. */
function jumpMistake({ ops, loops }: AnyProgram): string | null {
  const end = ops.findIndex((op) => operationName(op) === 'end');
  if (end !== ops.length - 1) return 'expected one end, as the last operation';
  const seen = new Set<number>();
  for (const [at, op] of ops.entries()) {
    const ahead = targetsOf(op).every((to) => to > at && to <= end);
    if (!ahead) return `expected ${operationName(op)} to jump ahead`;
    if (operationName(op) !== 'next') continue;
    const { loop, to } = op as Extract<ControlOp, { readonly op: 'next' }>;
    if (to >= at) return `expected next of loop ${loop} to jump back`;
    if (loop >= loops.length || seen.has(loop)) return 'expected one next for each loop';
    seen.add(loop);
  }
  return seen.size === loops.length ? null : 'expected one next for each loop';
}

function program<Op>(operations: Operations): z.ZodType<Program<Op>> {
  const [first, ...rest] = Object.entries(operations).map(([op, { fields }]) => strict({ op: z.literal(op), ...fields }));
  const next = strict({ op: z.literal('next'), loop: index(), to: index() });
  const choose = strict({ op: z.literal('choose'), to: z.array(index()).min(2).max(OPTIONS_MAX) });
  const jump = strict({ op: z.literal('jump'), to: index() });
  const op = z.discriminatedUnion('op', [strict({ op: z.literal('end') }), next, first!, ...rest, choose, jump]);
  const schema = strict({ ops: z.array(op).min(1).max(OPS_MAX), loops: z.array(TIMES).max(OPS_MAX) }).superRefine((value, context) => {
    const mistake = jumpMistake(value);
    if (mistake !== null) context.addIssue({ code: 'custom', message: mistake });
  });
  // The table decides the shape at run time as GuestOp and HostOp do for the compiler.
  return schema as z.ZodType<unknown> as z.ZodType<Program<Op>>;
}

const guest = perRegistry(() => program<GuestOp>(guestOperations()));
const host = perRegistry(() => program<HostOp>(hostOperations()));
const IDS = z.array(PROPERTY_ID).max(LIMITS.names);
const THREAD_ERROR = 'expected "vcpu<k>" or an index';
const THREAD_ID = z.string({ error: THREAD_ERROR }).regex(/^(?:vcpu)?(?:0|[1-9][0-9]{0,3})$/, { error: THREAD_ERROR });

// The mechanisms' schemas decide the shape at run time as the interfaces do for the compiler.
const settings = (arch: Arch | null) => strict(settingFields(arch)) as z.ZodType<unknown> as z.ZodType<Partial<VmSettings>>;
const sections = (arch: Arch | null) => strict(resolvedSections(arch)) as z.ZodType<unknown> as z.ZodType<Partial<ResolvedSections>>;

/** A resolved scenario by its shape, for hosts of an architecture; `structure.ts` has the rest. */
export const resolvedSchema = perArch(
  (arch): z.ZodType<ResolvedScenario> =>
    strict({
      name: NAME,
      summary: SUMMARY,
      source: SOURCE,
      claims: CLAIMS,
      variant: VARIANT_NAME,
      params: named(PARAMETER_NAME, z.union([z.int(), z.boolean(), z.string()]), LIMITS.params),
      model: NAME.exactOptional(),
      mutant: NAME.exactOptional(),
      host: strict({
        arch: ARCHES,
        cpus: CPUS,
        smt: z.boolean(),
        preemption: PREEMPTION,
        kernel: KERNELS,
        ticks: TICKS,
        haltPolling: z.literal(false).exactOptional(),
        rseq: z.literal(true).exactOptional(),
        tsc: z.literal('unstable').exactOptional(),
        features: features(),
        options: someOptions() as z.ZodType<unknown> as z.ZodType<HostOptions>,
      }),
      vms: z
        .array(
          strict({
            id: NAME,
            type: vmType(),
            settings: settings(arch).exactOptional(),
            vcpus: z.array(guest()).max(LIMITS.vcpus),
          }),
        )
        .max(LIMITS.vms),
      processes: z
        .array(
          strict({
            id: NAME,
            cpu: CPU.exactOptional(),
            threads: z
              .array(strict({ id: THREAD_ID, program: host() }))
              .min(1)
              .max(LIMITS.threads),
          }),
        )
        .max(LIMITS.processes),
      sections: sections(arch).exactOptional(),
      time: TIME,
      allow: allow(),
      properties: strict({ always: IDS, sometimes: IDS, eventually: IDS }),
      bounds: strict({ steps: BOUND, states: BOUND }),
      variants: named(VARIANT_NAME, strict({ options: someOptions(), expect: EXPECTATION.nullable() }), LIMITS.variants).exactOptional(),
      expect: EXPECTATION.nullable(),
    }),
);
