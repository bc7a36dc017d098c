/** Operations of host programs on hosts with SEV-SNP: the path that carries each out. */
import { type HostEnv, type HostItem, host } from '../host/host-env.ts';
import { bindMakeShared, makeSharedPath } from './exits.ts';
import { bindKernelWrite, bindUserWrite, kernelWritePath, uncheckedWritePath, userWritePath } from './guest-memory.ts';
import { bindPunchHole, punchHolePath } from './psmash.ts';
import { bindSevCommand, sevCommandPath } from './sev-command.ts';
import { bindUnregisterRegion, unregisterRegionPath } from './unregister-region.ts';

const { call } = host;

export const snpHostOperations = (env: HostEnv): readonly (readonly [string, HostItem])[] => [
  ['write', call(userWritePath(env), bindUserWrite(env))],
  ['kvm-write-guest', call(kernelWritePath(env), bindKernelWrite(env))],
  ['kvm-write-unchecked', call(uncheckedWritePath(env), bindKernelWrite(env))],
  ['make-shared', call(makeSharedPath(env), bindMakeShared(env))],
  ['unregister-region', call(unregisterRegionPath(env), bindUnregisterRegion(env))],
  ['punch-hole', call(punchHolePath(env), bindPunchHole(env))],
  ['sev-command', call(sevCommandPath(env), bindSevCommand(env))],
];
