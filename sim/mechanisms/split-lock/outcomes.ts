/**
 * What a design of split-lock detection does to the host, counted where a run ends: the columns of
 * `compare`.
 */

import type { HostThread } from '../../../actors/host/host-env.ts';
import type { CoreContext } from '../../../actors/split-lock/core.ts';
import { whereAnyOf } from '../../host/concerns.ts';
import type { Outcome } from '../../host/mechanism.ts';
import type { WorldView } from '../../view.ts';
import { GUEST_OPERATIONS, HOST_OPERATIONS } from './operations.ts';

const threads = (world: WorldView) => world.actors<HostThread>('hostThread');

/** Without an operation of the mechanism no program meets detection, and nothing turns it off. */
const concerns = whereAnyOf(HOST_OPERATIONS, GUEST_OPERATIONS);

export const splitLockOutcomes: readonly Outcome[] = [
  {
    name: 'detectionLeftOff',
    title: 'detection left off',
    count: (world) => world.actors<CoreContext>('core').filter(({ context }) => context.bootSld && !context.sld).length,
    concerns,
  },
  {
    name: 'kernelOopses',
    title: 'kernel oops',
    count: (world) => threads(world).filter(({ context }) => context.oops === true).length,
    concerns,
  },
  {
    name: 'threadsKilled',
    title: 'thread killed',
    count: (world) => threads(world).filter(({ context }) => context.signal?.signal === 'SIGBUS').length,
    concerns,
  },
];
