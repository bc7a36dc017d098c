/**
 * Worlds in which what waits, runs later or interrupts speaks: each event that those primitives have
 * is said in one of them.
 */
import { type HostEnv, type HostItem, host } from '../../../actors/host/host-env.ts';
import { completion } from '../../../actors/kit/completion.ts';
import { interrupt } from '../../../actors/kit/interrupt.ts';
import { local } from '../../../actors/kit/local.ts';
import { notifierChain } from '../../../actors/kit/notifier.ts';
import type { Primitive } from '../../../actors/kit/primitive.ts';
import { rcuwait } from '../../../actors/kit/rcuwait.ts';
import { smpCall } from '../../../actors/kit/smp-call.ts';
import { syscall } from '../../../actors/kit/syscall.ts';
import { timeouts } from '../../../actors/kit/timeout.ts';
import { timer } from '../../../actors/kit/timer.ts';
import { waitQueue } from '../../../actors/kit/wait-queue.ts';
import { workqueue } from '../../../actors/kit/workqueue.ts';
import { race } from '../../../sim/host/race.ts';
import { register } from '../../../sim/host/registry.ts';
import { knownProperties } from '../../../sim/properties/index.ts';
import { resolveScenario } from '../../../sim/scenario/resolve.ts';
import type { ResolvedScenario, Scenario } from '../../../sim/scenario/types.ts';

interface World {
  readonly uses: readonly Primitive[];
  readonly works: (env: HostEnv) => readonly HostItem[];
  readonly other?: readonly HostItem[];
}

const ok = local<boolean>('ok');
const { step } = host;
const PREFIX = 'spoken-waits-';

function worldsOfWaits(): Readonly<Record<string, World>> {
  const q = waitQueue('spokenQueue');
  const r = rcuwait('spokenRcuwait');
  const c = completion('spokenCompletion');
  const wq = workqueue('spokenWork', { item: () => [step('work')] });
  const tm = timer('spokenTimer', () => [step('expires')]);
  const irq = interrupt('spokenIrq', { handler: () => [step('handles')], thread: () => [step('thread')] });
  const call = smpCall('spokenCall', () => [step('calls')]);
  const chain = notifierChain('spokenChain', { block: { does: () => [step('notified')] } }, { kind: 'srcu' });
  const done = [c.done(ok), c.tryWait(ok), c.reinit(), c.completeAll(), c.wait()];
  return {
    queues: {
      uses: [q, r],
      works: () => [q.prepareToWait('interruptible'), timeouts.scheduleTimeout(ok), q.finishWait(), r.prepareTo(), r.finish()],
      other: [q.active(ok), q.wakeUp(), r.wakeUp()],
    },
    completions: { uses: [c], works: () => [c.wait(), ...done], other: [c.complete()] },
    work: { uses: [wq], works: () => [wq.queueDelayed('item'), wq.queue('item'), wq.flush('item'), wq.queue('item'), wq.cancelSync('item')] },
    timers: { uses: [tm], works: () => [tm.mod(), tm.pending(ok), step('while_it_runs'), tm.delete(ok), tm.deleteSync()] },
    interrupts: { uses: [irq], works: () => [irq.raise(), irq.disable(), irq.enable()] },
    calls: { uses: [call], works: (env) => [call.onEach(env)] },
    chains: { uses: [chain], works: (env) => [chain.register('block'), chain.call(env), chain.unregister('block')] },
  };
}

const scenarioOf = (name: string, { other }: World): Scenario => ({
  name: `${PREFIX}${name}`,
  summary: 'Waits of the kit',
  host: { arch: 'amd', cpus: 2 },
  processes: {
    a: { cpu: 0, threads: [[{ [`${name}-works`]: {} } as never]] },
    ...(other && { b: { cpu: 1, threads: [[{ [`${name}-others`]: {} } as never]] } }),
  },
});

/** The worlds, whose mechanism is registered until `end` is called. */
export function spokenWaits(): { readonly worlds: readonly (readonly [string, ResolvedScenario])[]; readonly end: () => void } {
  const all = Object.entries(worldsOfWaits());
  const operation = (works: World['works']) => ({
    summary: 'works',
    source: 'a test',
    does: (env: HostEnv) => syscall('ioctl', 'a test', works(env)),
  });
  const mechanism = race({
    name: 'spoken-waits',
    arches: ['amd'],
    operations: Object.fromEntries(
      all.flatMap(([name, { works, other = [] }]) => [
        [`${name}-works`, operation(works)] as const,
        [`${name}-others`, operation(() => other)] as const,
      ]),
    ),
  });
  const usesOf = ({ name }: ResolvedScenario): readonly Primitive[] =>
    all.flatMap(([world, { uses }]) => (name === `${PREFIX}${world}` ? [...uses, timeouts] : []));
  const end = register({ ...mechanism, uses: usesOf });
  const worlds = all.map(
    ([name, world]) => [`${name} of the kit`, resolveScenario(scenarioOf(name, world), { knownProperties: knownProperties() })] as const,
  );
  return { worlds, end };
}
