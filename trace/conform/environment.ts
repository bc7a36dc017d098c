/**
 * Everything that a vCPU thread talks to, played by the checker: each question has all the answers
 * that some host could give. What a recording says narrows them later.
 */
import type { AnyEvent } from '../../sim/store.ts';

type Answer = { readonly type: string; readonly [field: string]: unknown };

/** What the answers depend on. */
export interface Surroundings {
  /** Exits that guests may leave for, by the model's names. */
  readonly exits: readonly string[];
  readonly requests: readonly string[];
  /** mp_state of the vCPU: a HLT of its guest has no end so far. */
  readonly halted: boolean;
}

const BOTH = [true, false] as const;

/** What the processor tells with an exit, where its handler asks; else nothing. */
const EXIT_INFO: Readonly<Record<string, readonly object[]>> = {
  IO: BOTH.map((write) => ({ port: 0, write })),
  MMIO: BOTH.map((write) => ({ gpa: 0, write })),
};

/**
 * Answers by the type of the question. A message that asks nothing is not looked up. `asked` is the
 * question.
 */
const ANSWERS: Readonly<Record<string, (asked: AnyEvent, around: Surroundings) => readonly Answer[]>> = {
  'cpu.needResched?': () => BOTH.map((pending) => ({ type: 'cpu.needResched', pending })),
  'cpu.offline?': () => BOTH.map((done) => ({ type: 'cpu.offlined', done })),
  'mutex.lock': () => BOTH.map((acquired) => ({ type: 'mutex.locked', acquired })),
  'loop.next': () => BOTH.map((again) => ({ type: 'loop.turn', again })),
  'vcpu.requests?': (_asked, { requests }) => [
    { type: 'vcpu.requests', pending: [], exiting: false },
    { type: 'vcpu.requests', pending: [], exiting: true },
    ...requests.map((request) => ({ type: 'vcpu.requests', pending: [request], exiting: false })),
  ],
  'vcpu.mode?': () => ['OUTSIDE_GUEST_MODE', 'IN_GUEST_MODE', 'EXITING_GUEST_MODE'].map((mode) => ({ type: 'vcpu.mode', mode })),
  'vcpu.mpState?': (_asked, { halted }) => [{ type: 'vcpu.mpState', halted }],
  'guest.skipInsn': () => [{ type: 'guest.ran', atomic: false }],
  'vcpu.block': (_asked, { halted }) =>
    BOTH.flatMap((sleep) => (halted ? BOTH : [false]).map((still) => ({ type: 'vcpu.blocked', sleep, halted: still }))),
  'vcpu.request': () => [{ type: 'vcpu.kick', cpu: null }],
  'vcpu.exitGuestMode': () => [{ type: 'vcpu.kick', cpu: null }],
  'vmm.load?': () => BOTH.map((value) => ({ type: 'vmm.loaded', value })),
  'vm.lockMmu': () => BOTH.map((acquired) => ({ type: 'vm.mmuLocked', acquired })),
  'guest.step': (_asked, { exits }) => [
    { type: 'guest.ran', atomic: false },
    ...exits.flatMap((reason) => (EXIT_INFO[reason] ?? [null]).map((info) => ({ type: 'vmexit', reason, info }))),
  ],
};

/** All answers to a question; undefined if it is none that is known here. */
export const answersTo = (asked: AnyEvent, around: Surroundings): readonly Answer[] | undefined =>
  Object.hasOwn(ANSWERS, asked.type) ? ANSWERS[asked.type]!(asked, around) : undefined;
