/**
 * Claims of the kit: each is a row of docs/domain/kit.md, holds in races of its own, and fails
 * under each of its mutants. A mutant is a machine of the primitive that does one thing wrong, or a
 * path of the kernel that lacks a step or has a wrong one.
 */
import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import type { AnyStateMachine } from 'xstate';
import { type HostEnv, type HostItem, type HostPath, hostPatch } from '../../../actors/host/host-env.ts';
import type { Primitive } from '../../../actors/kit/primitive.ts';
import { syscall } from '../../../actors/kit/syscall.ts';
import type { Grade } from '../../../actors/path/path.ts';
import type { Patch } from '../../../sim/host/mechanism.ts';
import type { Property } from '../../../sim/property.ts';
import { testClaims } from '../../claims/claim-cases.ts';
import { type Raced, raced } from './raced.ts';
import { changedBy } from './wrong-buffers.ts';

export interface KitClaim {
  readonly id: string;
  readonly says: string;
  readonly source: string;
  readonly grade: Grade;
  /** By name: what the mutant does to the primitives, or to the whole host. */
  readonly mutants: Readonly<Record<string, Mutation | { readonly host: Patch }>>;
  readonly check: (of: <P extends Primitive>(primitive: P) => P) => void;
}
/** By the kind of the actors. */
export type Mutation = Readonly<Record<string, (machine: AnyStateMachine) => AnyStateMachine>>;

const isOfHost = (mutation: Mutation | { readonly host: Patch }): mutation is { readonly host: Patch } => typeof mutation.host === 'object';

/** A mutant: functions of the kernel as these changes leave them. */
export const walks = (paths: Readonly<Record<string, (path: HostPath) => HostPath>>): { readonly host: Patch } => ({
  host: { paths: Object.fromEntries(Object.entries(paths).map(([name, change]) => [name, [hostPatch((path) => change(path))]])) },
});

/** The primitive with other machines. */
const mutated = <P extends Primitive>(primitive: P, changes: Mutation): P => ({
  ...primitive,
  parts: primitive.parts.map((part) => {
    const change = changes[part.kind];
    return change ? { ...part, machine: (env) => change(part.machine(env)) } : part;
  }),
});

/** A machine with other guards or actions, by their names. */
export const provides =
  (implementations: { readonly guards?: object; readonly actions?: object }) =>
  (machine: AnyStateMachine): AnyStateMachine =>
    machine.provide(implementations as never);

export function kitClaims(claims: readonly KitClaim[]): void {
  testClaims(
    claims.map(({ id, says, mutants, check }) => ({
      id,
      says,
      mutants: Object.keys(mutants) as [string, ...string[]],
      check: (mutant) => {
        const mutation = mutant === undefined ? {} : mutants[mutant]!;
        if (isOfHost(mutation)) {
          changedBy(mutation.host, () => check((primitive) => primitive));
          return;
        }
        const changes = mutation;
        const used = new Set<string>();
        check((primitive) => {
          for (const { kind } of primitive.parts) used.add(kind);
          return mutated(primitive, changes);
        });
        if (Object.keys(changes).some((kind) => !used.has(kind))) throw new Error(`${mutant} fits no primitive of ${id}`);
      },
    })),
  );
  const rows = readFileSync('docs/domain/kit.md', 'utf8').split('\n');
  it.each(claims)('$id stands in docs/domain/kit.md', ({ id, says, source, grade }) => {
    expect(rows).toContain(`| ${id} | ${says} | ${source} | ${grade} |`);
  });
  it.each(claims)('$id has two mutants', ({ mutants }) => expect(Object.keys(mutants).length).toBeGreaterThanOrEqual(2));
}

/**
 * Threads that each do one thing in the kernel, each on a CPU of its own unless `cpus` says how
 * many there are.
 */
export const threads = (
  work: readonly (readonly HostItem[] | ((env: HostEnv) => readonly HostItem[]))[],
  {
    uses,
    properties = [],
    cpus,
    host = {},
  }: { uses: readonly Primitive[]; properties?: readonly Property[]; cpus?: number } & Pick<Raced, 'host'>,
) =>
  raced({
    race: {
      uses,
      operations: Object.fromEntries(
        work.map((items, at) => [
          `work-${at}`,
          {
            summary: 'works',
            source: 'a test',
            does: (env: HostEnv) => syscall('ioctl', 'a test', typeof items === 'function' ? items(env) : items),
          },
        ]),
      ),
    },
    host: { cpus: cpus ?? work.length, ...host },
    properties,
    processes: Object.fromEntries(
      work.map((_, at) => [`p${at}`, { ...(cpus === undefined && { cpu: at }), threads: [[{ [`work-${at}`]: {} }]] }]),
    ),
  });
