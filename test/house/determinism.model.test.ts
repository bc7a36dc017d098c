/**
 * The same scenario and the same choices give the same bytes, whatever ran before; and machines use
 * nothing that could change that.
 */
import { describe, expect, it } from 'vitest';
import type { AnyStateMachine } from 'xstate';
import { GRADES } from '../../actors/path/path.ts';
import { topologyOf } from '../../sim/host/topology.ts';
import { engineOf, journalOf, SHIPPED, seeds, shipped } from '../sim/play.ts';

const CHOOSERS = [{ name: 'fifo' } as const, ...seeds(1)];
const JOBS = SHIPPED.flatMap(({ name, variant }) =>
  CHOOSERS.map((chooser) => ({ title: `${name} ${variant} ${JSON.stringify(chooser)}`, name, variant, chooser })),
);
const bytes = ({ name, variant, chooser }: (typeof JOBS)[number]) => {
  const scenario = shipped(name, variant);
  return Buffer.from(journalOf(scenario, chooser, engineOf(scenario, 'memo')).bytes).toString('base64');
};

describe('a run', { timeout: 120_000 }, () => {
  it('gives the same bytes a second time, and in the reversed order', () => {
    const once = new Map(JOBS.map((job) => [job.title, bytes(job)]));
    const again = JOBS.toReversed().map((job) => [job.title, bytes(job)] as const);
    expect(again.filter(([title, content]) => once.get(title) !== content).map(([title]) => title)).toEqual([]);
    expect(new Set(once.values()).size).toBeGreaterThan(SHIPPED.length);
  });

  it('differs from another run at least in its bytes', () => {
    const [first, second] = seeds(2).map((chooser) => bytes({ title: '', name: 'rmp-churn', variant: 'default', chooser }));
    expect(first).not.toBe(second);
  });
});

type Node = AnyStateMachine['root'];

const nodesOf = (node: Node): readonly Node[] => [node, ...Object.values(node.states).flatMap((child) => nodesOf(child as Node))];

/** What makes a machine depend on more than its state and the event. */
const offences = (machine: AnyStateMachine): string[] =>
  nodesOf(machine.root).flatMap((node) => [
    ...(node.invoke.length > 0 ? [`${node.id} invokes`] : []),
    ...(node.after.length > 0 ? [`${node.id} has a timer`] : []),
    ...(node.type === 'history' ? [`${node.id} remembers`] : []),
    ...(node.type === 'final' ? [`${node.id} ends`] : []),
    ...(node.entry.length + node.exit.length > 0 ? [`${node.id} acts on entry or exit`] : []),
    ...((node.always?.length ?? 0) > 0 ? [`${node.id} moves by itself`] : []),
  ]);

describe('machines', () => {
  const machines = SHIPPED.flatMap(({ name, variant }) =>
    Object.entries(topologyOf(shipped(name, variant)).machines).map(
      ([kind, machine]) => [`${kind} of ${name} ${variant}`, machine] as const,
    ),
  );

  it('use no invoke, no timer, no history, no final state, no transition of their own', () => {
    expect(machines.flatMap(([name, machine]) => offences(machine).map((offence) => `${name}: ${offence}`))).toEqual([]);
    expect(machines.length).toBeGreaterThan(SHIPPED.length * 5);
  });

  it('have a state for each micro-step and a source for each of those', () => {
    const walkers = machines.filter(([title]) => /^(?:hostThread|vcpu) of rmp-host-write-race /.test(title));
    expect(walkers.length).toBeGreaterThan(2);
    for (const [name, machine] of walkers) {
      const steps = nodesOf(machine.root).filter((node) => node.meta?.step !== undefined);
      expect(steps.length, name).toBeGreaterThan(5);
      expect(steps.filter(({ meta }) => !GRADES.includes(meta.grade) || meta.source === '').map(({ id }) => id)).toEqual([]);
    }
  });
});
