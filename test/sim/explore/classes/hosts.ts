/**
 * Random hosts for fast-check: small scenarios of every architecture, under every preemption model,
 * whose threads meet each other in the ways that shipped scenarios are about.
 */
import fc from 'fast-check';
import { PREEMPTION_MODELS } from '../../../../events/options.ts';
import { mechanismsOf } from '../../../../sim/host/registry.ts';
import { knownProperties } from '../../../../sim/properties/index.ts';
import { scenario } from '../../../../sim/scenario/build.ts';
import { resolveScenario } from '../../../../sim/scenario/resolve.ts';
import type { Arch, ResolvedScenario, Scenario } from '../../../../sim/scenario/types.ts';
import { LOOK_NAMES, lookId } from './sights-of-hosts.ts';

/** Written as in a file: names of operations and options are checked when the scenario is made. */
type Step = Readonly<Record<string, unknown>>;
type Options = Readonly<Record<string, string>>;

interface Ways {
  readonly vm: { readonly type: string; readonly options?: object };
  readonly features: readonly string[];
  readonly guest: readonly Step[];
  /** Of threads; those that name a vCPU only where there is one. */
  readonly host: readonly Step[];
  readonly options: readonly Options[];
  readonly sections?: object;
}

const VCPU = 'vm0/0';
const VM = 'vm0';
const EVERY_GUEST: readonly Step[] = [{ hlt: {} }, { compute: {} }, { spin: {} }];
const EVERY_HOST: readonly Step[] = [
  { compute: {} },
  { compute: { steps: 2 } },
  { compute: { steps: 'endless' } },
  { madvise: { vm: VM } },
  { KVM_GET_MP_STATE: { vcpu: VCPU } },
  { tgkill: { vcpu: VCPU } },
  { 'pause-vcpu': { vcpu: VCPU } },
  { 'resume-vcpu': { vcpu: VCPU } },
  { 'store-immediate-exit': { vcpu: VCPU } },
];
const EVERY_OPTION: readonly Options[] = [{}, {}, { 'vmm.kick': 'look-then-clear' }, { 'vmm.kick': 'signal-mask' }];

const PAGE = 0x5;
const OF_PAGE = { vm: VM, gfn: PAGE };

