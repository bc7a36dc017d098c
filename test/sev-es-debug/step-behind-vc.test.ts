/** A guest that steps itself over MOV DR7: where #VC handles it, no step exception follows. */
import { writeFileSync } from 'node:fs';
import { afterAll, expect, it } from 'vitest';
import { Bench } from '../cli/run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const stepping = (options: string): string => `
name: step-behind-vc
summary: A single-step behind MOV DR7
host: { arch: amd, cpus: 1, preemption: none, kernel: "6.12", features: [sev, sev-es, debug-swap, no-nested-data-bp] }
vms:
  vm0: { type: sev-es${options}, vcpus: [[{ popf: { tf: true } }, { mov-to-dr: { dr: 7, value: 0x400 } }, { insn: {} }]] }
processes: { qemu0: { threads: [[{ KVM_RUN: { vcpu: vm0/0 } }]] } }
properties: { always: [debug.exception-comes] }
`;

it.each([
  ['is lost where #VC handles the instruction', '', 'debug.exception-comes'],
  ['comes where DebugSwap leaves it to the CPU', ', options: { vmsaFeatures: [debug-swap] }', undefined],
])('a step behind MOV DR7 %s', async (_, options, broken) => {
  writeFileSync(bench.path('step.yaml'), stepping(options));
  const { json } = await bench.run(['run', './step.yaml', '--mode', 'memory', '--json']);
  expect(json<{ readonly violation: { readonly property: string } | null }>().violation?.property).toBe(broken);
});
