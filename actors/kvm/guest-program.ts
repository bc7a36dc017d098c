/**
 * What runs inside a guest: one operation of its program after the other, and what every guest can
 * do.
 */
import { type ActorId, type Outgoing, outgoing } from '../../events/event.ts';
import type { GuestEvent } from '../../events/index.ts';
import type { BlockedUntil, ExitInfoOf, ExitReason, GuestRunner, VcpuMode, VcpuRequest } from '../../events/kvm.ts';
import type { HostOptions } from '../../events/options.ts';
import type { ControlOp, GuestOp, Program } from '../../events/program.ts';
import { nextPc, type OpNames, optionsOf, type ProgramLocals } from '../host/program-counter.ts';
import type { ordered } from '../host/store-buffer.ts';
import type { PathPatch, PathPatches } from '../path/patch.ts';
import { type Item, otherwise, type Path, pathsOf, type Walker } from '../path/path.ts';
import { saying } from '../path/saying.ts';
import type { VmFacts } from './kvm-env.ts';

/** A guest's program and the machine it believes to run on. @public */
export interface GuestImage {
  readonly vm: VmFacts;
  readonly program: Program<GuestOp>;
}

/**
 * What a mechanism adds to the code of guests: operations of programs by name, and what carries
 * each out.
 * @public
 */
export interface GuestParts {
  readonly operations?: (env: GuestEnv) => readonly (readonly [string, readonly GuestItem[]])[];
  /**
   * Requests that kvm_vcpu_has_events() looks at: a halted vCPU is runnable while one is pending.
   */
  readonly endsHalt?: readonly VcpuRequest[];
}

/** What guest code knows without asking: the images, by number, and what mechanisms add. @public */
export interface GuestEnv {
  /** Host options, as the variant sets them. */
  readonly options: HostOptions;
  readonly images: readonly GuestImage[];
  readonly parts: readonly GuestParts[];
  readonly patches: PathPatches;
  /** Parts of the primitives that take part. */
  readonly uses?: ReadonlySet<object>;
  /** As that of the host: a guest stores through the buffer of the CPU that runs it. */
  readonly order?: typeof ordered;
}

/** Locals of guest paths; mechanisms declare those of their own operations. @public */
export interface GuestLocals extends ProgramLocals {}

/** A vCPU: struct kvm_vcpu, its place in its program, and the locals of its code. @public */
export interface Vcpu extends Walker<GuestLocals> {
  /** The thread that runs it; null where none does. */
  readonly thread: ActorId | null;
  /** Number of its image. */
  readonly image: number;
  readonly pc: number;
  readonly loops: ActorId | null;
  /** struct kvm_vcpu: mode, the CPU it is loaded on, requests. */
  readonly mode: VcpuMode;
  readonly cpu: ActorId | null;
  readonly requests: readonly VcpuRequest[];
  readonly interrupts: boolean;
  /**
   * Its thread sleeps until this happens, or an interrupt; `over`: it has been woken for that, and
   * has not looked yet.
   */
  readonly blockedUntil: BlockedUntil | 'over' | null;
  /** KVM_MP_STATE_HALTED; absent while it is runnable. */
  readonly halted?: true | undefined;
  readonly interrupted: boolean;
  /** The vCPU that runs its guest, where that has moved to another. */
  readonly runner?: GuestRunner | undefined;
}

/** Constructors of guest paths. @public */
export const guest = pathsOf<Vcpu, GuestLocals, GuestEvent>();
const { path, step, loop, when, stop, leaveLoop } = guest;
/** A path that guests walk. @public */
export type GuestPath = Path<Vcpu, GuestLocals, GuestEvent>;

/** A patch of a path that guests walk, with its types. @public */
export const guestPatch = (change: (path: GuestPath, env: GuestEnv) => GuestPath): PathPatch => change as unknown as PathPatch;

/** What stands in a path of guests. @public */
export type GuestItem = Item<Vcpu, GuestLocals, GuestEvent>;

/** The thread that has entered the guest. */
export const runningThread = ({ runner, thread }: Vcpu): ActorId => runner?.thread ?? thread!;

/**
 * Guest mode ends here, for the thread that runs the vCPU; `info` is what the processor tells about
 * the exit.
 * @public
 */
export const vmexit = <K extends ExitReason>(v: Vcpu, reason: K, ...[info]: ExitInfoOf[K] extends null ? [] : [ExitInfoOf[K]]): Outgoing =>
  outgoing(runningThread(v), { type: 'vmexit', reason, info: info ?? null });

export const opOf = (env: GuestEnv, v: Vcpu): GuestOp | ControlOp => env.images[v.image]!.program.ops[v.pc]!;