const WAYS: Readonly<Record<Arch, Ways>> = {
  amd: {
    vm: { type: 'snp', options: { asid: 1, pages: [{ gfn: PAGE, pfn: 0x1005, state: 'guest-valid' }] } },
    features: ['sev', 'sev-es', 'sev-snp'],
    guest: [
      { rmpadjust: { gfn: PAGE, vmpl: 1, vmsa: false } },
      { psc: { gfn: PAGE, to: 'shared' } },
      { pvalidate: { gfn: PAGE, validated: true } },
      { write: { gfn: PAGE, private: true } },
      { read: { gfn: PAGE, private: false } },
    ],
    host: [
      { write: { ...OF_PAGE, stores: 1 } },
      { 'kvm-write-guest': OF_PAGE },
      { 'kvm-write-unchecked': OF_PAGE },
      { 'make-shared': OF_PAGE },
      { 'sev-command': { command: 'SNP_DF_FLUSH' } },
      { 'sev-command': { command: 'SNP_PLATFORM_STATUS', pfn: 0x1800 } },
    ],
    options: [
      { 'kvm.rmpFault': 'panic-sigbus' },
      { 'kvm.rmpFault': 'auto-share' },
      { 'kvm.rmpFault': 'kill-guest' },
      { 'kvm.rmpFault': 'auto-share', 'kvm.mapLock': 'user' },
      { 'kvm.rmpFault': 'auto-share', 'kvm.vmsaKick': 'kick' },
      { 'rmp.contention': 'overlap-2m' },
    ],
    sections: { firmware: { state: 'INIT', pages: [{ pfn: 0x1800, state: 'hypervisor' }] } },
  },
  intel: {
    vm: { type: 'vmx' },
    features: ['split-lock-detect'],
    guest: [
      { 'wrmsr-test-ctrl': { value: 0x20000000 } },
      { 'rdmsr-test-ctrl': {} },
      { 'split-lock': { cpl: 3 } },
      { 'emulated-increment': {} },
      { touch: {} },
      { out: { port: 0x10 } },
    ],
    host: [
      { 'split-lock': {} },
      { 'split-lock': { mode: 'kernel' } },
      { pin: {} },
      { 'cpu-offline': { cpu: 0 } },
      { sysctl: { splitLockMitigate: false } },
      { KVM_SET_MSRS: { vcpu: VCPU, value: 0x20000000 } },
      { KVM_GET_MSRS: { vcpu: VCPU } },
    ],
    options: [
      { 'host.sld': 'warn', 'host.sldWarn': 'gen1-atomic', 'kvm.sldVirt': 'v8' },
      { 'host.sld': 'warn', 'host.sldWarn': 'gen1', 'kvm.sldVirt': 'v8', 'kvm.sldGuard': 'none' },
      { 'host.sld': 'warn', 'host.sldWarn': 'gen2', 'host.sldOffline': 'none' },
      { 'host.sld': 'warn', 'host.sldWarn': 'gen2-global', 'host.sldMitigate': 'off' },
      { 'host.sld': 'fatal', 'kvm.sldVirt': 'v10' },
      { 'host.sld': 'ratelimit' },
      { 'host.sld': 'off' },
    ],
  },
  arm64: {
    vm: { type: 'arm64' },
    features: [],
    guest: [
      { msr: { reg: 'mdscr_el1', value: 0x2001 } },
      { msr: { reg: 'oslar_el1', value: 1 } },
      { mrs: { reg: 'oslsr_el1' } },
      { execute: { breakpoint: true } },
      { brk: {} },
    ],
    host: [
      { KVM_SET_GUEST_DEBUG: { vcpu: VCPU, step: true } },
      { KVM_GET_ONE_REG: { vcpu: VCPU, reg: 'mdscr_el1' } },
      { KVM_SET_ONE_REG: { vcpu: VCPU, reg: 'oslar_el1', value: 1 } },
    ],
    options: [{}, { 'kvm.armDebug': 'owner' }, { 'kvm.oslarReload': 'preemptible' }, { 'kvm.osLock': 'ignored' }],
  },
};

const isOfGuest = (step: Step): boolean => /"(?:vm|vcpu)":/.test(JSON.stringify(step));

/** Whether the VMM has to look for kicks. */
const isKick = (step: Step): boolean => Object.keys(step).some((op) => /^(?:pause|resume)-vcpu$|^store-immediate-exit$/.test(op));

const ofMechanisms = (arch: Arch, form: 'always' | 'sometimes'): string[] =>
  mechanismsOf(arch).flatMap(({ properties = [] }) => properties.flatMap((property) => (property.form === form ? [property.id] : [])));

/** A scenario as it is written, and the properties of this folder that are looked for besides. */
export interface DrawnHost {
  readonly written: Scenario;
  readonly looks: { readonly always: readonly string[]; readonly sometimes: readonly string[] };
}

const someOf = <T>(items: readonly T[], maxLength: number) => fc.uniqueArray(fc.constantFrom(...items), { maxLength });

const host = (arch: Arch) => {
  const { features } = WAYS[arch];
  return fc.record({
    arch: fc.constant(arch),
    cpus: fc.constantFrom(1, 1, 2, 2, 3),
    preemption: fc.constantFrom(...PREEMPTION_MODELS),
    ticks: fc.constantFrom('direct', 'direct', 'pending'),
    kernel: fc.constantFrom('6.12', '6.14'),
    rseq: fc.constantFrom(false, false, true),
    haltPolling: fc.constantFrom(true, false),
    smt: arch === 'intel' ? fc.constantFrom(false, false, true) : fc.constant(false),
    features: fc.constant(features),
    options: fc
      .tuple(fc.constantFrom(...WAYS[arch].options), fc.constantFrom(...EVERY_OPTION))
      .map(([one, other]) => ({ ...one, ...other })),
  });
};

