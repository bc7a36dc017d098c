/**
 * The pieces that schemas of scenarios are made of. A message of theirs starts with "expected":
 * `explain.ts` adds what was found.
 */
import { z } from 'zod';
import { type U64, U64_MAX, u64 } from '../../events/u64.ts';

/**
 * How `strict` carries the valid names to the code that words the message; no name holds a comma.
 */
const KEYS_PREFIX = 'expected one of ';
const KEYS_SEPARATOR = ', ';

/** A map with these keys only. `expected` says so of anything that is no map. @public */
export const strict = <S extends z.ZodRawShape>(shape: S, expected?: string) =>
  z.strictObject(shape, {
    error: (issue) => (issue.code === 'unrecognized_keys' ? KEYS_PREFIX + Object.keys(shape).join(KEYS_SEPARATOR) : expected),
  });

/**
 * The names in a message of `strict`: none where a map has no keys. Null for a map of another make,
 * whose message names no keys.
 */
export const keysIn = (message: string): string[] | null =>
  message.startsWith(KEYS_PREFIX)
    ? message
        .slice(KEYS_PREFIX.length)
        .split(KEYS_SEPARATOR)
        .filter((name) => name !== '')
    : null;

/** An integer in a range. `show` writes its bounds. @public */
export function integer(min: number, max: number, show: (value: number) => string = String) {
  const error = `expected an integer from ${show(min)} to ${show(max)}`;
  return z.int({ error }).min(min, { error }).max(max, { error });
}

const matching = (pattern: RegExp, error: string) => z.string({ error }).regex(pattern, { error, abort: true });

/**
 * Names of scenarios, VMs and processes. They start with a letter, so that a map keeps the order
 * they are written in.
 * @public
 */
export const NAME = matching(/^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/, 'expected a kebab-case name such as "vm0" or "map-lock"').max(64, {
  error: 'expected a name of at most 64 characters',
});

/** Names of variants, which may be called after a version: `linux-6.12`. */
export const VARIANT_NAME = matching(
  /^[a-z][a-z0-9]*(?:[.-][a-z0-9]+)*$/,
  'expected a kebab-case name, with dots where it has a version, such as "my-fix" or "linux-6.12"',
).max(64, { error: 'expected a name of at most 64 characters' });

export const PARAMETER_NAME = matching(/^[A-Za-z][A-Za-z0-9_]{0,63}$/, 'expected a parameter name: letters, digits and _, first a letter');

/** A parameter in the place of a value. */
export const REFERENCE = matching(/^\$[A-Za-z][A-Za-z0-9_]{0,63}$/, 'expected $NAME of a parameter');

export const PROPERTY_ID = matching(/^[a-z0-9-]+\.[a-z0-9-]+$/, 'expected a property id such as "rmp.no-double-owner"');

export const PROPERTY_PATTERN = matching(/^[a-z0-9-]+\.(?:[a-z0-9-]+|\*)$/, 'expected a property id, or "topic.*" for all of a topic');

/**
 * What a variant is expected to do: a property that breaks, or a way to get nowhere. Which names
 * there are is checked later.
 */
export const EXPECTED_NAME = matching(/^[a-z0-9-]+(?:\.[a-z0-9-]+)?$/, 'expected a property id such as "rmp.no-double-owner", or deadlock');

/** A map from names of the author's to values, bounded. @public */
export const named = <V extends z.ZodType>(key: z.ZodType<string, string>, value: V, max: number) =>
  z
    .record(key, value)
    .refine((map) => Object.keys(map).length <= max, { error: `expected at most ${max} entries` })
    .meta({ maxProperties: max });

const BITS64_ERROR = `expected an integer from 0 to 0x${U64_MAX.toString(16)}, or its hex digits as text`;

/**
 * A value of 64 bits: an integer, or its hex digits as text. YAML gives integers above 2^53 as
 * bigint.
 * @public
 */
export const BITS64 = z
  .union(
    [
      z.int({ error: BITS64_ERROR }).min(0, { error: BITS64_ERROR }),
      z.bigint({ error: BITS64_ERROR }).min(0n, { error: BITS64_ERROR }).max(U64_MAX, { error: BITS64_ERROR }),
      matching(/^0[xX]0*[0-9a-fA-F]{1,16}$/, BITS64_ERROR),
    ],
    { error: BITS64_ERROR },
  )
  .transform((value): U64 => u64(BigInt(value)));

/** 52 bits of physical address less 12 of offset in a 4K page. */
const FRAME_MAX = 0xff_ffff_ffff;
const frame = () => integer(0, FRAME_MAX, (value) => (value === 0 ? '0' : `0x${value.toString(16)}`));

/** The schema of a guest frame number. @public */
export const GFN = frame().describe('Guest frame number: the guest physical address divided by 4096.');
/** The schema of a system frame number. @public */
export const PFN = frame().describe('System frame number: the system physical address divided by 4096.');

/** `names`: of properties in a list. */
export const LIMITS = {
  vms: 1024,
  vcpus: 1024,
  processes: 1024,
  threads: 1024,
  names: 4096,
  params: 64,
  variants: 64,
  cpus: 1024,
} as const;

const VCPU_ERROR = 'expected a vCPU such as "vm0/0"';
/** The schema of a vCPU, as `vm0/0`. @public */
export const VCPU = z
  .string({ error: VCPU_ERROR })
  .regex(/^[a-z][a-z0-9-]{0,63}\/(?:0|[1-9][0-9]{0,3})$/, { error: VCPU_ERROR })
  .describe('VM and index, such as vm0/0.');

/** What a program holds of a vCPU that is written as `vm0/0`. @public */
export function vcpuNamed(vcpu: string): { readonly vm: string; readonly vcpu: number } {
  const slash = vcpu.indexOf('/');
  return { vm: vcpu.slice(0, slash), vcpu: Number(vcpu.slice(slash + 1)) };
}

/** The kernel of a host that does not say. */
export const KERNEL_DEFAULT = '6.12';

/** The pCPUs of a host that does not say. */
export const CPUS_DEFAULT = 2;
