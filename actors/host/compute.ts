/** A thread that computes in user mode, without end or for a while: it keeps a CPU busy. */
import { otherwise } from '../path/path.ts';
import { fatalSignalPending, type HostEnv, type HostItem, type HostThread, host, opOf } from './host-env.ts';

const { path, step, call, loop, when, note, leaveLoop } = host;

const stepsOf = (env: HostEnv, thread: HostThread): number | undefined => {
  const op = opOf(env, thread);
  return op.op === 'compute' ? op.steps : undefined;
};

/** The operation `compute`; a signal that kills ends it in any case. */
export const computeOperations = (env: HostEnv): readonly (readonly [string, HostItem])[] => {
  const compute = path(
    'compute',
    { source: 'the scenario', grade: 'decision' },
    [
      when(
        [
          (t) => stepsOf(env, t) === undefined,
          [loop(step('compute', { idles: true, computes: true, ns: 1000 }), when([fatalSignalPending, [leaveLoop]]))],
        ],
        [
          otherwise,
          [
            note((t) => ({ left: stepsOf(env, t)! })),
            loop(
              step('compute_for', { ns: 1000, local: (_t, l) => ({ left: l.left! - 1 }) }),
              when([(t, l) => l.left === 0 || fatalSignalPending(t), [leaveLoop]]),
            ),
          ],
        ],
      ),
    ],
    { locals: ['left'] },
  );
  return [['compute', call(compute)]];
};
