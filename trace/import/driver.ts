/**
 * Drives the simulated host through what a recording asks for, CPU by CPU in the recorded order.
 * Across CPUs the model decides which order is possible: where the next line of a CPU cannot be,
 * others go on for a while, and it is tried again.
 */
import type { ImportChoice } from './choices.ts';
import { Cannot, Draft } from './draft.ts';
import type { Need } from './need.ts';
import type { Turns } from './part.ts';
import type { Player } from './player.ts';
import type { Row, World } from './world.ts';

/** The most steps of a schedule. */
export const STEPS_MAX = 1 << 20;
/** How many needs further on another CPU may be while the next one of a CPU cannot be met. */
const LOOK_AHEAD = 32;

/** A line that the model cannot follow, and the world at that place. */
export interface Stop {
  readonly need: Need;
  readonly why: string;
  readonly row: Row;
}

/** A line of the recording was met at the end of that step. */
export interface Anchor {
  readonly step: number;
  readonly line: number;
}

/** What became of a recording. */
export interface Drive {
  /** The schedule, by labels. */
  readonly labels: readonly string[];
  readonly choices: readonly ImportChoice[];
  readonly anchors: readonly Anchor[];
  /** Lines that were met, by what they ask for. */
  readonly met: ReadonlyMap<Need['act']['type'], number>;
  /** Null: it was followed to its last line, or as far as a schedule goes. */
  readonly stop: Stop | null;
  /** The first line that was left out, as the schedule would have too many steps. */
  readonly tooLong: Need | null;
}

interface Progress {
  readonly row: Row;
  readonly turns: Turns;
  /** How much of what was decided holds here. */
  readonly labels: number;
  readonly choices: number;
  readonly anchors: number;
  readonly met: ReadonlyMap<Need['act']['type'], number>;
}

interface Played {
  readonly draft: Draft;
  readonly turns: Turns;
}

export class Driver {
  readonly #player: Player;
  readonly #world: World;
  readonly #labels: string[] = [];
  readonly #choices: ImportChoice[] = [];
  readonly #anchors: Anchor[] = [];
  #met = new Map<Need['act']['type'], number>();
  #row: Row;
  #turns: Turns;

  constructor(world: World, player: Player) {
    this.#world = world;
    this.#player = player;
    this.#row = world.initial;
    this.#turns = player.start;
  }

  /** Follows all needs, or as many as the model can. */
  drive(needs: readonly Need[]): Drive {
    this.#take(this.#player.begin(new Draft(this.#world, this.#row, needs[0]?.line ?? 1)));
    const end = this.#follow(needs);
    const { stop, tooLong } = { stop: null, tooLong: null, ...end };
    return { labels: this.#labels, choices: this.#choices, anchors: this.#anchors, met: this.#met, stop, tooLong };
  }

  #follow(needs: readonly Need[]): Pick<Drive, 'stop'> | Pick<Drive, 'tooLong'> | null {
    const queues = new Map<number, Need[]>();
    for (const need of needs)
      queues
        .set(need.cpu, queues.get(need.cpu) ?? [])
        .get(need.cpu)!
        .push(need);
    const place = new Map(needs.map((need, index) => [need, index]));
    const at = new Map([...queues.keys()].map((cpu) => [cpu, 0]));
    const head = (cpu: number): Need | undefined => queues.get(cpu)![at.get(cpu)!];
    let blocked: { readonly stop: Stop; readonly progress: Progress } | null = null;
    for (;;) {
      const heads = [...queues.keys()].flatMap((cpu) => head(cpu) ?? []).sort((a, b) => a.order - b.order || a.line - b.line);
      if (heads.length === 0) return null;
      if (this.#labels.length > STEPS_MAX) return { tooLong: heads[0]! };
      let taken: Need | null = null;
      for (const need of heads) {
        if (blocked !== null && place.get(need)! > place.get(blocked.stop.need)! + LOOK_AHEAD) break;
        const why = this.#attempt(need, queues.get(need.cpu)![at.get(need.cpu)! + 1]);
        if (why === null) {
          taken = need;
          break;
        }
        blocked ??= { stop: { need, why, row: this.#row }, progress: this.#progress() };
      }
      if (taken === null) {
        this.#backTo(blocked!.progress);
        return { stop: blocked!.stop };
      }
      if (blocked?.stop.need === taken) blocked = null;
      at.set(taken.cpu, at.get(taken.cpu)! + 1);
    }
  }

  /** @returns why the need cannot be met; null if it is */
  #attempt(need: Need, next: Need | undefined): string | null {
    const played = this.#play(need, this.#row, this.#turns);
    if (typeof played === 'string') return played;
    // The tracer itself raises the preempt depth: a place by the recorded depth may be too far on.
    const loose = need.act.type === 'irq' && !this.#leadsTo(next, played) ? this.#play(need, this.#row, this.#turns, true) : null;
    const { draft, turns } = loose !== null && typeof loose !== 'string' && this.#leadsTo(next, loose) ? loose : played;
    this.#turns = turns;
    this.#take(draft);
    this.#anchors.push({ step: this.#labels.length, line: need.line });
    const { type } = need.act;
    this.#met.set(type, (this.#met.get(type) ?? 0) + 1);
    return null;
  }

  #play(need: Need, row: Row, turns: Turns, isLoose = false): Played | string {
    const draft = new Draft(this.#world, row, need.line);
    try {
      return { draft, turns: this.#player.play(need, draft, turns, isLoose) };
    } catch (error) {
      if (error instanceof Cannot) return error.message;
      throw error;
    }
  }

  #leadsTo(next: Need | undefined, { draft, turns }: Played): boolean {
    return next === undefined || typeof this.#play(next, draft.row, turns) !== 'string';
  }

  #take({ row, steps, choices }: Draft): void {
    this.#row = row;
    for (const { move } of steps) this.#labels.push(move.label);
    this.#choices.push(...choices);
  }

  #progress(): Progress {
    return {
      row: this.#row,
      turns: this.#turns,
      labels: this.#labels.length,
      choices: this.#choices.length,
      anchors: this.#anchors.length,
      met: new Map(this.#met),
    };
  }

  #backTo({ row, turns, labels, choices, anchors, met }: Progress): void {
    this.#met = new Map(met);
    this.#row = row;
    this.#turns = turns;
    this.#labels.length = labels;
    this.#choices.length = choices;
    this.#anchors.length = anchors;
  }
}
