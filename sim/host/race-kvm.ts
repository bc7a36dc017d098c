/**
 * What a race says of KVM: requests, ioctls, exits, hypercalls, MSRs and NAE events, each in one
 * declaration. They fill the keyed slots, so that no two of them need an order.
 */
import { type HostEnv, type HostItem, type HostLocals, host, opOf } from '../../actors/host/host-env.ts';
import type { Cell } from '../../actors/kit/cell.ts';
import { fn } from '../../actors/kit/fn.ts';
import { local } from '../../actors/kit/local.ts';
import { type GuestEnv, type GuestItem, guest, opOf as guestOpOf, type Vcpu, vmexit } from '../../actors/kvm/guest-program.ts';
import { type ExitHandler, exitHandler, ioctlOf, requestHandler, toUserSpace, userLoopOf } from '../../actors/kvm/kit-exits.ts';
import { thisVcpu } from '../../actors/kvm/kit-here.ts';
import type { KvmParts } from '../../actors/kvm/slots.ts';
import type { Source } from '../../actors/path/path.ts';
import type { RequestFlags, VcpuRequest } from '../../events/kvm.ts';
import { integer, NAME, VCPU } from '../scenario/fields.ts';
import type { Arguments } from '../scenario/operation.ts';
import type { Arch, ResolvedScenario } from '../scenario/types.ts';
import { MechanismError } from './mechanism.ts';
import { type Argument, argumentOf } from './race-argument.ts';
import { itemsOf, placed } from './race-items.ts';

type Does<Env, Item> = (env: Env, arg: Argument) => readonly Item[];

/** A request to vCPUs. @public */
export interface RaceRequest {
  /** Document, section or kernel function, version. */
  readonly source: string | Source;
  /** What KVM_REQUEST_* bits it has. */
  readonly flags?: RequestFlags;
  /** kvm_vcpu_has_events() looks at it: a halted vCPU is runnable while it is pending. */
  readonly endsHalt?: true;
  /** What R6 does when kvm_check_request() has taken it. */
  readonly does: (env: HostEnv) => readonly HostItem[];
}

/** An ioctl on a vCPU, under its mutex, or on a VM, under no lock. @public */
export interface RaceIoctl {
  readonly of: 'vcpu' | 'vm';
  readonly summary: string;
  readonly source: string | Source;
  /** Besides the vCPU or the VM, `vcpu: vm0/0` or `vm: vm0`. */
  readonly args?: Arguments;
  readonly does: Does<HostEnv, HostItem>;
}

/** What a guest does that leaves guest mode, and what handles it. @public */
export interface RaceExit {
  readonly summary: string;
  readonly source: string | Source;
  /** Of the guest's operation; the exit tells them. */
  readonly args?: Arguments;
  /** What the guest walks around the exit; the exit alone unless given. */
  readonly guest?: (env: GuestEnv, arg: Argument, exit: GuestItem) => readonly GuestItem[];
  /** The handler; KVM_RUN ends where there is none. `toUserSpace` among the items ends it. */
  readonly does?: Does<HostEnv, HostItem>;
  /** What the VMM does when KVM_RUN has ended so, before it calls it again. */
  readonly user?: Does<HostEnv, HostItem>;
  /** KVM carries the instruction out: the guest goes on when the handler is over. */
  readonly skips?: true;
}

/** A hypercall: VMMCALL, VMCALL or HVC with this number. @public */
export type RaceHypercall = Omit<RaceExit, 'skips'>;

/** A model-specific register of each vCPU. @public */
export interface RaceMsr {
  readonly summary: string;
  readonly source: string | Source;
  /** Where it is kept: `read` is what RDMSR has given the guest last. */
  readonly of: Cell<{ value: number; read: number }>;
  /** What exits; all accesses unless given. */
  readonly intercepts?: 'all' | 'reads' | 'writes' | 'none';
  /** kvm_set_msr_common() and kvm_get_msr_common(), before the value is stored or loaded. */
  readonly onWrite?: (env: HostEnv, value: (walker: object, locals?: object) => number) => readonly HostItem[];
  readonly onRead?: (env: HostEnv) => readonly HostItem[];
}

