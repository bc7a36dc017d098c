/**
 * What the paths of a scenario's hosts and guests know: KVM with its vendor, and the slots that
 * mechanisms fill.
 */
import { cloneOperations } from '../../actors/host/clone.ts';
import { computeOperations } from '../../actors/host/compute.ts';
import type { HostEnv, HostParts } from '../../actors/host/host-env.ts';
import { ordered } from '../../actors/host/store-buffer.ts';
import { CLOCK_PARTS } from '../../actors/kvm/clock.ts';
import { type GuestEnv, type GuestImage, guestOperations } from '../../actors/kvm/guest-program.ts';
import { kernelExitParts } from '../../actors/kvm/kernel-exits.ts';
import type { VmFacts } from '../../actors/kvm/kvm-env.ts';
import { kvmOperations } from '../../actors/kvm/kvm-ioctls.ts';
import { KVM_PARTS } from '../../actors/kvm/kvm-run.ts';
import { SlotError } from '../../actors/kvm/slot-order.ts';
import { type Owned, Slots } from '../../actors/kvm/slots.ts';
import { signalParts } from '../../actors/kvm/tgkill.ts';
import { type UserSpace, userExitParts } from '../../actors/kvm/user-exits.ts';
import { kvmNotifiers } from '../../actors/kvm/vcpu-load.ts';
import { type PathPatches, withEnv } from '../../actors/path/patch.ts';
import { didYouMean } from '../../events/nearest.ts';
import type { ControlOp, HostOp, Program } from '../../events/program.ts';
import type { ResolvedScenario } from '../scenario/types.ts';
import { knownOptions } from './known-options.ts';
import { MechanismError } from './mechanism.ts';
import { nameOf } from './merged.ts';
import { mechanismsOf } from './registry.ts';
import { VENDORS } from './vendors.ts';

/** What the machines of a scenario's threads and guests are made from. */
interface Programs {
  readonly programs: readonly Program<HostOp>[];
  readonly images: readonly GuestImage[];
  readonly vms: Readonly<Record<string, VmFacts>>;
  readonly patches: PathPatches;
  /** Parts of the primitives that take part. */
  readonly uses?: ReadonlySet<object>;
}

/** Names of the operations that guests of a scenario have. */
const guestOpsIn = ({ vms }: ResolvedScenario): ReadonlySet<string> =>
  new Set(vms.flatMap(({ vcpus }) => vcpus.flatMap(({ ops }) => ops.map(({ op }) => op))));
/** The same of host threads. */
const hostOpsIn = ({ processes }: ResolvedScenario): ReadonlySet<string> =>
  new Set(processes.flatMap(({ threads }) => threads.flatMap(({ program }) => program.ops.map(({ op }) => op))));

/** What KVM, the vendor and all mechanisms of the host put into slots. */
export function ownedParts(scenario: ResolvedScenario): Owned[] {
  const vendor = VENDORS[scenario.host.arch];
  return [
    { owner: 'kvm', parts: KVM_PARTS },
    { owner: 'kvm', parts: kernelExitParts(guestOpsIn(scenario)) },
    { owner: 'kvm', parts: signalParts(hostOpsIn(scenario), userSpaceOf(scenario).reenters) },
    ...(scenario.host.tsc === 'unstable' ? [{ owner: 'kvm', parts: CLOCK_PARTS }] : []),
    { owner: vendor.name, parts: vendor.parts },
    { owner: 'kvm', parts: userExitParts(userSpaceOf(scenario)) },
    ...mechanismsOf(scenario.host.arch).flatMap((mechanism) =>
      mechanism.kvm ? [{ owner: nameOf(mechanism), parts: mechanism.kvm(scenario) }] : [],
    ),
  ];
}

/**
 * KVM's slots, filled.
 * @throws MechanismError if two claim one place
 */
function slotsOf(scenario: ResolvedScenario): Slots {
  try {
    return new Slots(ownedParts(scenario), VENDORS[scenario.host.arch].keyed);
  } catch (error) {
    if (error instanceof SlotError) throw new MechanismError(error.message);
    throw error;
  }
}

/** What programs of the scenario leave to user space. */
const userSpaceOf = ({ vms, processes }: ResolvedScenario): UserSpace => {
  const guests = vms.flatMap(({ vcpus }) => vcpus.flatMap(({ ops }) => ops));
  const hosts = processes.flatMap(({ threads }) => threads.flatMap(({ program }) => program.ops));
  return {
    usesPorts: guests.some(({ op }) => op === 'out' || op === 'in'),
    usesMmio: guests.some(({ op }) => op === 'mmio'),
    usesDebug: guests.some(({ op }) => op === 'debug-exit'),
    usesHalt: guests.some(({ op }) => op === 'hlt'),
    reenters: hosts.some((op) => op.op === 'KVM_RUN' && op.reenter === true),
  };
};

