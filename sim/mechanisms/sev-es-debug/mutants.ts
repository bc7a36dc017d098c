/** Changes of one line in the world switch, each of which a claim must notice. */
import { hostSaveAreaMachine } from '../../../actors/sev-es-debug/host-save-area.ts';
import { filledBy, type RegisterName } from '../../../actors/sev-es-debug/swap-types.ts';
import type { Mutant } from '../../host/mechanism.ts';
import { switchDesign } from './design.ts';

const kebab = (name: RegisterName): string => name.toLowerCase().replaceAll('_', '-');

/** A store that KVM leaves out. */
const forgets = (name: RegisterName): readonly [string, Mutant] => [
  `sev-es-forgets-${kebab(name)}`,
  {
    summary: `KVM does not store the host's ${name} in the host save area`,
    machines: { hostSaveArea: (_machine, scenario) => hostSaveAreaMachine({ ...switchDesign(scenario), forgets: [name] }) },
  },
];

export const sevEsMutants: Readonly<Record<string, Mutant>> = Object.fromEntries(
  filledBy('vmsave', 'kvm', 'kvm-debug', 'vmenter', 'at-enable').map(forgets),
);
