/** KVM_SET_GUEST_DEBUG: what ENABLE does alone, and what its absence clears. */
import { describe, expect, it } from 'vitest';
import { armVcpuState, setGuestDebug } from '../../../actors/os-lock/arm-vcpu-state.ts';
import { designOf } from '../../../sim/mechanisms/os-lock/design.ts';
import * as w from '../../claims/os-lock/arm64.ts';
import { shipped } from '../../sim/play.ts';

const guest = [w.msr('mdscr_el1', w.MDE | w.KDE), w.brk];
const tdeUnder = (flags: Parameters<typeof w.debug>[0], kernel: '6.12' | '6.14') =>
  w.lastEntry(w.runGuest(guest, { kernel, before: [w.debug(flags)] })).traps.tde;

describe.each(['6.12', '6.14'] as const)('KVM_SET_GUEST_DEBUG on kernel %s', (kernel) => {
  it('with ENABLE alone routes debug exceptions to EL2', () => {
    expect(tdeUnder({ enable: true }, kernel)).toBe(true);
    const played = w.runGuest(guest, { kernel, before: [w.debug({ enable: true })], properties: ['oslock.*'] });
    expect(played.end).toMatchObject({ ended: 'done', violation: null });
    expect({ exits: w.debugExits(played), injected: w.injected(played) }).toEqual({ exits: 1, injected: ['brk'] });
  });

  it('without ENABLE clears every flag', () => {
    expect(tdeUnder({ enable: false, hw: true, step: true, sw: true }, kernel)).toBe(false);
  });

  it('with a flag and no word of ENABLE sets it', () => {
    expect(tdeUnder({ sw: true }, kernel)).toBe(true);
    expect(tdeUnder({}, kernel)).toBe(false);
  });
});

it('forgets a pending step when debugging ends, and only then', () => {
  const pending = { ...armVcpuState({ knowsLock: true }, designOf(shipped('oslock-status-bit', 'bit-1'))), hostSsPending: true };
  expect(setGuestDebug(pending, [], true)).toMatchObject({ guestDebug: [], hostSsPending: false });
  expect(setGuestDebug(pending, ['ENABLE', 'USE_HW'], true)).not.toHaveProperty('hostSsPending');
});
