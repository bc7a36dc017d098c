/** What the two proposals do to the race, over all schedules. */
import { describe, expect, it } from 'vitest';
import 'worldswitch/vitest';
import * as patch from './my-patch.js';

const RACE = 'rmpadjust-vs-rmpupdate';
const models = { 'my-patch.js': patch };

describe('kvm_rmp_make_shared()', { timeout: 60_000 }, () => {
  it('has its VM bugged where it gives up while the guest holds the entry', () => {
    expect(RACE).toBreak('rmp.vm-bugged', { variant: 'inuse' });
  });

  it('still has when it tries once more, in order even: the guest need not have let go by then', () => {
    expect(RACE).toBreak('rmp.vm-bugged', { variant: 'retry-once', models, preemptions: 0 });
  });

  it('has not under any schedule when it tries as long as the entry is in use', () => {
    expect(RACE).toBeClean({ variant: 'retry', models });
  });
});