const ALLOWED: Readonly<Record<Arch, readonly string[]>> = {
  amd: ['interrupt', 'spurious-exit', 'psp-error'],
  intel: ['interrupt', 'spurious-exit'],
  arm64: ['interrupt', 'spurious-exit'],
};

const hostOf = (arch: Arch): fc.Arbitrary<DrawnHost> => {
  const { vm, guest, host: ofHost, sections = {} } = WAYS[arch];
  const op = fc.constantFrom(...ofHost, ...ofHost, ...EVERY_HOST);
  const thread = fc.record({ process: fc.nat(2), ops: fc.array(op, { minLength: 1, maxLength: 2 }) });
  return fc
    .record({
      host: host(arch),
      guest: fc.option(fc.array(fc.constantFrom(...guest, ...EVERY_GUEST), { minLength: 1, maxLength: 2 }), { freq: 1 }),
      reenter: fc.constantFrom(false, false, true),
      threads: fc.array(thread, { minLength: 1, maxLength: 3 }),
      bound: fc.tuple(...[0, 1, 2].map(() => fc.option(fc.nat(2), { freq: 1 }))),
      allow: fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: someOf(ALLOWED[arch], 2) }),
      always: someOf(ofMechanisms(arch, 'always'), 3),
      sometimes: someOf(ofMechanisms(arch, 'sometimes'), 2),
      looks: fc.record({ always: fc.option(fc.constantFrom(...LOOK_NAMES), { freq: 1 }), sometimes: someOf(LOOK_NAMES, 2) }),
    })
    .map(({ host: { smt, ...host }, guest: program, reenter, threads, bound, allow, always, sometimes, looks }) => {
      // With smt, each two CPUs share a core.
      const drawn = { ...host, smt: smt && host.cpus === 2 };
      const mayKick = program !== null && reenter;
      const fits = (step: Step): boolean => (program !== null || !isOfGuest(step)) && (mayKick || !isKick(step));
      const processes = new Map<string, { readonly cpu?: number; threads: Step[][] }>();
      const add = (index: number, ops: Step[]): void => {
        const name = `p${index}`;
        const cpu = bound[index];
        const process = processes.get(name) ?? { ...(cpu != null && cpu < drawn.cpus && { cpu }), threads: [] };
        process.threads.push(ops);
        processes.set(name, process);
      };
      if (program !== null) add(0, [{ KVM_RUN: { vcpu: VCPU, ...(reenter && { reenter }) } }]);
      for (const { process, ops } of threads.slice(0, program === null ? 3 : 2)) {
        const fitting = ops.filter(fits);
        add(ops.some(isKick) ? 0 : process, fitting.length > 0 ? fitting : [{ compute: {} }]);
      }
      const written = {
        name: 'drawn',
        summary: 'A random host',
        host: drawn,
        ...(program && { vms: { [VM]: { ...vm, vcpus: [program] } } }),
        processes: Object.fromEntries(processes),
        ...sections,
        allow,
        properties: { always, sometimes },
      } as unknown as Scenario;
      return {
        written,
        looks: {
          always: looks.always === null ? [] : [lookId('always', looks.always)],
          sometimes: looks.sometimes.map((name) => lookId('sometimes', name)),
        },
      };
    });
};

export const HOSTS: fc.Arbitrary<DrawnHost> = fc.oneof(hostOf('amd'), hostOf('intel'), hostOf('arm64'));

/** @throws ScenarioError where programs do not fit each other */
export function resolvedHost({ written, looks }: DrawnHost): ResolvedScenario {
  const resolved = resolveScenario(scenario(written), { knownProperties: knownProperties() });
  const { always, sometimes, eventually } = resolved.properties;
  return {
    ...resolved,
    properties: { always: [...always, ...looks.always], sometimes: [...sometimes, ...looks.sometimes], eventually },
  };
}
