/** What must hold of the host's own breakpoints on each CPU, whatever guests do there. */
import type { CpuDebugRegisters } from '../../../actors/guest-debug/cpu-debug-registers.ts';
import { drOf } from '../../../actors/guest-debug/cpu-debug-registers.ts';
import { dr7Written, enabledBreakpoints } from '../../../actors/guest-debug/debug-bits.ts';
import { type HostBreakpointsState, isActive } from '../../../actors/guest-debug/host-breakpoints.ts';
import type { PcpuContext } from '../../../actors/host/pcpu-context.ts';
import type { ActorId } from '../../../events/event.ts';
import { always, alwaysEach, type Property, sometimes } from '../../property.ts';
import { type ActorView, hex, type WorldView } from '../../view.ts';

const KVM = 'kernel arch/x86/kvm/x86.c, vcpu_enter_guest()';
const HANDLER = 'kernel arch/x86/kernel/hw_breakpoint.c, hw_breakpoint_handler()';

/** One CPU as its software copy, its registers and its context have it. */
interface HostCpu {
  readonly id: ActorId;
  readonly copy: HostBreakpointsState;
  readonly registers: ActorView<CpuDebugRegisters>;
  readonly letter: PcpuContext['letter'];
}

function hostCpus(world: WorldView): readonly HostCpu[] {
  const copies = world.actors<HostBreakpointsState>('hostBreakpoints');
  if (copies.length === 0) return [];
  const registers = new Map(world.actors<CpuDebugRegisters>('cpuDebugRegisters').map((actor) => [actor.id, actor]));
  const letters = new Map(world.actors<PcpuContext>('pcpu').map(({ id, context }) => [id, context.letter]));
  return copies.map(({ context: copy }) => ({
    id: copy.cpu,
    copy,
    registers: registers.get(drOf(copy.cpu))!,
    letter: letters.get(copy.cpu)!,
  }));
}

/** Between R11 and R14 interrupts are off, and the registers are on their way. */
const isHostCode = ({ letter }: HostCpu): boolean => letter !== 'I' && letter !== 'G' && letter !== 'X';

/** Where the CPU differs from what perf has armed: an address or a mask of a slot, or DR7. */
function difference({ id, copy, registers }: HostCpu): string | null {
  const { registers: cpu, masks } = registers.context;
  const expected = dr7Written(copy.dr7);
  if (cpu.dr7 !== expected) return `DR7 of ${id} is ${hex(cpu.dr7)}; cpu_dr7 makes it ${hex(expected)}`;
  for (const { index } of enabledBreakpoints(copy.dr7)) {
    if (cpu.db[index] !== copy.db[index]) return `DR${index} of ${id} is ${hex(cpu.db[index]!)}; perf watches ${hex(copy.db[index]!)}`;
    const mask = copy.armed[index]?.mask ?? 0;
    if (masks[index] !== mask) return `the address mask of DR${index} of ${id} is ${hex(masks[index]!)}; perf has set ${hex(mask)}`;
  }
  return null;
}

/** A slot whose breakpoint is disabled may hold anything: the kernel does not care. */
const registersAreTheCopy = always('debug.host-registers-are-the-copy', {
  kinds: ['pcpu', 'cpuDebugRegisters', 'hostBreakpoints'],
  source: `${KVM}, hw_breakpoint_restore(); domain debug-and-split-lock G, I1`,
  grade: 'read',
  check: (world) => {
    for (const cpu of hostCpus(world)) {
      const found = isHostCode(cpu) && isActive(cpu.copy) ? difference(cpu) : null;
      if (found !== null) return found;
    }
    return null;
  },
});

/** Also with interrupts off: an address of a guest never meets a DR7 that arms it for the host. */
const armsItsOwn = always('debug.host-arms-its-own', {
  kinds: ['cpuDebugRegisters', 'hostBreakpoints'],
  source: `${KVM}, set_debugreg(); kernel arch/x86/kernel/hw_breakpoint.c, arch_install_hw_breakpoint()`,
  grade: 'read',
  check: (world) => {
    for (const { id, copy, registers } of hostCpus(world)) {
      if (registers.value !== 'host') continue;
      const { db, dr7 } = registers.context.registers;
      const own = enabledBreakpoints(copy.dr7).map(({ index }) => index);
      const foreign = enabledBreakpoints(dr7).find(({ index }) => !own.includes(index) || db[index] !== copy.db[index]);
      if (foreign)
        return `${id} has DR${foreign.index} armed at ${hex(db[foreign.index]!)} while the host runs, where perf has armed ${own.includes(foreign.index) ? hex(copy.db[foreign.index]!) : 'nothing'}`;
    }
    return null;
  },
});

const hitIsReported = alwaysEach<HostBreakpointsState>('debug.host-hit-is-reported', {
  kind: 'hostBreakpoints',
  source: HANDLER,
  grade: 'read',
  each: ({ context: { cpu, missed } }) =>
    missed === 0 ? null : `code of the host on ${cpu} touched what perf watches there, and perf was not told`,
});

const hitIsReal = alwaysEach<HostBreakpointsState>('debug.host-hit-is-real', {
  kind: 'hostBreakpoints',
  source: HANDLER,
  grade: 'read',
  each: ({ context: { cpu, stray } }) =>
    stray === 0 ? null : `code of the host on ${cpu} got a #DB for an address that perf does not watch there`,
});

/** What perf has armed is the account here: where it armed nothing, the program knows better. */
const hearsAsTold = alwaysEach<HostBreakpointsState>('debug.perf-hears-as-told', {
  kind: 'hostBreakpoints',
  source: HANDLER,
  grade: 'read',
  each: ({ context: { cpu, unexpected } }) =>
    unexpected === undefined ? null : `perf has heard of ${unexpected} on ${cpu}; the program of the thread expects the other`,
});

const isHit = sometimes('debug.host-breakpoint-is-hit', {
  kinds: ['hostBreakpoints'],
  source: HANDLER,
  grade: 'read',
  check: (world) => {
    const found = world.actors<HostBreakpointsState>('hostBreakpoints').find(({ context }) => context.reported !== 0);
    return found ? `perf was told of a hit on ${found.context.cpu}` : null;
  },
});

const guestRunsBeside = sometimes('debug.guest-runs-beside-host-breakpoint', {
  kinds: ['cpuDebugRegisters', 'hostBreakpoints', 'pcpu'],
  source: `${KVM}, hw_breakpoint_active()`,
  grade: 'read',
  check: (world) => {
    const found = hostCpus(world).find(({ copy, registers }) => isActive(copy) && registers.value === 'guest');
    return found ? `a guest runs on ${found.id}, where perf has armed a breakpoint` : null;
  },
});

const watchesEvery = sometimes('debug.perf-watches-every-cpu', {
  kinds: ['hostBreakpoints'],
  source: 'kernel kernel/events/core.c, perf_install_in_context()',
  grade: 'read',
  check: (world) => {
    const copies = world.actors<HostBreakpointsState>('hostBreakpoints');
    return copies.length > 1 && copies.every(({ context }) => isActive(context)) ? 'perf has armed a breakpoint on every CPU' : null;
  },
});

export const hostBreakpointProperties: readonly Property[] = [
  registersAreTheCopy,
  armsItsOwn,
  hitIsReported,
  hitIsReal,
  hearsAsTold,
  isHit,
  guestRunsBeside,
  watchesEvery,
];
