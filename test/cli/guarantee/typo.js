/** A module of which something that is written would be dropped. */
import { host, hostPatch } from 'worldswitch/actors/host/host-env';
import { replaceStep } from 'worldswitch/actors/path/patch';

const { step } = host;
export const mechanism = {
  name: 'typo',
  arches: ['amd'],
  patch: () => ({
    paths: { kvm_rmp_make_shared: [hostPatch((p) => replaceStep(p, 'ioctl', (i) => [i, step('odd', { nonsense: true, preemt: 1 })]))] },
  }),
};
