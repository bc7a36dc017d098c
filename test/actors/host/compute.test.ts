/** A thread that computes, and threads that are bound to a CPU: they stand in for other work. */
import { describe, expect, it } from 'vitest';
import type { HostThread } from '../../../actors/host/host-env.ts';
import { Explorer } from '../../../sim/explore/breadth/explorer.ts';
import { finish as searched } from '../../../sim/explore/turns.ts';
import { withLiveness } from '../../../sim/properties/liveness.ts';
import { scenario } from '../../../sim/scenario/build.ts';
import type { HostStep } from '../../../sim/scenario/program.ts';
import type { Arch, ProcessSource, Scenario } from '../../../sim/scenario/types.ts';
import * as w from '../../claims/world.ts';
import { microSteps, play, resolved } from '../../sim/play.ts';
import { finish, steer, steps, to } from '../../sim/steer.ts';

const endless: HostStep = { compute: { steps: 'endless' } };
const three: HostStep = { compute: { steps: 3 } };
const A = 'thread:a/0';

const host = (processes: Readonly<Record<string, ProcessSource>>, rest: Partial<Scenario> = {}, arch: Arch = 'amd') =>
  resolved(scenario({ name: 'busy', summary: 'Threads compute', host: { arch, cpus: 2, preemption: 'full' }, processes, ...rest }));

describe('compute', () => {
  it.each(['amd', 'intel', 'arm64'] as const)('on %s never ends where it is endless, and counts as progress', (arch) => {
    const busy = withLiveness(host({ a: { threads: [[endless]] } }, { bounds: { steps: 50 } }, arch));
    const played = play(busy, { name: 'fifo' });
    expect(played.end.violation).toBeNull();
    expect(microSteps(played, A).at(-1)).toBe('main.compute.compute');
  });

  it('ends after as many steps as it says, or one', () => {
    const played = play(host({ a: { threads: [[three, { compute: {} }]] } }), { name: 'fifo' });
    expect(microSteps(played, A).filter((name) => name.endsWith('compute_for'))).toHaveLength(4);
    expect(played.end).toMatchObject({ ended: 'done' });
  });

  it('is preempted like all user code, so that others on its CPU get their turn', () => {
    const busy = host({ a: { cpu: 0, threads: [[endless]] }, b: { cpu: 0, threads: [[three]] } }, { bounds: { steps: 200 } });
    const report = searched(new Explorer({ scenario: busy, budget: { states: 10_000 } }).run());
    expect(report).toMatchObject({ findings: [], exhausted: true });
    const played = play(busy, { name: 'random-uniform', seed: 1 });
    expect(microSteps(played, 'thread:b/0').at(-1)).toBe('main.do_exit');
  });

  it.each([endless, three])('ends with its process, whatever is left of it: %j', (left) => {
    const killed = w.world({ vm0: w.vm([w.page('guest-valid')], [w.hlt]) }, { a: [[left], [w.dmaWrite()]], qemu0: [[w.run()]] });
    const played = play(
      killed,
      steer(to(A, left === endless ? 'compute.compute' : 'compute.compute_for'), steps(A, 1), finish('thread:a/1'), finish(A)),
    );
    expect(w.signalOf(played, 'a')).toBe('SIGBUS');
    expect(microSteps(played, A).filter((name) => name.startsWith('main.compute.')).length).toBeLessThan(3);
  });
});

describe('a process that is bound to a CPU', () => {
  const bound = host({ a: { threads: [[three]] }, b: { cpu: 1, threads: [[three], [three]] }, c: { threads: [[three]] } });
  const cpusOf = (thread: string) => {
    const cpus = new Set<string>();
    const labels: string[] = [];
    const collect = ({ sequencer }: { readonly sequencer: { alternatives(): readonly { readonly label: string }[] } }) => {
      labels.push(...sequencer.alternatives().map(({ label }) => label));
      return false;
    };
    for (let seed = 1; seed <= 20; seed++) {
      const played = play(bound, { name: 'random-uniform', seed }, undefined, collect);
      for (const { kind, type, actor, peer } of played.records)
        if (kind === 'deliver' && type === 'step' && actor === thread) cpus.add(peer!);
    }
    return { cpus: [...cpus].sort(), moves: labels.some((label) => label.startsWith(`migrate(sched, ${thread},`)) };
  };

  it('runs there alone: its threads are never moved', () => {
    for (const thread of ['thread:b/0', 'thread:b/1']) expect(cpusOf(thread)).toEqual({ cpus: ['pcpu:1'], moves: false });
  });

  it('leaves the places of the others as they were without it', () => {
    expect(cpusOf(A)).toEqual({ cpus: ['pcpu:0', 'pcpu:1'], moves: true });
    const { world } = play(bound, { name: 'fifo' }, undefined, () => true);
    const { rq } = world.actors<{ readonly rq: Readonly<Record<string, readonly string[]>> }>('hostScheduler')[0]!.context;
    expect(rq).toEqual({ 'pcpu:0': [A], 'pcpu:1': ['thread:b/0', 'thread:b/1', 'thread:c/0'] });
  });

  it('is refused on a CPU that the host does not have', () => {
    expect(() => host({ a: { cpu: 2, threads: [[three]] } })).toThrow(
      'processes.a.cpu: found 2; expected a pCPU of the host: an integer from 0 to 1',
    );
    expect(() => host({ a: { cpu: 1024, threads: [[three]] } })).toThrow('processes.a.cpu: found 1024; expected an integer from 0 to 1023');
  });

  it('keeps a thread that was preempted where it is', () => {
    const played = play(host({ a: { cpu: 0, threads: [[endless]] }, b: { cpu: 0, threads: [[three]] } }, { bounds: { steps: 60 } }), {
      name: 'random',
      seed: 3,
    });
    expect(played.context<HostThread>(A).cpu).not.toBe('pcpu:1');
  });
});