/** What becomes of the messages of a step: the store buffers of `memory: tso`. */
const orderOf = ({ host }: ResolvedScenario): Pick<HostEnv, 'order'> => (host.options.memory === 'tso' ? { order: ordered } : {});

/** Each part with its owner. */
type Owner = readonly [owner: string, part: HostParts];

/** @throws MechanismError if two parts bring one operation, or handle one fault */
function refuseTwice(owners: readonly Owner[], what: string, namesOf: (part: HostParts) => readonly string[]): void {
  const found = new Map<string, string>();
  for (const [owner, part] of owners) {
    for (const name of namesOf(part)) {
      const other = found.get(name);
      if (other !== undefined) throw new MechanismError(`${other} and ${owner} both bring ${what} ${name}; expected one of them to`);
      found.set(name, owner);
    }
  }
}

/** @throws MechanismError if two mechanisms claim one place */
export function hostEnvOf(scenario: ResolvedScenario, { programs, vms, patches, uses }: Programs): HostEnv {
  const owners: Owner[] = [
    ['every host', { operations: (env) => [...computeOperations(env), ...cloneOperations(env)] }],
    ['kvm', { operations: kvmOperations }],
    ...mechanismsOf(scenario.host.arch).flatMap((mechanism): Owner[] =>
      mechanism.host ? [[nameOf(mechanism), mechanism.host(scenario)]] : [],
    ),
  ];
  const env: HostEnv = {
    options: knownOptions(scenario.host.options),
    ...(uses && { uses }),
    cpus: Array.from({ length: scenario.host.cpus }, (_, cpu) => `pcpu:${cpu}`),
    vms,
    settings: Object.fromEntries(scenario.vms.map((vm) => [vm.id, vm.settings ?? {}])),
    programs,
    haltPolling: scenario.host.haltPolling ?? true,
    threads: Object.fromEntries(
      scenario.processes.map(({ id, threads }) => [`process:${id}`, threads.map((one) => `thread:${id}/${one.id}`)]),
    ),
    rseq: scenario.host.rseq ?? false,
    tsc: scenario.host.tsc ?? 'stable',
    parts: owners.map(([, part]) => part),
    notifiers: kvmNotifiers,
    slots: slotsOf(scenario),
    userSpace: userSpaceOf(scenario),
    vendor: VENDORS[scenario.host.arch],
    patches: withEnv(patches, () => env),
    ...orderOf(scenario),
  };
  const carriedOut = (part: HostParts) => (part.operations?.(env) ?? []).map(([name]) => name);
  refuseTwice(owners, 'the operation', carriedOut);
  refuseIdle(
    scenario,
    programs,
    owners.flatMap(([, part]) => carriedOut(part)),
    'hostOperations',
    'host().operations, or an ioctl of kvm(),',
  );
  refuseTwice(owners, 'the handler of', ({ faults = {} }) => Object.keys(faults));
  return env;
}

/** @throws MechanismError if nothing carries out what a guest does, or two mechanisms do */
export function guestEnvOf(scenario: ResolvedScenario, { images, patches, uses }: Programs): GuestEnv {
  const parts = mechanismsOf(scenario.host.arch).flatMap((mechanism) => mechanism.guest?.(scenario) ?? []);
  const env: GuestEnv = {
    options: scenario.host.options,
    images,
    parts,
    ...(uses && { uses }),
    patches: withEnv(patches, () => env),
    ...orderOf(scenario),
  };
  const names = guestOperations(env).map(([name]) => name);
  const twice = names.find((name, at) => names.indexOf(name) < at);
  if (twice !== undefined) throw new MechanismError(`two mechanisms carry out the guest's operation ${twice}; expected one of them to`);
  const programs = images.map(({ program }) => program);
  refuseIdle(scenario, programs, names, 'guestOperations', 'guest().operations');
  return env;
}

/** Control flow, which every walker of a program carries out itself. */
const CONTROL: readonly string[] = ['next', 'choose', 'jump', 'end'] satisfies ControlOp['op'][];

/**
 * A program would end there without a word.
 * @throws MechanismError if nothing carries out an operation of a program
 */
function refuseIdle(
  scenario: ResolvedScenario,
  programs: readonly Program<{ readonly op: string }>[],
  known: readonly string[],
  side: 'hostOperations' | 'guestOperations',
  expected: string,
): void {
  const used = programs.flatMap(({ ops }) => ops.map(({ op }) => op));
  const idle = used.find((op) => !CONTROL.includes(op) && !known.includes(op));
  if (idle === undefined) return;
  const owner = mechanismsOf(scenario.host.arch).find((mechanism) => Object.hasOwn(mechanism[side] ?? {}, idle));
  const who = owner ? `${nameOf(owner)}: ${side}.${idle}: ` : '';
  throw new MechanismError(`${who}nothing carries out ${idle}; expected ${expected} to name it${didYouMean(idle, known)}`);
}
