/**
 * Whole steps as they act on the two parts of a row. What a step does to the scheduler's part is
 * kept once, as an effect that can be applied to every configuration in which the step is the same.
 */
import { SENDS, type StepTrie } from '../../rows/step-trie.ts';
import { type Parts, PROGRAM, TASK } from './parts.ts';

/** Changes of a configuration: `[place, value]` that is set, and `[place, message]` that joins. */
export interface Effect {
  readonly id: number;
  readonly sets: readonly number[];
  readonly sends: readonly number[];
}

/** A leaf of the memory of steps, in parts. */
export interface ClassStep {
  readonly flags: number;
  readonly effect: Effect;
  /** `[place, value]` that is set in the program part, and `[place, message]` that joins. */
  readonly sets: readonly number[];
  readonly sends: readonly number[];
  /** The same as text. */
  readonly own: string;
  /** Columns that it read, in reading order. */
  readonly reads: readonly number[];
  /** It read nothing but the scheduler's part and tasks. */
  readonly isApart: boolean;
  /** A run takes it: it was not only looked at. */
  isTaken: boolean;
}

export class ClassSteps {
  readonly trie: StepTrie;
  readonly effects: Effect[] = [];
  readonly #parts: Parts;
  readonly #effectIds = new Map<string, number>();
  readonly #steps: ClassStep[] = [];
  /** Places in `#steps` by leaf, plus one; 0 for none. */
  #placeOf = new Int32Array(1 << 16);
  #clears: number;

  constructor(parts: Parts, trie: StepTrie) {
    this.#parts = parts;
    this.trie = trie;
    this.#clears = trie.clears;
  }

  /** Provides room for all that was met. @returns whether the memory of steps was dropped */
  fit(): boolean {
    const why = this.trie.mustClear;
    if (why !== null) this.trie.clear(why);
    this.trie.fillLanes();
    this.#parts.fit();
    if (this.#clears === this.trie.clears) return false;
    this.#clears = this.trie.clears;
    this.#steps.length = 0;
    this.#placeOf = new Int32Array(this.trie.prog.length);
    return true;
  }

  /** Computes a step that is not known. */
  learn(row: ArrayLike<number>, column: number, alternative: number): void {
    this.fit();
    if (this.trie.root[this.trie.base[column]! + row[column]!] === 0) this.trie.expand(column, row[column]!);
    this.trie.learn(row, column, alternative);
    this.fit();
  }

  /** The step of a row, learned if need be. */
  of(row: ArrayLike<number>, column: number, alternative: number): ClassStep {
    for (;;) {
      const leaf = this.#leafOf(row, column, alternative);
      if (leaf > 0) return this.known(leaf) ?? this.at(leaf, row, column, alternative);
      this.learn(row, column, alternative);
    }
  }

  /**
   * @returns 0 where the step is not known, or a value has come up that the tree has no room for
   */
  #leafOf(row: ArrayLike<number>, column: number, alternative: number): number {
    const { trie } = this;
    const { room } = trie;
    if (column >= room.length || row[column]! >= room[column]!) this.fit();
    let node = trie.prog[this.root(column, row[column]!) + 1 + alternative]!;
    for (const { prog } = trie; node > 0; ) {
      const read = prog[node]!;
      if (read < 0) return node;
      const value = row[read] ?? 0;
      if (read >= room.length || value >= room[read]!) return 0;
      node = prog[node + 1 + value]!;
    }
    return 0;
  }

  /** Where the alternatives of a value stand in the tree. */
  root(column: number, value: number): number {
    return this.trie.root[this.trie.base[column]! + value] || this.trie.expand(column, value);
  }

  /** The step of a leaf, which is that of a row. */
  at(leaf: number, row: ArrayLike<number>, column: number, alternative: number): ClassStep {
    const known = this.known(leaf);
    if (known) return known;
    const step = this.#translated(leaf, this.#readsTo(leaf, row, column, alternative));
    if (this.#placeOf.length < this.trie.prog.length) {
      const grown = new Int32Array(this.trie.prog.length);
      grown.set(this.#placeOf);
      this.#placeOf = grown;
    }
    this.#placeOf[leaf] = this.#steps.push(step);
    return step;
  }

  /** The step of a leaf, if it was met. */
  known(leaf: number): ClassStep | undefined {
    const place = leaf < this.#placeOf.length ? this.#placeOf[leaf]! : 0;
    return place === 0 ? undefined : this.#steps[place - 1];
  }

  #readsTo(leaf: number, row: ArrayLike<number>, column: number, alternative: number): number[] {
    const { prog } = this.trie;
    const reads = [column];
    let node = prog[this.root(column, row[column]!) + 1 + alternative]!;
    while (node !== leaf) {
      if (node <= 0 || prog[node]! < 0) throw new Error('a step is not that of the row');
      reads.push(prog[node]!);
      node = prog[node + 1 + row[prog[node]!]!]!;
    }
    return reads;
  }

  #translated(leaf: number, reads: readonly number[]): ClassStep {
    const { prog } = this.trie;
    const { roles, inProgram, inConfiguration } = this.#parts;
    const own = { sets: [] as number[], sends: [] as number[] };
    const its = { sets: [] as number[], sends: [] as number[] };
    let at = leaf + 5;
    const writes = at - 2 * (1 + prog[leaf]!);
    for (; at < writes; at += 2) {
      const column = prog[at]!;
      const value = prog[at + 1]!;
      const role = roles[column]!;
      if (role === TASK) {
        own.sets.push(inProgram[column]!, this.#parts.programOf(column, value));
        its.sets.push(inConfiguration[column]!, this.#parts.viewOf(column, value));
      } else if (role === PROGRAM) own.sets.push(inProgram[column]!, value);
      else its.sets.push(inConfiguration[column]!, value);
    }
    const flags = prog[leaf + 3]!;
    if ((flags & SENDS) !== 0) {
      for (let left = prog[at++]!; left > 0; left--, at += 2) {
        const channel = prog[at]!;
        if (roles[channel] === PROGRAM) own.sends.push(inProgram[channel]!, prog[at + 1]!);
        else its.sends.push(inConfiguration[channel]!, prog[at + 1]!);
      }
    }
    const isApart = reads.every((column) => roles[column] !== PROGRAM);
    const text = `${own.sets.join()};${own.sends.join()}`;
    return {
      flags,
      effect: this.#effect(its.sets, its.sends),
      ...own,
      own: text,
      reads,
      isApart,
      isTaken: false,
    };
  }

  #effect(sets: readonly number[], sends: readonly number[]): Effect {
    const key = `${sets.join()};${sends.join()}`;
    const known = this.#effectIds.get(key);
    if (known !== undefined) return this.effects[known]!;
    const id = this.effects.length;
    this.#effectIds.set(key, id);
    this.effects.push({ id, sets, sends });
    return this.effects[id]!;
  }

  /** What a part becomes by what is set in it and joins its queues. */
  applied(part: readonly number[], { sets, sends }: { readonly sets: readonly number[]; readonly sends: readonly number[] }): number[] {
    const next = [...part];
    for (let i = 0; i < sets.length; i += 2) this.#put(next, sets[i]!, sets[i + 1]!);
    for (let i = 0; i < sends.length; i += 2) this.#put(next, sends[i]!, this.trie.joined(next[sends[i]!] ?? 0, sends[i + 1]!));
    return next;
  }

  /** Columns of queues that have appeared since stand at the end of a part. */
  #put(part: number[], place: number, value: number): void {
    while (part.length < place) part.push(0);
    part[place] = value;
  }
}
