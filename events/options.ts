/**
 * The design switches of a host: where the sources debate alternatives, or hardware does not
 * document itself, a name selects.
 */

/** Switches; each mechanism declares its own here, beside its table of values. @public */
// biome-ignore lint/suspicious/noEmptyInterface: filled by declarations of mechanisms
export interface MechanismOptions {}

/**
 * When a store to a cell is seen by other CPUs. `sc`: at once, all accesses stand in one order.
 * `tso`: each CPU has a store buffer, as x86 has.
 */
export const MEMORY_ORDERS = ['sc', 'tso'] as const;

/** Switches that every host has. @public */
export interface OwnOptions {
  readonly memory: (typeof MEMORY_ORDERS)[number];
}
/** Their values, the default first. */
export const OWN_OPTIONS = { memory: MEMORY_ORDERS } as const satisfies { readonly [K in keyof OwnOptions]: readonly OwnOptions[K][] };

/** All switches. A host has its own and those of its mechanisms; the others are absent. @public */
export type HostOptions = Readonly<OwnOptions & MechanismOptions>;

/**
 * Settings in `options` of a VM, by name; each mechanism declares the type of those that it brings.
 * A VM has some of them.
 * @public
 */
// biome-ignore lint/suspicious/noEmptyInterface: filled by declarations of mechanisms
export interface VmSettings {}

/** `none | voluntary | lazy | full | rt`, as CONFIG_PREEMPT*. */
export const PREEMPTION_MODELS = ['none', 'voluntary', 'lazy', 'full', 'rt'] as const;
/** The preemption model of a kernel. @public */
export type PreemptionModel = (typeof PREEMPTION_MODELS)[number];

/**
 * `direct`: a preemption is an offer wherever one is allowed; of a guest, by a tick that ends guest
 * mode. `pending`: a tick sets need_resched, honoured at the next such point.
 * @public
 */
export type Ticks = 'direct' | 'pending';