/** An instruction that KVM carries out, or user space, is over when KVM skips it. */
const retire = (insn: string): GuestItem => step(`${insn}_retire`, { awaits: true, wakes: { 'guest.skipInsn': () => ({}) } });

function ioOf(env: GuestEnv, v: Vcpu): ExitInfoOf['IO'] {
  const op = opOf(env, v);
  if (op.op !== 'out' && op.op !== 'in') throw new Error(`${op.op} names no port`);
  return { port: op.port, write: op.op === 'out' };
}
function mmioOf(env: GuestEnv, v: Vcpu): ExitInfoOf['MMIO'] {
  const op = opOf(env, v);
  if (op.op !== 'mmio') throw new Error(`${op.op} names no address`);
  return { gpa: op.gpa, write: op.write === true };
}

/** Operations by name: what carries each out. */
export const guestOperations = (env: GuestEnv): readonly (readonly [string, readonly GuestItem[]])[] => [
  ...env.parts.flatMap((part) => part.operations?.(env) ?? []),
  [
    'spin',
    [
      loop(
        step('spin', { idles: true, computes: true }),
        when([(v) => v.interrupted, [step('spin_done', { set: () => ({ interrupted: false }) }), leaveLoop]]),
      ),
    ],
  ],
  ['compute', [loop(step('compute', { idles: true, computes: true }))]],
  ['touch', [step('touch', { send: (v) => vmexit(v, 'TDP_FAULT') })]],
  ['intercept', [step('intercept', { send: (v) => vmexit(v, 'INTERCEPT', interceptOf(env, v)) })]],
  ['hlt', [step('HLT', { send: (v) => vmexit(v, 'HLT') })]],
  ['out', [step('OUT', { send: (v) => vmexit(v, 'IO', ioOf(env, v)) }), retire('OUT')]],
  ['in', [step('IN', { send: (v) => vmexit(v, 'IO', ioOf(env, v)) }), retire('IN')]],
  ['mmio', [step('MMIO', { send: (v) => vmexit(v, 'MMIO', mmioOf(env, v)) }), retire('MMIO')]],
  ['debug-exit', [step('DB', { send: (v) => vmexit(v, 'DEBUG') })]],
];

function interceptOf(env: GuestEnv, v: Vcpu): ExitInfoOf['INTERCEPT'] {
  const op = opOf(env, v);
  if (op.op !== 'intercept') throw new Error(`${op.op} names no exit`);
  return { name: op.name };
}

/** What carries out each operation, whether a program holds it or not. */
export const guestItems = (env: GuestEnv): readonly GuestItem[] => guestOperations(env).flatMap(([, items]) => items);

const usedIn = ({ images }: GuestEnv): OpNames => new Set(images.flatMap(({ program }) => program.ops.map(({ op }) => op as string)));

/**
 * What a guest walks, from its first instruction to the end of its program, which shuts the VM
 * down.
 */
export function guestPath(env: GuestEnv, used = usedIn(env)): Path<Vcpu, GuestLocals, GuestEvent> {
  const cases = guestOperations(env).filter(([name]) => used.has(name));
  const chooseStep = step('choose', { ns: 5, chooses: (v) => optionsOf(opOf(env, v)) });
  const isAt = (name: string) => saying(`the operation is ${name}`, (v: Vcpu) => opOf(env, v).op === name);
  return path(
    'guest',
    { source: 'the scenario', grade: 'decision' },
    [
      step('start', { mode: 'guest', ns: 20 }),
      loop(
        when(
          ...cases.map(([name, items]) => [isAt(name), items] as const),
          ...(used.has('choose') ? [[isAt('choose'), [chooseStep]] as const] : []),
          [
            isAt('next'),
            [
              step('next_turn', {
                ns: 10,
                send: (v) => {
                  const op = opOf(env, v);
                  return outgoing(v.loops!, { type: 'loop.next', loop: op.op === 'next' ? op.loop : 0 });
                },
                answers: { 'loop.turn': (e) => ({ again: e.again }) },
              }),
            ],
          ],
          [otherwise, [leaveLoop]],
        ),
        // No other actor sees the fetch, so it belongs to the instruction before it: nothing comes
        // between them on this CPU.
        step('fetch', {
          inside: true,
          ns: 5,
          set: (v, l) => ({ pc: nextPc(env.images[v.image]!.program, v.pc, l) }),
          local: () => ({ again: undefined, option: undefined }),
        }),
      ),
      step('shutdown', { send: (v) => vmexit(v, 'SHUTDOWN') }),
      // An entry finds the state that it left: the guest shuts down once more.
      stop('off', (v) => vmexit(v, 'SHUTDOWN')),
    ],
    { locals: ['again', 'option'] },
  );
}
