/**
 * The main loop of a host thread: one operation of its program after the other, signals on the way,
 * and its end.
 */
import { outgoing } from '../../events/event.ts';
import type { ThreadEvent } from '../../events/index.ts';
import { otherwise, type Path } from '../path/path.ts';
import { saying } from '../path/saying.ts';
import { fatalSignalPending, type HostEnv, type HostItem, type HostLocals, type HostThread, host, opOf, toCpu } from './host-env.ts';
import { nextPc, type OpNames, optionsOf } from './program-counter.ts';

const { path, step, loop, when, leaveLoop } = host;

/** Operations by name: the path that carries each out. */
const operations = (env: HostEnv): readonly (readonly [string, HostItem])[] => env.parts.flatMap((part) => part.operations?.(env) ?? []);

/** What carries out each operation of the host, whether a program holds it or not. */
export const hostItems = (env: HostEnv): readonly HostItem[] => operations(env).map(([, item]) => item);

/**
 * `repeat`: the counter lives in its own actor, so that a long loop does not multiply the states of
 * the thread.
 */
const nextTurn = (env: HostEnv): HostItem =>
  step('next_turn', {
    ns: 10,
    send: (t) => {
      const op = opOf(env, t);
      return outgoing(t.loops!, { type: 'loop.next', loop: op.op === 'next' ? op.loop : 0 });
    },
    answers: { 'loop.turn': (e) => ({ again: e.again }) },
  });

/** `choose`: one of several programs, which no rule decides. */
const chooseStep = (env: HostEnv): HostItem => step('choose', { ns: 20, chooses: (t) => optionsOf(opOf(env, t)) });

const advance = (env: HostEnv): HostItem =>
  step('fetch', {
    ns: 20,
    set: (t, l) => ({ pc: nextPc(env.programs[t.program]!, t.pc, l) }),
    local: () => ({ again: undefined, option: undefined }),
  });

/**
 * do_exit(), by a signal or at the end of the program.
 * @see kernel kernel/exit.c, do_group_exit()
 */
const doExit: readonly HostItem[] = [
  step('do_exit', {
    mode: 'kernel',
    send: (t) => [
      outgoing(t.process, { type: 'process.threadExit', signal: t.signal?.signal ?? null, pfn: t.signal?.pfn ?? null }),
      toCpu(t, { type: 'cpu.exit' }),
    ],
  }),
  host.stop('dead'),
];

const usedIn = ({ programs }: HostEnv): OpNames => new Set(programs.flatMap(({ ops }) => ops.map(({ op }) => op as string)));

/** What every host thread walks, from its first instruction to its end. */
export function threadPath(env: HostEnv, used = usedIn(env)): Path<HostThread, HostLocals, ThreadEvent> {
  const cases = operations(env).filter(([name]) => used.has(name));
  const isAt = (name: string) => saying(`the operation is ${name}`, (t: HostThread) => opOf(env, t).op === name);
  return path(
    'main',
    { source: 'the scenario', grade: 'decision' },
    [
      step('start', { ns: 20 }),
      loop(
        when(
          ...cases.map(([name, item]) => [isAt(name), [item]] as const),
          ...(used.has('choose') ? [[isAt('choose'), [chooseStep(env)]] as const] : []),
          [isAt('next'), [nextTurn(env)]],
          [otherwise, [leaveLoop]],
        ),
        // exit_to_user_mode_loop(): the thread sees that it, or another one of its process, was
        // killed.
        when([fatalSignalPending, [leaveLoop]]),
        advance(env),
        when([fatalSignalPending, [leaveLoop]]),
      ),
      ...doExit,
    ],
    { locals: ['again', 'option'] },
  );
}
