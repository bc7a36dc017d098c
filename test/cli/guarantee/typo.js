/** A module of which something that is written would be dropped. */
import { host, hostPatch, replaceStep } from 'worldswitch/extend';

const { step } = host;
export const mechanism = {
  name: 'typo',
  arches: ['amd'],
  patch: () => ({
    paths: { kvm_rmp_make_shared: [hostPatch((p) => replaceStep(p, 'ioctl', (i) => [i, step('odd', { nonsense: true, preemt: 1 })]))] },
  }),
};
