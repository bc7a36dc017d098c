/** What the two proposals do to the race, over all schedules. */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { explore } from 'worldswitch/sim/explore/explore';
import { finish } from 'worldswitch/sim/explore/turns';
import { register } from 'worldswitch/sim/host/registry';
import { knownProperties } from 'worldswitch/sim/properties/index';
import { loadScenario } from 'worldswitch/sim/scenario/load';
import { resolveScenario } from 'worldswitch/sim/scenario/resolve';
import { mechanism } from './my-patch.js';

/** @type {() => void} */
let unregister;
beforeAll(() => {
  unregister = register(mechanism);
});
afterAll(() => unregister());

/** @param {string} variant */
function explored(variant) {
  const file = fileURLToPath(new URL('scenarios/sev-snp/rmpadjust-vs-rmpupdate.yaml', import.meta.resolve('worldswitch/package.json')));
  const known = knownProperties();
  const scenario = resolveScenario(loadScenario(readFileSync(file, 'utf8'), file, known), { variant, knownProperties: known });
  const { exhausted, violations } = finish(explore({ scenario, maxStates: 1_000_000 }));
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
