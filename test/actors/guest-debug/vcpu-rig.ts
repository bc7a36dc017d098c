/**
 * KVM's half of a debugged vCPU, and the registers and host breakpoints of the CPU that it runs on,
 * with nothing between them: what the machines tell each other arrives at once. The rig stands for
 * the host thread, in the order of a run, and for the guest, which tries an instruction until it is
 * done.
 */
import { cpuDebugRegistersMachine } from '../../../actors/guest-debug/cpu-debug-registers.ts';
import { type HostBreakpointsState, hostBreakpointsMachine } from '../../../actors/guest-debug/host-breakpoints.ts';
import { vcpuDebugMachine } from '../../../actors/guest-debug/vcpu-debug.ts';
import type { VcpuDebugDesign, VcpuDebugState } from '../../../actors/guest-debug/vcpu-debug-state.ts';
import type { KvmResumed } from '../../../events/guest-debug/kvm-debug.ts';
import type {
  AddressMasks,
  BreakpointAddresses,
  DebugExit,
  DebuggedInsn,
  DebugRegister,
  DebugRegisters,
  DebugVector,
  InsnMet,
  X86GuestDebugFlag,
} from '../../../events/guest-debug/x86-debug.ts';
import type { U64 } from '../../../events/u64.ts';
import { Given } from '../given.ts';

interface AnyEvent {
  readonly type: string;
  readonly [field: string]: unknown;
}
type CpuState = { readonly registers: DebugRegisters; readonly masks: AddressMasks };

/** How an instruction went on: to user space, or to its end. */
export interface WentOn {
  readonly exit: DebugExit | null;
  readonly value: U64;
  readonly exception: DebugVector | null;
  /** Exits that it cost. */
  readonly exits: number;
}

const INSN_BYTES = 3;
const KDB = 'kdb:vm/0';

export class Rig {
  kdb: Given<VcpuDebugState>;
  cpu: Given<CpuState>;
  /** What KVM has written to the CPU, in order. */
  readonly writes: AnyEvent[] = [];
  host: Given<HostBreakpointsState>;
  private readonly design: VcpuDebugDesign;

  constructor(design: VcpuDebugDesign) {
    this.design = design;
    this.kdb = Given.start(vcpuDebugMachine(design));
    this.cpu = Given.start(cpuDebugRegistersMachine({ vendor: design.vendor, noNestedDataBp: false }));
    this.host = Given.start(hostBreakpointsMachine({ cachesMasks: true }), { cpu: 'pcpu:0' });
    this.tell({ type: 'kdb.load', cpu: 'pcpu:0' });
  }

  /** Another rig that stands where this one does. */
  copy(): Rig {
    return Object.assign(Object.create(Rig.prototype) as Rig, this, { writes: [...this.writes] });
  }

  get vcpu(): VcpuDebugState {
    return this.kdb.context;
  }

  /** To KVM; its last answer to the sender. */
  tell(event: AnyEvent): AnyEvent | undefined {
    const { and, sent, handled } = this.kdb.when({ ...event, from: 'thread:t' });
    if (!handled) throw new Error(`${event.type} is not handled`);
    this.kdb = and;
    let answer: AnyEvent | undefined;
    for (const { to, event: message } of sent) {
      if (to !== 'dr:0') answer = message;
      else this.toCpu(message, KDB);
    }
    return answer;
  }

  /** To the host's breakpoints; the answer to the sender. */
  perf(event: AnyEvent): AnyEvent | undefined {
    const { and, sent } = this.host.when({ ...event, from: 'thread:t' });
    this.host = and;
    let answer: AnyEvent | undefined;
    for (const { to, event: message } of sent) {
      if (to !== 'dr:0') answer = message;
      else if (message.type === 'dr.touch?') answer = this.perf(this.toCpu(message, 'hbp:0')!);
      else this.toCpu(message, 'hbp:0');
    }
    return answer;
  }

  private toCpu(event: AnyEvent, from: string): AnyEvent | undefined {
    if (event.type === 'dr.set') this.writes.push(event);
    const { and, sent, handled } = this.cpu.when({ ...event, from });
    if (!handled) throw new Error(`${event.type} is not handled in ${JSON.stringify(this.cpu.state)}`);
    this.cpu = and;
    for (const { to, event: answer } of sent) if (to === KDB) this.kdb = this.kdb.after({ ...answer, from: 'dr:0' });
    return sent[0]?.event;
  }

  /** CR4.DE is set. */
  setDe(): void {
    this.kdb = Given.standing(vcpuDebugMachine(this.design), this.kdb.state, { ...this.vcpu, de: true });
  }

  setGuestDebug(flags: readonly X86GuestDebugFlag[], debug: Partial<{ db: BreakpointAddresses; dr7: U64; rip: U64 }> = {}) {
    return this.tell({ type: 'kdb.setGuestDebug', flags, db: [0, 0, 0, 0], dr7: 0x400, ...debug })?.error;
  }

  enter(): void {
    this.tell({ type: 'kdb.inject' });
    this.tell({ type: 'kdb.prepare', hostActive: this.perf({ type: 'hbp.active?' })!.active });
    this.tell({ type: 'kdb.enter' });
  }

  leave(): void {
    this.tell({ type: 'kdb.leave' });
    this.tell({ type: 'kdb.sync' });
    this.perf({ type: 'hbp.restore' });
  }

  /** The guest's handler returns. */
  iret(tf = false): void {
    this.toCpu({ type: 'dr.iret', flags: { tf, rf: false } }, 'vcpu:vm/0');
  }

  private handle({ kind, rip, move }: DebuggedInsn, { exit, bits, retired }: InsnMet): void {
    const next = Number(rip) + INSN_BYTES;
    if (exit === 'DR') this.tell({ type: 'kdb.dr', ...move!, rip, next });
    if (exit === 'BP') this.tell({ type: 'kdb.bp', rip });
    if (exit === 'DB')
      this.tell({ type: 'kdb.db', bits, icebp: kind === 'icebp' && this.design.vendor === 'vmx', rip: retired ? next : rip, next });
  }

  /** An instruction in guest mode, until it is done or user space is told. */
  run(insn: Partial<DebuggedInsn>): WentOn {
    const whole: DebuggedInsn = { kind: 'plain', rip: 0x1000, ...insn };
    for (let exits = 0; exits < 8; exits++) {
      const met = this.toCpu({ type: 'dr.insn?', ...whole }, 'vcpu:vm/0') as unknown as InsnMet;
      if (met.exit === null) return { exit: null, value: met.value, exception: met.exception, exits };
      this.leave();
      this.handle(whole, met);
      const exit = this.tell({ type: 'kdb.exit?' })!.exit as DebugExit | null;
      if (exit !== null) return { exit, value: 0, exception: null, exits: exits + 1 };
      this.enter();
      const { skipped, value, exception } = this.tell({ type: 'kdb.resume?' }) as unknown as KvmResumed;
      if (skipped || met.retired || exception !== null)
        return { exit: null, value, exception: exception?.vector ?? null, exits: exits + 1 };
    }
    throw new Error(`${whole.kind} at ${whole.rip} is not done after 8 exits`);
  }

  reads(dr: DebugRegister): U64 {
    return this.run({ kind: 'mov-dr', move: { dr, write: false, value: 0 } }).value;
  }

  moves(dr: DebugRegister, value: U64): WentOn {
    return this.run({ kind: 'mov-dr', move: { dr, write: true, value } });
  }
}