/** What a race declares of KVM, by name. @public */
export interface KvmRace {
  readonly requests?: Readonly<Record<string, RaceRequest>>;
  readonly ioctls?: Readonly<Record<string, RaceIoctl>>;
  readonly exits?: Readonly<Record<string, RaceExit>>;
  readonly hypercalls?: Readonly<Record<string, RaceHypercall>>;
  readonly msrs?: Readonly<Record<string, RaceMsr>>;
  /** Not automatic exits: what an SEV-ES guest asks for by VMGEXIT. */
  readonly naes?: Readonly<Record<string, RaceExit>>;
}

/** A declaration of an operation, of a thread or a guest. */
export interface Declared {
  readonly summary: string;
  readonly args?: Arguments;
}

/** How a kind of exits is told apart, by the guest and by the host. */
interface Kind {
  /** The key of its slot. */
  readonly key: string;
  readonly slot: 'exits' | 'nae';
  readonly exit: (v: Vcpu, info: object) => ReturnType<typeof vmexit>;
  readonly insn: string;
}
/** An exit as it is lowered: with its kind, on a host of the scenario. */
interface Lowered extends RaceExit {
  readonly name: string;
  readonly kind: Kind;
}

const HYPERCALL: Readonly<Record<Arch, string>> = { amd: 'VMMCALL', intel: 'VMCALL', arm64: 'HVC' };
const RETIRES: Readonly<Record<Arch, boolean>> = { amd: true, intel: true, arm64: false };
const exitOf = (key: string, insn = key): Kind => ({
  key,
  slot: 'exits',
  insn,
  exit: (v, info) => vmexit(v, key as 'INTERCEPT', info as never),
});
const naeOf = (name: string): Kind => ({
  key: name,
  slot: 'nae',
  insn: 'VMGEXIT',
  exit: (v, info) => vmexit(v, 'VMGEXIT' as 'INTERCEPT', { nae: name, ...info } as never),
});
const MSR_ARGS: Arguments = { write: integer(0, Number.MAX_SAFE_INTEGER).exactOptional() };

/** @throws MechanismError where a host of the race lacks the thing */
function refuse(where: string, what: string, arches: readonly Arch[], have: readonly Arch[]): void {
  const lacks = arches.filter((arch) => !have.includes(arch));
  if (lacks.length > 0)
    throw new MechanismError(`${where}: hosts of ${lacks.join(', ')} have no ${what}; expected arches: ${have.join(', ')}`);
}

/** The exits of all kinds. */
function exitsOf({ exits = {}, hypercalls = {}, msrs = {}, naes = {} }: KvmRace, arch: Arch): readonly Lowered[] {
  const hypercall = (name: string, one: RaceHypercall): Lowered => {
    const insn = HYPERCALL[arch];
    return { ...one, name, kind: exitOf(`${insn}(${name})`, insn), ...(RETIRES[arch] && { skips: true }) };
  };
  return [
    ...Object.entries(exits).map(([name, one]): Lowered => ({ ...one, name, kind: exitOf(name) })),
    ...Object.entries(hypercalls).map(([name, one]) => hypercall(name, one)),
    ...Object.entries(msrs).map(([name, one]) => msrExit(name, one)),
    ...Object.entries(naes).map(([name, one]): Lowered => ({ ...one, name, kind: naeOf(name) })),
  ];
}

