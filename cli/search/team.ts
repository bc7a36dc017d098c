/**
 * `--workers`: threads that share one space, level by level. The coordinator passes dictionaries
 * on, counts, and says when to stop.
 */
import { Worker } from 'node:worker_threads';
import type { Progress, SearchFacts } from '../../sim/explore/request.ts';
import { combined, type PartitionReport, type Round } from '../../sim/explore/together/partition.ts';
import { modulesFor } from '../../sim/host/registry.ts';
import { modelFiles } from '../model-files.ts';
import type { SearchSubject } from './image-file.ts';
import type { Answer, Order, WorkerData } from './worker.ts';

export interface TeamBudget {
  readonly states: number;
  readonly fits?: (bytes: number) => boolean;
  readonly isTimed?: boolean;
}

/** A box holds this many integers. What is never written takes no memory. */
const BOX_INTEGERS = 1 << 20;

const WORKER = new URL(import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js', import.meta.url);

/** One worker thread, and the answer that it has yet to give. */
class Hand {
  readonly #worker: Worker;
  #settle: { readonly resolve: (answer: Answer) => void; readonly reject: (error: unknown) => void } | null = null;

  constructor(data: WorkerData) {
    this.#worker = new Worker(WORKER, { workerData: data });
    this.#worker.on('message', (answer: Answer) => {
      if ('failed' in answer) this.#settle?.reject(Object.assign(new Error(answer.failed.message), { name: answer.failed.name }));
      else this.#settle?.resolve(answer);
    });
    this.#worker.on('error', (error) => this.#settle?.reject(error));
    this.#worker.on('exit', (code) => this.#settle?.reject(new Error(`a worker ended with code ${code} before its work was done`)));
  }

  ask(order: Order): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
      this.#worker.postMessage(order);
    });
  }

  end(): Promise<number> {
    this.#settle = null;
    return this.#worker.terminate();
  }
}

const boxesOf = (peers: number): SharedArrayBuffer[][][] =>
  [0, 1].map(() =>
    Array.from({ length: peers }, (_, sender) =>
      Array.from({ length: peers }, (_, receiver) => new SharedArrayBuffer(sender === receiver ? 4 : 4 * BOX_INTEGERS)),
    ),
  );

const progressOf = (rounds: readonly Round[]): Progress => {
  const sum = (of: (round: Round) => number) => rounds.reduce((total, round) => total + of(round), 0);
  return {
    states: sum(({ states }) => states),
    frontier: sum(({ frontier }) => frontier),
    transitions: sum(({ transitions }) => transitions),
    bytes: sum(({ bytes }) => bytes),
    depth: rounds[0]!.depth,
  };
};

/** Why the search ends now; `over`: it is complete. */
function whyEnd(rounds: readonly Round[], budget: TeamBudget, isStopped: boolean): SearchFacts['limit'] | 'over' {
  const { states } = progressOf(rounds);
  const growth = rounds.reduce((total, round) => total + round.growth, 0);
  if (rounds.every(({ done, found }) => done && !found)) return 'over';
  if (states >= budget.states) return 'states';
  if (budget.fits?.(growth) === false) return 'bytes';
  return isStopped ? 'stopped' : null;
}

/**
 * Searches all schedules with several threads. `onRound` sees how far they are and answers whether
 * to stop.
 * @throws what the search in a thread throws, by name and message
 */
export async function searchTogether(
  { scenario, from }: SearchSubject,
  peers: number,
  budget: TeamBudget,
  onRound: (progress: Progress) => boolean,
): Promise<SearchFacts> {
  const boxes = boxesOf(peers);
  const hands = Array.from(
    { length: peers },
    (_, me) =>
      new Hand({ scenario, from, me, boxes, models: modelFiles(), modules: modulesFor(scenario), isTimed: budget.isTimed === true }),
  );
  const ask = (order: Order) => Promise.all(hands.map((hand) => hand.ask(order)));
  try {
    let rounds: readonly Round[] | null = null;
    for (let turn = 0; ; turn = 1 - turn) {
      const taken = rounds?.map(({ dictionary }) => dictionary) ?? null;
      const descend = rounds?.every(({ done }) => done) ?? false;
      const answers = await ask({ order: 'expand', turn, taken, descend });
      rounds = answers.map((answer) => (answer as { readonly round: Round }).round);
      const why = whyEnd(rounds, budget, onRound(progressOf(rounds)));
      if (why === null) continue;
      const reports = (await ask({ order: 'report' })).map((answer) => (answer as { readonly report: PartitionReport }).report);
      return combined(scenario, reports, why === 'over' ? null : why);
    }
  } finally {
    await Promise.all(hands.map((hand) => hand.end()));
  }
}
