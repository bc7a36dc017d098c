/**
 * KVM of 6.1 at the exit of MOV DR7 of an encrypted guest: what its R11 writes from then on, and
 * who finds it.
 */
import { describe, expect, it } from 'vitest';
import * as w from './debug-world.ts';

const READS = 'debug.registers-read-back';
const OF_HOST = [w.COPY, 'debug.host-arms-its-own', 'debug.host-hit-is-reported', 'sev-es.host-registers'];
const GIVEN = { 'kvm.dr7Exit': 'registers-given' } as const;
const RESUMED = { 'kvm.dr7Exit': 'resumed' } as const;
const WRITES = [w.toDr(0, 0x5000), w.toDr(7, 0x400), w.fromDr(0)];

describe('the exit of MOV DR7 of an encrypted guest', () => {
  it('is answered as that of a plain one on 6.1, and by going on since', () => {
    const byKernel = (kernel: '6.1' | '6.6' | '6.12' | '6.14') =>
      w.small(WRITES, { swaps: false, host: { kernel } }).host.options['kvm.dr7Exit'];
    expect((['6.1', '6.6', '6.12', '6.14'] as const).map(byKernel)).toEqual(['registers-given', 'resumed', 'resumed', 'resumed']);
  });

  it('has R11 write DR7 and DR0 to DR3 at every entry behind it, on 6.1', () => {
    const writes = (options: typeof GIVEN | typeof RESUMED) =>
      w
        .run([...WRITES, { touch: {} }, w.fromDr(0)], { swaps: false, options })
        .delivered('dr.set')
        .map(({ payload }) => payload);
    expect(writes(RESUMED)).toEqual([]);
    expect(writes(GIVEN).slice(0, 2)).toMatchObject([{ dr7: 0 }, { db: [0, 0, 0, 0] }]);
    expect(writes(GIVEN).length).toBeGreaterThan(2);
  });

  it('costs the guest what it has in DR0, which later kernels leave', () => {
    expect(w.brokenIn(WRITES, { swaps: false, options: GIVEN, always: [READS] })).toEqual([READS]);
    expect(w.brokenIn(WRITES, { swaps: false, options: RESUMED, always: [READS] })).toEqual([]);
  });

  it('hides from the guest what another has left in DR0, by chance', () => {
    const reads = [w.toDr(7, 0x400), w.fromDr(0)];
    const other = { type: 'sev-es', vcpus: [[w.toDr(0, 0x5000)]] };
    const broken = (options: typeof GIVEN | typeof RESUMED) =>
      w.brokenIn(reads, { swaps: false, options, always: [READS], others: { vm1: other } });
    expect(broken(RESUMED)).toEqual([READS]);
    expect(broken(GIVEN)).toEqual([]);
  });

  it('costs the host nothing: R14 brings back what perf has armed', () => {
    const perf = { threads: [[{ 'perf-breakpoint': { cpu: 0, address: 0x1000 } }, { 'touch-address': { address: 0x1000 } }]] } as const;
    expect(w.brokenIn([w.toDr(7, 0x400)], { swaps: false, options: GIVEN, always: OF_HOST, ...perf })).toEqual([]);
  });
});