/** RDMSR and WRMSR, by whether the operation gives a value. */
function msrExit(name: string, { summary, source, of, intercepts = 'all', onWrite, onRead }: RaceMsr): Lowered {
  const data = local<number>('msrData');
  const isWrite = (env: GuestEnv) => (v: object) => 'write' in guestOpOf(env, v as Vcpu);
  const exits = (writes: boolean) => intercepts === 'all' || intercepts === (writes ? 'writes' : 'reads');
  const written = (_t: object, l: object = {}): number => (l as { exit: { info: { write: number } } }).exit.info.write;
  const writesExit = (_t: object, l: object): boolean => 'write' in ((l as { exit: { info: object } }).exit.info ?? {});
  return {
    name,
    summary,
    source,
    args: MSR_ARGS,
    skips: true,
    kind: exitOf(`MSR(${name})`, 'MSR'),
    guest: (env, _arg, exit) => {
      const at = thisVcpu(env);
      const value = (v: Vcpu) => (guestOpOf(env, v) as unknown as { write: number }).write;
      const wrmsr = exits(true) ? [exit] : [of.store('value', value, { at, as: 'WRMSR' })];
      const rdmsr = exits(false)
        ? [exit]
        : [of.load('value', data, { at, as: 'RDMSR' }), of.store('read', (_v, l) => data.of(l)!, { at, as: 'RDMSR_eax' })];
      return intercepts === 'all' ? [exit] : [guest.when([isWrite(env), wrmsr], [() => true, rdmsr])];
    },
    does: (env) => {
      const at = thisVcpu(env);
      const set = fn('kvm_set_msr_common', source, [
        ...(onWrite?.(env, written) ?? []),
        of.store('value', written, { at, as: 'store_msr' }),
      ]);
      const get = fn('kvm_get_msr_common', source, [
        ...(onRead?.(env) ?? []),
        of.load('value', data, { at, as: 'load_msr' }),
        of.store('read', (_t, l) => data.of(l)!, { at, as: 'kvm_rax_write' }),
      ]);
      return [host.when([writesExit, [host.call(set)]], [() => true, [host.call(get)]])];
    },
  };
}

/** The operations that guests of such a host have by it. */
export const guestOperationsOf = (race: KvmRace): readonly (readonly [string, Declared])[] =>
  exitsOf(race, 'amd').map(({ name, summary, args = {} }) => [name, { summary, args }]);

/** The operations that host threads have by it. */
export const hostOperationsOf = ({ ioctls = {} }: KvmRace): readonly (readonly [string, Declared])[] =>
  Object.entries(ioctls).map(([name, { of, summary, args = {} }]) => [
    name,
    { summary, args: { ...(of === 'vcpu' ? { vcpu: VCPU } : { vm: NAME }), ...args } },
  ]);

/** What the exit tells: the arguments of the operation. */
function infoOf(env: GuestEnv, v: Vcpu): object {
  const { op: _op, ...info } = guestOpOf(env, v);
  return info;
}

/** What guests walk at each of these operations. */
export const guestItemsOf =
  (race: KvmRace, { host: { arch } }: ResolvedScenario) =>
  (env: GuestEnv): readonly (readonly [string, readonly GuestItem[]])[] =>
    exitsOf(race, arch).map(({ name, source, args, kind, skips, guest: walks }) => {
      const leave = guest.step(kind.insn, { send: (v) => kind.exit(v, infoOf(env, v)) });
      const retire = guest.step(`${kind.insn}_retire`, { awaits: true, wakes: { 'guest.skipInsn': () => ({}) } });
      const exit = skips ? guest.call(fn('insn', source, [leave, retire])) : leave;
      const arg = argumentOf(args, (v) => guestOpOf(env, v as Vcpu));
      return [name, [guest.call(fn(name, source, walks?.(env, arg, exit) ?? [exit]))]];
    });

/** What an exit has told, where its handler runs. */
const told = ({ exit }: HostLocals): object => exit?.info ?? {};

