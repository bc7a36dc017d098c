/** When the outcomes of a mechanism can happen at all. */
import type { Outcome } from './mechanism.ts';

/** Where a program has an operation of these: without one the mechanism takes no part. */
export const whereAnyOf =
  (hostOperations: object, guestOperations: object): NonNullable<Outcome['concerns']> =>
  ({ processes, vms }) =>
    processes.some(({ threads }) => threads.some(({ program }) => program.ops.some(({ op }) => Object.hasOwn(hostOperations, op)))) ||
    vms.some(({ vcpus }) => vcpus.some(({ ops }) => ops.some(({ op }) => Object.hasOwn(guestOperations, op))));
