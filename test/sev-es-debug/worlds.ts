/** Small hosts with an encrypted guest, and what a search of them finds. */
import { Explorer } from '../../sim/explore/breadth/explorer.ts';
import { searchedBy } from '../../sim/explore/breadth/searched.ts';
import { lassosOf } from '../../sim/explore/cycles/endless.ts';
import { finish } from '../../sim/explore/turns.ts';
import { knownProperties } from '../../sim/properties/index.ts';
import { scenario } from '../../sim/scenario/build.ts';
import type { GuestStep, HostStep } from '../../sim/scenario/program.ts';
import { resolveScenario } from '../../sim/scenario/resolve.ts';
import type { ResolvedScenario, Scenario, VmSource } from '../../sim/scenario/types.ts';

const RUN: HostStep = { KVM_RUN: { vcpu: 'vm0/0' } };

export interface SevEsWorld {
  readonly host?: Partial<Scenario['host']>;
  readonly vm?: Partial<VmSource>;
  readonly guest: readonly GuestStep[];
  /** Threads beside the one that runs the guest. */
  readonly threads?: readonly (readonly HostStep[])[];
  readonly properties: NonNullable<Scenario['properties']>;
  /** Besides vm0, each with a thread of its own. */
  readonly others?: Readonly<Record<string, VmSource>>;
  readonly mutant?: string | undefined;
}

export function world({ host, vm, guest, threads = [], others = {}, properties, mutant }: SevEsWorld): ResolvedScenario {
  const source = scenario({
    name: 'sev-es-world',
    summary: 'A world',
    host: {
      arch: 'amd',
      cpus: 1,
      preemption: 'full',
      kernel: '6.14',
      features: ['sev', 'sev-es', 'debug-swap', 'no-nested-data-bp'],
      ...host,
    },
    vms: { vm0: { type: 'sev-es', vcpus: [guest], ...vm }, ...others },
    processes: {
      qemu0: { threads: [[RUN]] },
      ...Object.fromEntries(Object.keys(others).map((name) => [`of-${name}`, { threads: [[{ KVM_RUN: { vcpu: `${name}/0` } }]] }])),
      ...(threads.length > 0 && { other: { threads } }),
    },
    properties,
  });
  return resolveScenario(source, { knownProperties: knownProperties(), ...(mutant !== undefined && { mutant }) });
}

export interface Found {
  readonly broken: readonly string[];
  readonly messages: readonly string[];
  readonly states: number;
}

const STATES_MAX = 200_000;

/** What all schedules of a world break, and what its fair cycles do. */
export function found(searched: ResolvedScenario): Found {
  const explorer = new Explorer({ scenario: searched, budget: { states: STATES_MAX } });
  const report = finish(explorer.run());
  if (report.limit !== null) throw new Error(`more than ${STATES_MAX} states`);
  const { eventually } = searched.properties;
  const lassos = eventually.length > 0 ? finish(lassosOf(searchedBy(explorer, report), eventually)).findings : [];
  const findings = [...report.findings, ...lassos];
  return {
    broken: findings.map(({ property }) => property).sort(),
    messages: findings.map(({ message }) => message),
    states: report.states,
  };
}
