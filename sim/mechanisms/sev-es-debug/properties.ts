/** What must hold of the registers of a host that runs encrypted guests. */
import { type HostSaveAreaState, lostRegisters } from '../../../actors/sev-es-debug/host-save-area.ts';
import { alwaysEach, type Property, sometimes } from '../../property.ts';
import type { WorldView } from '../../view.ts';

const SWITCH = 'kernel arch/x86/kvm/svm/sev.c, sev_es_prepare_switch_to_guest(); domain debug-and-split-lock A.2';

/** Behind the exit, as soon as the host runs C code again. */
const hostRegisters = alwaysEach<HostSaveAreaState>('sev-es.host-registers', {
  kind: 'hostSaveArea',
  source: `${SWITCH}; DBG-21`,
  grade: 'read',
  each: ({ id, context }) => {
    const lost = lostRegisters(context);
    if (lost.length === 0) return null;
    const first = lost[0]!;
    const more = lost.length > 1 ? ` and ${lost.length - 1} more` : '';
    return `${id.replace('hsave', 'pcpu')}: the host finds in ${first} ${whoseValue(context.cpu[first])}${more}`;
  },
});

const whoseValue = (value: string): string => {
  if (value === 'zero') return 'what the save area held that was never filled';
  return value === 'reset' ? 'the value after reset' : `what ${value} has left`;
};

const guestRuns = sometimes('sev-es.guest-runs', {
  kinds: ['hostSaveArea'],
  source: SWITCH,
  grade: 'read',
  check: (world: WorldView) => {
    const found = world
      .actors<HostSaveAreaState>('hostSaveArea')
      .find(({ context: { running } }) => running !== null && running.guest !== 'plain');
    return found ? `${found.context.running!.vcpu} runs with the registers of its VMSA` : null;
  },
});

export const sevEsProperties: readonly Property[] = [hostRegisters, guestRuns];
