/**
 * A chooser that is told a story: this thread runs up to this micro-step, then that one. Messages
 * in flight are delivered at once; after its last line the run goes on in order. A story that
 * cannot be told is a failed check.
 */
import assert from 'node:assert/strict';
import type { ChoiceView } from '../../sim/choosers/chooser.ts';
import { FifoChooser } from '../../sim/choosers/fifo.ts';
import type { Sequencer, StepOutcome } from '../../sim/sequencer.ts';
import { WorldView } from '../../sim/view.ts';
import type { Looking } from './play.ts';

/** The world as a line of a story sees it. */
export interface Scene {
  /** Context of an actor. */
  context<C>(id: string): C;
  /** The micro-step that an actor stands before, dotted; a thread's own code, not its notifiers. */
  at(id: string): string;
  labels(): readonly string[];
}

export interface Line {
  readonly what: string;
  /** The thread that runs; null where `take` names an alternative. */
  readonly thread: string | null;
  readonly take?: string;
  /**
   * Whether the line is over; asked before each step, with the number of steps the line has taken.
   */
  readonly until: (scene: Scene, steps: number) => boolean;
}

const stands = (scene: Scene, actor: string, point: string) => scene.at(actor) === point || scene.at(actor).endsWith(`.${point}`);

/** The thread runs until it, or the vCPU it runs, stands before a micro-step. */
export const to = (thread: string, point: string, actor = thread): Line => ({
  what: `${thread} to ${actor}@${point}`,
  thread,
  until: (scene) => stands(scene, actor, point),
});

/** The thread runs so many steps of its CPU. */
export const steps = (thread: string, count: number): Line => ({
  what: `${count} steps of ${thread}`,
  thread,
  until: (_scene, done) => done >= count,
});

/** The thread runs until this holds. */
export const until = (thread: string, what: string, holds: (scene: Scene) => boolean): Line => ({
  what: `${thread} until ${what}`,
  thread,
  until: holds,
});

/** The thread runs until it has ended. */
export const finish = (thread: string): Line => to(thread, 'main.dead');

/** Takes one alternative by its label. */
export const choose = (label: string): Line => ({ what: label, thread: null, take: label, until: (_scene, done) => done > 0 });

const nameOf = (value: unknown): string => {
  if (typeof value === 'string') return value;
  const [entry] = Object.entries((value ?? {}) as Record<string, unknown>);
  return entry ? `${entry[0]}.${nameOf(entry[1])}` : '';
};

/**
 * The CPU that has to acknowledge an IPI before the thread can go on; null if the thread does not
 * wait for one.
 */
function waitedFor(thread: string, scene: Scene): string | null {
  if (!stands(scene, thread, 'csd_lock_wait')) return null;
  const { code } = scene.context<{ readonly frames: { readonly code: { readonly kickMask: object } } }>(thread).frames;
  return Object.keys(code.kickMask)[0]!;
}

const STEPS_MAX = 2000;

class Steer implements Looking {
  readonly name = 'steer';
  readonly #lines: readonly Line[];
  readonly #fifo = new FifoChooser();
  #sequencer: Sequencer | null = null;
  #at = 0;
  #steps = 0;
  /** What was chosen, for failures. */
  readonly #told: string[] = [];

  constructor(lines: readonly Line[]) {
    this.#lines = lines;
  }

  /** Whether every line has been told. */
  get done(): boolean {
    return this.#at >= this.#lines.length;
  }

  look(sequencer: Sequencer): void {
    this.#sequencer = sequencer;
  }

  scene(): Scene {
    const { store, locals } = this.#sequencer!;
    const actor = <C>(id: string) => new WorldView(store, locals).actor<C>(store.slot(id, 'the story'));
    return {
      context: <C>(id: string) => actor<C>(id).context,
      at: (id) => {
        const { value } = actor(id);
        return nameOf((value as { readonly code?: unknown }).code ?? value);
      },
      labels: () => this.#sequencer!.alternatives().map(({ label }) => label),
    };
  }

  choose(view: ChoiceView): number {
    const scene = this.scene();
    let line = this.#lines[this.#at];
    while (line?.until(scene, this.#steps)) {
      this.#at++;
      this.#steps = 0;
      line = this.#lines[this.#at];
    }
    if (!line) return this.#fifo.choose(view);
    this.#steps++;
    if (this.#steps > STEPS_MAX) assert.fail(`${line.what}: not reached in ${STEPS_MAX} steps; ${this.#story(scene)}`);
    const labels = view.alternatives().map(({ label }) => label);
    const index = this.#indexOf(line, scene, labels);
    if (index < 0) assert.fail(`${line.what}: nothing does it among ${labels.join('; ')}; ${this.#story(scene)}`);
    this.#told.push(labels[index]!);
    return index;
  }

  observe(outcome: StepOutcome): void {
    this.#fifo.observe(outcome);
  }

  #indexOf(line: Line, scene: Scene, labels: readonly string[]): number {
    if (line.take !== undefined) return labels.indexOf(line.take);
    const delivery = labels.findIndex((label) => label.startsWith('deliver('));
    if (delivery >= 0) return delivery;
    const cpu = waitedFor(line.thread!, scene) ?? this.#cpuOf(line.thread!, scene);
    const pick = labels.indexOf(`pick(${cpu}, ${line.thread})`);
    return pick >= 0 ? pick : labels.indexOf(`exec(${cpu})`);
  }

  /** Where the thread runs, or is queued. */
  #cpuOf(thread: string, scene: Scene): string {
    const running = scene.context<{ readonly cpu: string | null }>(thread).cpu;
    if (running !== null) return running;
    const { rq } = scene.context<{ readonly rq: Readonly<Record<string, readonly string[]>> }>('sched');
    const queued = Object.keys(rq).find((cpu) => rq[cpu]!.includes(thread));
    if (queued !== undefined) return queued;
    const { store, locals } = this.#sequencer!;
    const taking = new WorldView(store, locals)
      .actors<{ readonly next: string | null; readonly current: string | null }>('pcpu')
      .find(({ context }) => context.next === thread || context.current === thread);
    return taking?.id ?? 'nowhere';
  }

  #story(scene: Scene): string {
    const { store } = this.#sequencer!;
    const threads = store.ids.filter((id) => /^(?:thread|vcpu):/.test(id)).map((id) => `${id} at ${scene.at(id)}`);
    return `${threads.join('; ')}; last ${this.#told.slice(-6).join(', ')}`;
  }
}

export const steer = (...lines: readonly Line[]): Steer => new Steer(lines);
