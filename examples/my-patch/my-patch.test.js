/** What the two proposals do to the race, over all schedules. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { explore } from 'worldswitch';
import { register } from 'worldswitch/extend';
import { mechanism } from './my-patch.js';

/** @type {() => void} */
let unregister;
beforeAll(() => {
  unregister = register(mechanism);
});
afterAll(() => unregister());

/** @param {string} variant */
function explored(variant) {
  const { exhausted, violations } = explore('rmpadjust-vs-rmpupdate', { variant });
  return { exhausted, broken: violations.map(({ property }) => property) };
}

describe('kvm_rmp_make_shared()', () => {
  it('has its VM bugged where it gives up while the guest holds the entry', () => {
    expect(explored('inuse')).toEqual({ exhausted: true, broken: ['rmp.vm-bugged'] });
  });

  it('still has when it tries once more: the guest need not have let go by then', () => {
    expect(explored('retry-once')).toEqual({ exhausted: true, broken: ['rmp.vm-bugged'] });
  });

  it('has not under any schedule when it tries as long as the entry is in use', () => {
    expect(explored('retry')).toEqual({ exhausted: true, broken: [] });
  });
});
