/** Operations of host programs on hosts with SEV-SNP: the path that carries each out. */
import { type HostEnv, type HostItem, host } from '../host/host-env.ts';
import { asidNewPath, destroyGuestPath } from './asid-cycle.ts';
import { hasCommandBuffers } from './command-buffers.ts';
import { bindZapMapping, zapMappingPath } from './direct-map.ts';
import { bindMakeShared, makeSharedPath } from './exits.ts';
import { bindPreFault, bindPreparePage, preFaultPath, preparePagePath } from './gmem-prepare.ts';
import {
  bindKernelWrite,
  bindUserWrite,
  deviceWritePath,
  kernelReadPath,
  kernelWritePath,
  uncheckedWritePath,
  userWritePath,
} from './guest-memory.ts';
import { bindKsmScan, ksmScanPath } from './ksm.ts';
import { legacyCommandPath } from './legacy-command.ts';
import { bindMakePrivate, makePrivatePath } from './make-private.ts';
import { bindPunchHole, punchHolePath } from './punch-hole.ts';
import { bindRmpread, rmpreadPath } from './rmpread.ts';
import { bindSevCommand, sevCommandPath } from './sev-command.ts';
import { bindUnregisterRegion, unregisterRegionPath } from './unregister-region.ts';
import { wbinvdPath } from './wbinvd.ts';

const { call } = host;

export const snpHostOperations = (env: HostEnv): readonly (readonly [string, HostItem])[] => [
  ['write', call(userWritePath(env), bindUserWrite(env))],
  ['kvm-write-guest', call(kernelWritePath(env), bindKernelWrite(env))],
  ['kvm-write-unchecked', call(uncheckedWritePath(env), bindKernelWrite(env))],
  ['kvm-read-guest', call(kernelReadPath, bindKernelWrite(env))],
  ['device-write', call(deviceWritePath, bindKernelWrite(env))],
  ['make-shared', call(makeSharedPath(env), bindMakeShared(env))],
  ['rmpread', call(rmpreadPath, bindRmpread(env))],
  ['make-private', call(makePrivatePath(env), bindMakePrivate(env))],
  ['zap-mapping', call(zapMappingPath, bindZapMapping(env))],
  ['pre-fault', call(preFaultPath(env), bindPreFault(env))],
  ['unregister-region', call(unregisterRegionPath(env), bindUnregisterRegion(env))],
  ['punch-hole', call(punchHolePath(env), bindPunchHole(env))],
  ['asid-new', call(asidNewPath(env))],
  ['destroy-guest', call(destroyGuestPath(env))],
  ['wbinvd', call(wbinvdPath(env))],
  ['ksm-scan', call(ksmScanPath(env), bindKsmScan(env))],
  ['prepare-page', call(preparePagePath(env), bindPreparePage(env))],
  ['sev-command', call(sevCommandPath(env), bindSevCommand(env))],
  ...(hasCommandBuffers(env) ? [['legacy-command', call(legacyCommandPath(env))] as const] : []),
];
