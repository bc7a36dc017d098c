/**
 * The exporters' bytes for one small run, as they stand in test/golden. A change of a format shows
 * here and is reviewed like code: `WORLDSWITCH_GOLDEN=write npx vitest run
 * test/timeline/encode/golden.test.ts` writes the files again.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import type { Journal } from '../../../replay/reader.ts';
import { EXPORTERS } from '../../../timeline/encode/index.ts';
import { DONE, Handmade } from '../handmade.ts';

const FOLDER = join(dirname(dirname(dirname(fileURLToPath(import.meta.url)))), 'golden');
const FILE_BYTES_MAX = 20_000;
const THREAD = 'thread:qemu0/vcpu0';
const VCPU = 'vcpu:vm0/0';
const REGION = 'rmp:0x1000';

const cpu = (value: unknown, current: string | null, letter: string) =>
  [value, { current, letter, previous: 'runnable', next: null }] as const;
const thread = (code: unknown) => [{ code: { main: { KVM_RUN: code } }, notify: 'none' }, { process: 'process:qemu0' }] as const;
const vcpu = (mode: string) => [{ guest: { PVALIDATE: 'lock' } }, { thread: THREAD, cpu: 'pcpu:0', mode, requests: [] }] as const;
const region = (holders: object) =>
  [
    'ready',
    {
      entries: { '4101': { assigned: true, pageSize: '4K', immutable: false, asid: 1, gfn: 5, validated: false, vmsa: false } },
      holders,
      inUse: [],
    },
  ] as const;

/**
 * One thread enters its guest, which takes an RMP lock; an interrupt ends its stay. Made by hand,
 * so that no change of the model shows.
 */
function goldenRun(): Journal {
  const run = new Handmade([
    { id: 'pcpu:0', kind: 'pcpu' },
    { id: 'sched', kind: 'hostScheduler' },
    { id: THREAD, kind: 'hostThread' },
    { id: 'process:qemu0', kind: 'hostProcess' },
    { id: VCPU, kind: 'vcpu' },
    { id: REGION, kind: 'rmpRegion' },
  ]);
  run.change('pcpu:0', ...cpu({ __schedule: 'switch_to' }, null, 'P'));
  run.change('sched', 'up', { rq: { 'pcpu:0': [] }, asleep: {} });
  run.change(THREAD, ...thread({ svm_vcpu_run: 'VMRUN' }));
  run.change('process:qemu0', 'running', { signal: null });
  run.change(VCPU, ...vcpu('IN_GUEST_MODE'));
  run.change(REGION, ...region({}));
  run.end(0);
  run.change('pcpu:0', ...cpu('task', THREAD, 'I'), run.choice('pcpu:0', 'exec(pcpu:0)'));
  run.end(500, 2);
  const enter = run.deliver('pcpu:0', THREAD, 'step', {}, run.choice('pcpu:0', 'exec(pcpu:0)'));
  run.change(THREAD, ...thread({ svm_vcpu_run: 'guest' }), enter);
  run.change('pcpu:0', ...cpu('task', THREAD, 'G'), enter);
  run.end(505, 2);
  const inside = run.deliver('pcpu:0', THREAD, 'step', {}, run.choice('pcpu:0', 'exec(pcpu:0)'));
  const guest = run.deliver(THREAD, VCPU, 'guest.step', {}, inside);
  const ask = run.deliver(VCPU, REGION, 'rmp.lock', { pfn: 0x1005 }, guest);
  run.change(REGION, ...region({ '4101': VCPU }), ask);
  run.deliver(REGION, VCPU, 'rmp.locked', { result: 'SUCCESS' }, ask);
  const sent = run.send(VCPU, 'pcpu:0', 'irq.reschedule', {}, guest);
  run.end(105, 3);
  const arrived = run.deliver(VCPU, 'pcpu:0', 'irq.reschedule', {}, run.choice('pcpu:0', `deliver(irq.reschedule, ${VCPU}, pcpu:0)`));
  run.change('pcpu:0', ...cpu({ irq: 'sysvec_reschedule_ipi' }, THREAD, 'I'), arrived);
  run.end(0, 3);
  const violation = { property: 'rmp.in-use-is-vmsa', step: 4, message: `after record ${sent}` };
  return run.journal({ ...DONE, verdict: 'violation', violation, ended: 'violation' });
}

describe('the golden timeline', () => {
  it.each(EXPORTERS)('is what $name writes', ({ encode, extension }) => {
    const path = join(FOLDER, `timeline.${extension}`);
    const bytes = Buffer.concat([...encode(goldenRun())]);
    if (process.env.WORLDSWITCH_GOLDEN === 'write') writeFileSync(path, bytes);
    expect(bytes.length).toBeLessThan(FILE_BYTES_MAX);
    expect(bytes.equals(readFileSync(path)), `${path} differs`).toBe(true);
  });
});
