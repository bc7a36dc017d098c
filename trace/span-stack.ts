/** The spans of one lane of a recording, as its lines open and close them. */
import type { Board } from '../timeline/board.ts';
import type { Args, Lane } from '../timeline/event.ts';

type Span = readonly [name: string, category: 'cpu' | 'function' | 'guest'];

/** A lane with its open spans. */
export class SpanStack {
  readonly lane: Lane;
  readonly #board: Board;
  readonly #names: string[] = [];
  /** When the innermost span ends by itself: it is a leaf function, whose end no line tells. */
  #leafEnd: number | null = null;

  constructor(board: Board, lane: Lane) {
    this.#board = board;
    this.lane = lane;
  }

  get leafEnd(): number | null {
    return this.#leafEnd;
  }

  push([name, category]: Span, at: number, args: Args | null = null): void {
    this.endLeaf(at);
    this.#names.push(name);
    this.#board.events.push({ kind: 'begin', lane: this.lane, at, name, category, args });
  }

  /** Closes the innermost span of that name, with all inside it, if there is one. */
  pop(name: string | null, at: number, args: Args | null = null): void {
    this.endLeaf(at);
    const index = name === null ? this.#names.length - 1 : this.#names.lastIndexOf(name);
    if (index >= 0) this.cut(index, at, args);
  }

  cut(depth: number, at: number, args: Args | null = null): void {
    this.#leafEnd = null;
    while (this.#names.length > depth) {
      this.#names.pop();
      this.#board.events.push({ kind: 'end', lane: this.lane, at, args: this.#names.length === depth ? args : null });
    }
  }

  pushLeaf(span: Span, at: number, end: number, args: Args): void {
    this.push(span, at, args);
    this.#leafEnd = end;
  }

  endLeaf(at: number): void {
    if (this.#leafEnd !== null) this.cut(this.#names.length - 1, at);
  }
}
