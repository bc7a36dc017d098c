/** Operations of host programs on hosts with SEV-SNP: the path that carries each out. */
import { type HostEnv, type HostItem, host } from '../host/host-env.ts';
import { bindMakeShared, makeSharedPath } from './exits.ts';
import { bindPreFault, preFaultPath } from './gmem-prepare.ts';
import { bindKernelWrite, bindUserWrite, kernelWritePath, uncheckedWritePath, userWritePath } from './guest-memory.ts';
import { bindMakePrivate, makePrivatePath } from './make-private.ts';
import { bindPunchHole, punchHolePath } from './psmash.ts';
import { bindSevCommand, sevCommandPath } from './sev-command.ts';

const { call } = host;

export const snpHostOperations = (env: HostEnv): readonly (readonly [string, HostItem])[] => [
  ['write', call(userWritePath(env), bindUserWrite(env))],
  ['kvm-write-guest', call(kernelWritePath(env), bindKernelWrite(env))],
  ['kvm-write-unchecked', call(uncheckedWritePath(env), bindKernelWrite(env))],
  ['make-shared', call(makeSharedPath(env), bindMakeShared(env))],
  ['make-private', call(makePrivatePath(env), bindMakePrivate(env))],
  ['pre-fault', call(preFaultPath(env), bindPreFault(env))],
  ['punch-hole', call(punchHolePath(env), bindPunchHole(env))],
  ['sev-command', call(sevCommandPath(env), bindSevCommand(env))],
];
