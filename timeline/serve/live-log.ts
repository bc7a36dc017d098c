/**
 * The records of a run that goes on, as far back as a window reaches: columns of integers, made
 * records again when a client asks.
 */
import type { JournalRecord } from '../../events/journal.ts';
import { hexOf } from '../../sim/canonical.ts';
import { BLOCK_RECORDS, RecordBlock, type RecordNames, recordsOf } from '../../sim/records.ts';

/** Chunks whose records are kept as objects, because several readers walk there. */
const DECODED_KEPT = 4;

interface Chunk {
  readonly block: RecordBlock;
  /** vtime at which the chunk starts. */
  readonly vtime: number;
}

const lastSeq = ({ block }: Chunk): number => block.firstSeq + block.length - 1;

/** What a block that is full takes, and no more. */
function trimmed(full: RecordBlock): RecordBlock {
  const { firstSeq, firstStep, length, steps } = full;
  return Object.assign(new RecordBlock(), {
    firstSeq,
    firstStep,
    length,
    steps,
    kind: full.kind.slice(0, length),
    slot: full.slot.slice(0, length),
    id: full.id.slice(0, length),
    peer: full.peer.slice(0, length),
    back: full.back.slice(0, length),
    stepLength: full.stepLength.slice(0, steps),
    stepNs: full.stepNs.slice(0, steps),
    laneA: full.laneA.slice(0, steps),
    laneB: full.laneB.slice(0, steps),
    choiceIndex: full.choiceIndex.slice(0, steps),
    choiceCount: full.choiceCount.slice(0, steps),
  });
}

function addSteps(to: RecordBlock, from: RecordBlock): void {
  let at = 0;
  for (let step = 0; step < from.steps; step++) {
    for (const end = at + from.stepLength[step]!; at < end; at++) {
      to.add(from.kind[at]!, from.slot[at]!, from.id[at]!, from.peer[at]!, from.back[at]!);
    }
    const { stepLength, stepNs, laneA, laneB, choiceIndex, choiceCount } = from;
    to.endStep(stepLength[step]!, stepNs[step]!, laneA[step]!, laneB[step]!, choiceIndex[step]!, choiceCount[step]!);
  }
}

export class LiveLog {
  readonly #windowRecords: number;
  #names: RecordNames | null = null;
  readonly #full: Chunk[] = [];
  readonly #decoded = new Map<Chunk, readonly JournalRecord[]>();
  /** The chunk that grows, as columns and as objects. */
  readonly #open = new RecordBlock();
  #openRecords: JournalRecord[] = [];
  #openVtime = 0;
  #vtime = 0;
  #steps = 0;
  #digest: string | null = null;

  constructor(windowRecords: number) {
    this.#windowRecords = windowRecords;
  }

  /** seq of the last record; 0 before the first. */
  get head(): number {
    return this.#open.firstSeq - 1 + this.#openRecords.length;
  }
  /** seq of the oldest record that is still here. */
  get tail(): number {
    return this.#full[0]?.block.firstSeq ?? this.#open.firstSeq;
  }
  get steps(): number {
    return this.#steps;
  }
  get digest(): string | null {
    return this.#digest;
  }

  /**
   * Takes the steps of a block, which must follow the last one, and gives them as records. The
   * block may be reused afterwards.
   */
  append(block: RecordBlock, names: RecordNames): readonly JournalRecord[] {
    if (block.firstSeq !== this.head + 1) throw new RangeError(`record ${block.firstSeq} does not follow record ${this.head}`);
    if (block.steps === 0) return [];
    this.#names = names;
    const records = recordsOf(block, names, this.#vtime);
    addSteps(this.#open, block);
    for (const record of records) this.#openRecords.push(record);
    const last = block.steps - 1;
    for (let step = 0; step <= last; step++) this.#vtime += block.stepNs[step]!;
    this.#steps = block.firstStep + last;
    this.#digest = hexOf(block.laneA[last]!, block.laneB[last]!);
    if (this.#openRecords.length >= BLOCK_RECORDS) this.#close();
    return records;
  }

  /** Records from `seq` on, some or all of what is here; none if `seq` is not. */
  recordsFrom(seq: number, recordsMax: number): readonly JournalRecord[] {
    const chunk = this.#chunkOf(seq);
    const at = seq - (chunk[0]?.seq ?? seq);
    return chunk.slice(at, at + recordsMax);
  }

  /**
   * seq of the first record of a step, at or after `seq`; the head's successor if no step starts
   * there.
   */
  stepStartAt(seq: number): number {
    const chunk = this.#chunkOf(seq);
    const first = chunk[0]?.seq ?? seq;
    let at = seq - first;
    while (at > 0 && at < chunk.length && chunk[at]!.step === chunk[at - 1]!.step) at++;
    return first + at;
  }

  #chunkOf(seq: number): readonly JournalRecord[] {
    if (seq < this.tail || seq > this.head) return [];
    if (seq >= this.#open.firstSeq) return this.#openRecords;
    let low = 0;
    let high = this.#full.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >>> 1;
      if (this.#full[middle]!.block.firstSeq <= seq) low = middle;
      else high = middle - 1;
    }
    return this.#decode(this.#full[low]!);
  }

  #decode(chunk: Chunk): readonly JournalRecord[] {
    const known = this.#decoded.get(chunk);
    if (known) return known;
    if (this.#decoded.size >= DECODED_KEPT) this.#decoded.delete(this.#decoded.keys().next().value!);
    const records = recordsOf(chunk.block, this.#names!, chunk.vtime);
    this.#decoded.set(chunk, records);
    return records;
  }

  #close(): void {
    this.#full.push({ block: trimmed(this.#open), vtime: this.#openVtime });
    this.#open.reset(this.head + 1, this.#steps + 1);
    this.#openRecords = [];
    this.#openVtime = this.#vtime;
    for (let oldest = this.#full[0]; oldest && this.head - lastSeq(oldest) >= this.#windowRecords; oldest = this.#full[0]) {
      this.#decoded.delete(oldest);
      this.#full.shift();
    }
  }
}
