/**
 * Small Intel worlds for claims: one VM, its VMM, and what else is asked for; and what a run of
 * them shows.
 */

import type { HostThread } from '../../../actors/host/host-env.ts';
import type { Vcpu } from '../../../actors/kvm/guest-program.ts';
import type { CoreContext } from '../../../actors/split-lock/core.ts';
import { shippedFile } from '../../../api/shipped-scenarios.ts';
import type { HostOptions } from '../../../events/options.ts';
import type { VmxFields } from '../../../events/split-lock/split-lock.ts';
import { Explorer } from '../../../sim/explore/breadth/explorer.ts';
import { searchedBy } from '../../../sim/explore/breadth/searched.ts';
import { lassosOf } from '../../../sim/explore/cycles/endless.ts';
import { finish } from '../../../sim/explore/turns.ts';
import { knownProperties } from '../../../sim/properties/index.ts';
import { scenario } from '../../../sim/scenario/build.ts';
import { loadScenario } from '../../../sim/scenario/load.ts';
import type { GuestStep, HostStep } from '../../../sim/scenario/program.ts';
import { resolveScenario } from '../../../sim/scenario/resolve.ts';
import type { ResolvedScenario, Scenario } from '../../../sim/scenario/types.ts';
import { fileOf, microSteps, type Played, play } from '../../sim/play.ts';

const VMM = 'thread:qemu0/vcpu0';
const GUEST = 'vcpu:vm0/0';
export const BIT = 0x2000_0000;

export const wrmsr = (value: number): GuestStep => ({ 'wrmsr-test-ctrl': { value } });
export const rdmsr: GuestStep = { 'rdmsr-test-ctrl': {} };
export const splitLock = (cpl: 0 | 3, checked = false): GuestStep => ({ 'split-lock': { cpl, am: checked, ac: checked } });
export const misaligned: GuestStep = { misaligned: { cpl: 3, am: true, ac: true } };
export const run: HostStep = { KVM_RUN: { vcpu: 'vm0/0' } };
export const setMsr = (value: number): HostStep => ({ KVM_SET_MSRS: { vcpu: 'vm0/0', value } });
export const getMsr: HostStep = { KVM_GET_MSRS: { vcpu: 'vm0/0' } };
export const compute: HostStep = { compute: { steps: 1 } };
export const splits: HostStep = { 'split-lock': {} };

interface World {
  readonly guest: readonly GuestStep[];
  readonly vmm?: readonly HostStep[];
  readonly others?: Readonly<Record<string, readonly HostStep[]>>;
  readonly options?: Partial<HostOptions>;
  readonly host?: Partial<Scenario['host']>;
  readonly exposed?: boolean;
  readonly mutant?: string | undefined;
}

const changed = (mutant: string | undefined) => ({ ...(mutant !== undefined && { mutant }), knownProperties: knownProperties() });

/** One CPU, warn mode of generation 1 with its section, design v8, unless said otherwise. */
export function intel({ guest, vmm = [run], others = {}, options = {}, host = {}, exposed = true, mutant }: World): ResolvedScenario {
  const defaults: Partial<HostOptions> = { 'host.sld': 'warn', 'host.sldWarn': 'gen1-atomic', 'kvm.sldVirt': 'v8' };
  return resolveScenario(
    scenario({
      name: 'claim',
      summary: 'A claim',
      host: { arch: 'intel', cpus: 1, preemption: 'full', features: ['split-lock-detect'], ...host, options: { ...defaults, ...options } },
      vms: { vm0: { type: 'vmx', options: { splitLockDetect: exposed }, vcpus: [guest] } },
      processes: {
        qemu0: { threads: [vmm] },
        ...Object.fromEntries(Object.entries(others).map(([id, program]) => [id, { threads: [program] }])),
      },
    }),
    changed(mutant),
  );
}

/** No world of these takes so many steps; a mutant may go on forever. */
const STEPS_MAX = 3000;

/** The world in order, one CPU after the other. */
export const inOrder = (world: World): Played =>
  play(intel(world), { name: 'fifo' }, undefined, ({ sequencer }) => sequencer.step >= STEPS_MAX);

/** A shipped scenario, as a mutant has it. */
export const shippedAs = (name: string, variant: string, mutant?: string): ResolvedScenario =>
  resolveScenario(loadScenario(fileOf(`scenarios/${shippedFile(name)}`), `${name}.yaml`, knownProperties()), {
    variant,
    ...changed(mutant),
  });

function searched(world: ResolvedScenario) {
  const explorer = new Explorer({ scenario: world, budget: { states: 200_000 } });
  const report = finish(explorer.run());
  if (report.limit !== null) throw new Error(`${world.name} ${world.variant} has too many states for a claim`);
  return { explorer, report };
}

/** What breaks over all schedules, sorted. */
export const broken = (world: ResolvedScenario): string[] =>
  searched(world)
    .report.findings.map(({ property }) => property)
    .sort();

/** The same with what does not hold in the end. */
export function brokenInTheEnd(world: ResolvedScenario): string[] {
  const { explorer, report } = searched(world);
  const lassos = finish(lassosOf(searchedBy(explorer, report), world.properties.eventually));
  return [...report.findings, ...lassos.findings].map(({ property }) => property).sort();
}

export const sld = (played: Pick<Played, 'context'>, core = 0): boolean => played.context<CoreContext>(`core:${core}`).sld;
export const thread = (played: Pick<Played, 'context'>, id = VMM): HostThread => played.context<HostThread>(id);
export const guest = (played: Pick<Played, 'context'>): Vcpu => played.context<Vcpu>(GUEST);
export const vmx = (played: Pick<Played, 'context'>): VmxFields => played.context<VmxFields>('vmx:vm0/0');

/** Values written to the MSR, in order. */
export const msrWrites = (played: Played): boolean[] =>
  played.delivered('core.wrmsr').map(({ payload }) => (payload as unknown as { readonly sld: boolean }).sld);
/** What the host's setting was saved as, each time. */
export const saves = (played: Played): boolean[] =>
  played.delivered('vmx.write').flatMap(({ payload }) => {
    const { saved } = (payload as unknown as { readonly fields: Partial<VmxFields> }).fields;
    return typeof saved === 'boolean' ? [saved] : [];
  });
/** How often a thread took a micro-step of this name. */
export const times = (played: Played, name: string, id = VMM): number =>
  microSteps(played, id).filter((step) => step.split('.').at(-1)?.split('#')[0] === name).length;

/** What became of an access of the guest. */
export const outcome = (played: Played): 'ran' | 'AC' | 'GP' | 'SIGBUS' =>
  played
    .delivered('process.threadExit')
    .some(({ payload }) => (payload as unknown as { readonly signal: string | null }).signal === 'SIGBUS')
    ? 'SIGBUS'
    : (guest(played).exception ?? 'ran');