const handlerOf =
  ({ name, source, args, kind, does, user, skips }: Lowered) =>
  (env: HostEnv): readonly HostItem[] => {
    const arg = argumentOf(args, (_t, l) => told(l as HostLocals));
    const handler: ExitHandler = {
      name: kind.key.replaceAll(/[()]/g, '_').replace(/_$/, ''),
      source,
      items: does ? placed(`${name}.does`, does)(env, arg) : [],
      skips: skips === true,
      ...(user && { seen: (l: HostLocals) => ({ name, info: told(l) as Readonly<Record<string, unknown>> }) }),
    };
    return [...(does ? [] : [toUserSpace]), ...exitHandler(env, handler)];
  };

const reactionOf = ({ name, source, args, user }: Lowered): Parameters<typeof userLoopOf>[0] => {
  if (user === undefined) return [];
  const arg = argumentOf(args, (_t, l) => (l as HostLocals).userSeen!.info);
  return [{ name, source, items: (env) => placed(`${name}.user`, user)(env, arg) }];
};

const sourceOf = (source: string | Source): Source => (typeof source === 'string' ? { source, grade: 'memory' } : source);

function ioctlsOf({ ioctls = {} }: KvmRace, of: RaceIoctl['of']): NonNullable<KvmParts['vcpuIoctls']> {
  const mine = Object.entries(ioctls).filter(([, ioctl]) => ioctl.of === of);
  return Object.fromEntries(
    mine.map(([name, { args = {}, source, does }]) => {
      const schema: Arguments = { ...(of === 'vcpu' ? { vcpu: VCPU } : { vm: NAME }), ...args };
      const argOf = (env: HostEnv) => argumentOf(schema, (t) => opOf(env, t as never));
      return [
        name,
        ioctlOf(name, sourceOf(source), (env) => itemsOf(`ioctls.${name}.does`, placed(`ioctls.${name}.does`, does)(env, argOf(env)))),
      ];
    }),
  );
}

/**
 * What it puts into KVM's slots. Exits that no guest of the scenario causes have no handler.
 * @param isOff the race does not take part: it has no requests then
 */
export function kvmPartsOf(race: KvmRace, { host: { arch }, vms }: ResolvedScenario, isOff: boolean): KvmParts {
  const used = new Set<string>(vms.flatMap(({ vcpus }) => vcpus.flatMap(({ ops }) => ops.map(({ op }) => op as string))));
  const exits = exitsOf(race, arch).filter(({ name }) => used.has(name));
  const slot = (of: Kind['slot']) =>
    Object.fromEntries(exits.filter(({ kind }) => kind.slot === of).map((one) => [one.kind.key, handlerOf(one)]));
  const requests = isOff ? [] : Object.entries(race.requests ?? {});
  const reactions = exits.flatMap(reactionOf);
  return {
    exits: slot('exits'),
    ...(arch === 'amd' && { nae: slot('nae') }),
    requests: Object.fromEntries(
      requests.map(([name, { source, does }]) => [name, requestHandler(name, source, placed(`requests.${name}.does`, does))]),
    ),
    requestFlags: Object.fromEntries(requests.flatMap(([name, { flags }]) => (flags ? [[name, flags]] : []))),
    vcpuIoctls: ioctlsOf(race, 'vcpu'),
    vmIoctls: ioctlsOf(race, 'vm'),
    ...(reactions.length > 0 && { userLoop: userLoopOf(reactions) }),
  };
}

/** Requests that end HLT. */
export const haltEndsOf = ({ requests = {} }: KvmRace): readonly VcpuRequest[] =>
  Object.entries(requests).flatMap(([name, { endsHalt }]) => (endsHalt ? [name as VcpuRequest] : []));

/** @throws MechanismError where a host of the race lacks what it declares */
export function refuseLacking(name: string, { msrs, naes }: KvmRace, arches: readonly Arch[]): void {
  if (msrs !== undefined) refuse(`mechanism ${name}: msrs`, 'MSRs', arches, ['amd', 'intel']);
  if (naes !== undefined) refuse(`mechanism ${name}: naes`, 'NAE events', arches, ['amd']);
}
