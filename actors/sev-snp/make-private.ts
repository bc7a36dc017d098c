/** How the host assigns a frame to a guest by itself, and not because the guest has asked. */
import { type HostEnv, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import { updateRmpPath } from './direct-map.ts';
import { privateTo } from './exits.ts';
import { frameOf } from './snp-env.ts';

const { path, step, call } = host;

const makePrivateOp = (env: HostEnv, t: HostThread) => {
  const op = opOf(env, t);
  if (op.op !== 'make-private') throw new Error(`${op.op} assigns no page`);
  return op;
};

/**
 * rmp_make_private(): RMPUPDATE, with nothing looked at before; immutable, the page is for the
 * firmware. An honest caller has made sure that
 * the frame is its own; a host that attacks gives a frame of the guest to it at another GFN.
 */
export const makePrivatePath = (env: HostEnv) =>
  path(
    'rmp_make_private',
    kernelSource('arch/x86/virt/svm/sev.c, rmp_make_private()'),
    [
      step('enter_kernel', { mode: 'kernel' }),
      call(updateRmpPath(env), (t, l) => ({
        update: { ...privateTo(env, l.vm!, l.gfn!), immutable: makePrivateOp(env, t).immutable === true },
      })),
      step('sysret', { mode: 'user' }),
    ],
    { locals: ['vm', 'gfn', 'pfn', 'update', 'result'] },
  );
export const bindMakePrivate = (env: HostEnv) => (t: HostThread) => {
  const { vm, gfn } = makePrivateOp(env, t);
  return { vm, gfn, pfn: frameOf(env, vm, gfn) };
};
