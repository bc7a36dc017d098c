/**
 * VMRUN and #VMEXIT as functions of what a CPU holds, its host save area, and what belongs to the
 * guest; and what software does to the area between them.
 *
 * A plain guest has a VMCB in place of a VMSA. VMRUN and #VMEXIT switch the registers of type A
 * alone; VMLOAD and VMSAVE of KVM switch their own, and the rest is switched by software, which is
 * left out.
 *
 * @see APM vol. 2, "VMRUN", "#VMEXIT", "VMSAVE and VMLOAD", "Encrypted State"; domain
 * debug-and-split-lock A.2, A.10
 */
import { filledBy, isSwapped, REGISTER_NAMES, type RegisterName, type SwapFeatures, swapOf } from './swap-types.ts';

export type Registers<V> = Readonly<Record<RegisterName, V>>;

/** Everything that a world switch reads and writes. */
export interface Worlds<V> {
  readonly cpu: Registers<V>;
  readonly hsave: Registers<V>;
  /** The guest's VMSA, or its VMCB. */
  readonly guest: Registers<V>;
}

/** An encrypted guest by what its VMSA asks for, or a plain one. */
export type GuestKind = SwapFeatures | 'plain';

/** All registers, each by its name. */
export const registersOf = <V>(of: (name: RegisterName) => V): Registers<V> =>
  Object.fromEntries(REGISTER_NAMES.map((name) => [name, of(name)])) as Record<RegisterName, V>;

const VMSAVE_SET: ReadonlySet<RegisterName> = new Set(filledBy('vmsave'));

/** Whether the register changes between the worlds at all. */
const isSwitched = (name: RegisterName, guest: GuestKind): boolean =>
  guest === 'plain' ? swapOf(name).type === 'A' || VMSAVE_SET.has(name) : isSwapped(name, guest);

/** E9; of a plain guest, with the VMLOAD before it. */
export const vmrun = <V>({ cpu, hsave, guest }: Worlds<V>, kind: GuestKind): Worlds<V> => ({
  cpu: registersOf((name) => (isSwitched(name, kind) ? guest[name] : cpu[name])),
  hsave: registersOf((name) => (swapOf(name).type === 'A' ? cpu[name] : hsave[name])),
  guest,
});

/** E11; of a plain guest, with the VMSAVE and the host's VMLOAD behind it. */
export const vmexit = <V>({ cpu, hsave, guest }: Worlds<V>, kind: GuestKind, reset: V): Worlds<V> => ({
  cpu: registersOf((name) => {
    if (!isSwitched(name, kind)) return cpu[name];
    return swapOf(name).type === 'C' ? reset : hsave[name];
  }),
  hsave,
  guest: registersOf((name) => (isSwitched(name, kind) ? cpu[name] : guest[name])),
});

/** E3 to E5 and E8: software stores registers of the CPU in its area. */
export const saved = <V>({ cpu, hsave }: Pick<Worlds<V>, 'cpu' | 'hsave'>, names: readonly RegisterName[]): Registers<V> =>
  registersOf((name) => (names.includes(name) ? cpu[name] : hsave[name]));

/**
 * By name, not by who fills the area: a register that the table wrongly gives no filler is missed
 * here. The callee's own, those of type C, which the host has in memory, and DR0 to DR3.
 */
const NOT_NEEDED = /^(?:RCX|RDX|R8|R9|R10|R11|CR2|FPU|DR[0-3])$/;

/**
 * The registers that the host has to find behind an exit as they were. DR0 to DR3 are none of them:
 * R14 writes them where the host has armed a breakpoint. Their masks are, as only a change of the
 * cached mask writes one.
 */
export const HOST_NEEDS: readonly RegisterName[] = REGISTER_NAMES.filter((name) => !NOT_NEEDED.test(name));
