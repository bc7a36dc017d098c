/**
 * Properties of hosts that look at what classes are made of: CPUs, and what the context switch
 * keeps of threads. Each stands as `always` and as `sometimes`.
 */
import type { HostThread } from '../../../../actors/host/host-env.ts';
import type { PcpuContext } from '../../../../actors/host/pcpu-context.ts';
import { register } from '../../../../sim/host/registry.ts';
import type { Property } from '../../../../sim/property.ts';
import type { ActorView, WorldView } from '../../../../sim/view.ts';

type Cpu = ActorView<PcpuContext>;
type Thread = ActorView<HostThread>;
type Look = Pick<Property, 'kinds' | 'check' | 'each' | 'sees'>;

const cpus = (world: WorldView): readonly Cpu[] => world.actors<PcpuContext>('pcpu');
const threads = (world: WorldView): readonly Thread[] => world.actors<HostThread>('hostThread');
const inCode = ({ value }: Thread, name: RegExp): boolean => name.test(JSON.stringify((value as { readonly code: unknown }).code));
const isSwitching = ({ value }: Cpu): boolean => /"__schedule"/.test(JSON.stringify(value));
const isHandling = ({ value }: Cpu): boolean => /"irq"/.test(JSON.stringify(value));

/** Evidence of one actor at a time. */
const each = <C>(kind: string, told: (actor: ActorView<C>) => string | null): Look => ({
  kinds: [kind],
  each: told,
  check: (world) =>
    world
      .actors<C>(kind)
      .map(told)
      .find((evidence) => evidence !== null) ?? null,
});

const found = <C>(actors: readonly ActorView<C>[], is: (actor: ActorView<C>) => boolean, what: string): string | null => {
  const one = actors.find(is);
  return one ? `${one.id} ${what}` : null;
};

const LOOKS: Readonly<Record<string, Look>> = {
  'cpu-handles': each<PcpuContext>('pcpu', (cpu) => (isHandling(cpu) ? `${cpu.id} is in an interrupt handler` : null)),
  'cpu-has-two': each<PcpuContext>('pcpu', ({ id, context }) => (context.waiting.length > 1 ? `two threads wait on ${id}` : null)),
  'cpu-switches-to-dead': each<PcpuContext>('pcpu', ({ id, context }) => (context.previous === 'dead' ? `a task on ${id} is dead` : null)),
  'cpu-0-by-name': each<PcpuContext>('pcpu', ({ id, context }) =>
    id === 'pcpu:0' && context.current !== null && context.waiting.length > 0 ? 'pcpu:0 runs a thread, and another one waits' : null,
  ),
  'all-cpus-busy': {
    kinds: ['pcpu'],
    sees: ({ context }: ActorView<never>) => String((context as PcpuContext).current !== null),
    check: (world) => (cpus(world).every(({ context }) => context.current !== null) ? 'every CPU runs a thread' : null),
  },
  'two-cpus-switch': {
    kinds: ['pcpu'],
    check: (world) => (cpus(world).filter(isSwitching).length > 1 ? 'two CPUs switch at once' : null),
  },
  'higher-cpu-alone': {
    kinds: ['pcpu'],
    check: (world) => {
      const [low, high] = cpus(world);
      return high && low!.context.current === null && high.context.current !== null ? `${high.id} runs a thread, ${low!.id} none` : null;
    },
  },
  'handler-meets-kernel': {
    kinds: ['pcpu', 'hostThread'],
    check: (world) => {
      const other = threads(world).find((thread) => thread.context.cpu !== null && inCode(thread, /ioctl|KVM_RUN|rmp|split|sev/));
      return cpus(world).some(isHandling) && other ? `${other.id} is in the kernel while a CPU handles an interrupt` : null;
    },
  },
  'thread-off-cpu-in-kernel': {
    kinds: ['hostThread'],
    check: (world) =>
      found(threads(world), (one) => one.context.cpu === null && one.context.letter === 'P' && !inCode(one, /main/), 'is preempted'),
  },
  'thread-letter': each<HostThread>('hostThread', ({ id, context: { letter, pc } }) =>
    letter === 'U' && pc > 0 ? `${id} waits in user mode behind its first operation` : null,
  ),
  'threads-run-together': {
    kinds: ['hostThread'],
    sees: ({ context }: ActorView<never>) => String((context as HostThread).cpu !== null),
    check: (world) => (threads(world).filter(({ context }) => context.cpu !== null).length > 1 ? 'two threads run' : null),
  },
  'threads-on-cpu-1': {
    kinds: ['hostThread'],
    check: (world) => found(threads(world), ({ context }) => context.cpu === 'pcpu:1' && context.pc > 0, 'runs on pcpu:1'),
  },
};

const FORMS = ['always', 'sometimes'] as const;

export const LOOK_NAMES = Object.keys(LOOKS);
export const lookId = (form: (typeof FORMS)[number], name: string): string => `classes.${form}-${name}`;

/** @returns what takes them away again */
export const registerLooks = (): (() => void) =>
  register({
    name: 'classes',
    arches: [],
    properties: FORMS.flatMap((form) =>
      Object.entries(LOOKS).map(
        ([name, look]): Property => ({ id: lookId(form, name), form, source: 'a test', grade: 'decision', ...look }),
      ),
    ),
  });
