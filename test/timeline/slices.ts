/**
 * A timeline as a viewer ends up with it: spans with their length and depth, arrows, numbers. What
 * exporters are compared with.
 */
import type { Lane, LaneKind, TimelineEvent } from '../../timeline/event.ts';

export interface Slice {
  /** Group and lane. */
  readonly lane: string;
  readonly name: string;
  readonly at: number;
  readonly ns: number;
  readonly depth: number;
  readonly args: Readonly<Record<string, unknown>>;
}

export interface Sample {
  readonly lane: string;
  readonly at: number;
  readonly value: number;
}

export interface Drawing {
  /** Of spans; those of numbers show by their samples. */
  readonly lanes: readonly string[];
  readonly slices: readonly Slice[];
  /** Ids of the arrows that have both ends. */
  readonly arrows: readonly number[];
  readonly samples: readonly Sample[];
}

const laneName = ({ group, name }: Lane): string => `${group.name}/${name}`;

interface Open {
  readonly name: string;
  readonly at: number;
  readonly args: Readonly<Record<string, unknown>>;
}

/** Puts begins and ends together, lane by lane. Throws where they do not fit. */
export class Drawer {
  readonly lanes: string[] = [];
  readonly slices: Slice[] = [];
  readonly samples: Sample[] = [];
  readonly #open = new Map<string, Open[]>();
  readonly #out = new Set<number>();
  readonly #arrows: number[] = [];
  #at = 0;

  begin(lane: string, at: number, name: string, args: object = {}): void {
    this.#see(at);
    this.#stack(lane).push({ name, at, args: { ...args } });
  }

  end(lane: string, at: number, args: object = {}): void {
    this.#see(at);
    const stack = this.#stack(lane);
    const open = stack.pop();
    if (!open) throw new Error(`an end on ${lane} at ${at} without a begin`);
    this.slices.push({ lane, name: open.name, at: open.at, ns: at - open.at, depth: stack.length, args: { ...open.args, ...args } });
  }

  arrow(id: number, end: 'out' | 'in'): void {
    if (end === 'out') this.#out.add(id);
    else if (this.#out.has(id)) this.#arrows.push(id);
    else throw new Error(`arrow ${id} arrives before it leaves`);
  }

  sample(lane: string, at: number, value: number): void {
    this.#see(at);
    this.samples.push({ lane, at, value });
  }

  finish(): Drawing {
    const open = [...this.#open].filter(([, stack]) => stack.length > 0);
    if (open.length > 0) throw new Error(`spans that never end on ${open.map(([lane]) => lane).join(', ')}`);
    return { lanes: this.lanes, slices: this.slices, arrows: this.#arrows, samples: this.samples };
  }

  #stack(lane: string): Open[] {
    const stack = this.#open.get(lane) ?? [];
    this.#open.set(lane, stack);
    return stack;
  }

  #see(at: number): void {
    if (at < this.#at) throw new Error(`${at} ns comes after ${this.#at} ns`);
    this.#at = at;
  }
}

/** What the projection draws, without lanes of the kinds that a format leaves out. */
export function drawingOf(events: Iterable<TimelineEvent>, without: readonly LaneKind[] = []): Drawing {
  const drawer = new Drawer();
  for (const event of events) {
    if (event.kind === 'switch' || event.kind === 'wake' || without.includes(event.lane.kind)) continue;
    const lane = laneName(event.lane);
    if (event.kind === 'lane') {
      if (event.lane.kind !== 'counter') drawer.lanes.push(lane);
    } else if (event.kind === 'begin') drawer.begin(lane, event.at, event.name, event.args ?? {});
    else if (event.kind === 'end') drawer.end(lane, event.at, event.args ?? {});
    else if (event.kind === 'counter') drawer.sample(lane, event.at, event.value);
    else {
      drawer.begin(lane, event.at, event.name, event.args ?? {});
      drawer.end(lane, event.at);
      if (event.flow) drawer.arrow(event.flow.id, event.flow.end);
    }
  }
  return drawer.finish();
}

/** In an order that does not depend on when a slice was closed. */
export const sorted = (drawing: Drawing): Drawing => {
  const key = ({ lane, at, depth, ns, name }: Slice) => `${lane} ${String(at).padStart(16)} ${depth} ${String(ns).padStart(16)} ${name}`;
  const slices = drawing.slices.map((slice) => ({ slice, key: key(slice) })).sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0));
  return { ...drawing, lanes: [...drawing.lanes].sort(), slices: slices.map(({ slice }) => slice) };
};
