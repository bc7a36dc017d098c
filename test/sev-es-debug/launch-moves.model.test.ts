/** Intra-host moves of a launched guest: what they answer, and what the destination has of it. */
import { describe, expect, it } from 'vitest';
import type { HostStep } from '../../sim/scenario/program.ts';
import { DESIGNS, debug, destination, fresh, launch, move, set, updateVmsa } from './launch-world.ts';

const launched = [...fresh, set('KVM_SET_REGS', 1), set('KVM_SET_SREGS', 2), updateVmsa()];

describe('an intra-host move', () => {
  it('leaves the destination with the registers that user space has set of the source', () => {
    const { asTold, taken } = launch([...launched, ...destination('vm1'), move('vm1')], { destinations: ['vm1'] });
    expect([asTold, taken]).toMatchObject([null, [{ vmsa: { gprs: 1, sregs: 2 }, told: { gprs: 1, sregs: 2 } }]]);
  });

  it('of a VM to itself is refused before anything is locked', () => {
    const { asTold, vcpu, vm } = launch([...launched, move('vm0', 'EINVAL')]);
    expect([asTold, vcpu.dead, vm.moving]).toEqual([null, undefined, false]);
  });

  it('of a VM that has moved already is refused for what it is no longer: an encrypted guest', () => {
    const moves = [...destination('vm1'), ...destination('vm2'), move('vm1'), move('vm2', 'EINVAL')];
    const { asTold, taken } = launch([...launched, ...moves], { destinations: ['vm1', 'vm2'] });
    expect([asTold, taken.map(({ vmsaEncrypted }) => vmsaEncrypted)]).toEqual([null, [true, false]]);
  });

  it('leaves the descriptor of /dev/sev behind, so that no command of a launch reaches the firmware', () => {
    const measured: HostStep = { KVM_SEV_LAUNCH_MEASURE: { vm: 'vm1', returns: 'EBADF' } };
    expect(launch([...launched, ...destination('vm1'), move('vm1'), measured], { destinations: ['vm1'] }).asTold).toBeNull();
  });

  it.each(DESIGNS)('keeps no debugger off that came to the destination before it: %s', (guestDebug) => {
    const options = { 'sev.guestDebug': guestDebug } as const;
    const program = [...launched, ...destination('vm1'), debug(true, 'vm1/0'), move('vm1')];
    const { asTold, taken, debugged } = launch(program, { options, destinations: ['vm1'] });
    expect([asTold, taken[0]?.vmsaEncrypted, debugged('vm1')]).toEqual([null, true, true]);
  });

  it('of a VM that no ioctl has created finds no descriptor', () => {
    expect(launch([...destination('vm1'), move('vm1', 'EBADF')], { destinations: ['vm1'] }).asTold).toBeNull();
  });
});
