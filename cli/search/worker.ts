/** A thread that searches one partition: answers each round with what came of it, and at the end with its report. */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import type { Dictionary } from '../../sim/explore/dictionary.ts';
import { Partition, type PartitionReport, type Round } from '../../sim/explore/partition.ts';
import type { PlainWorld } from '../../sim/restore.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';

export interface WorkerData {
  readonly scenario: ResolvedScenario;
  readonly from: PlainWorld | null;
  readonly me: number;
  /** Files of the user's own, and the folder that they are relative to. */
  readonly models: readonly string[];
  readonly cwd: string;
  /** By turn, sender and receiver: while the boxes of one turn are read, those of the other are written. */
  readonly boxes: readonly (readonly (readonly SharedArrayBuffer[])[])[];
}

/** What the coordinator says. */
export type Order =
  | { readonly order: 'expand'; readonly turn: number; readonly taken: readonly Dictionary[] | null; readonly descend: boolean }
  | { readonly order: 'report' };

/** What a worker answers. An error travels by name and message, as its class does not. */
export type Answer =
  | { readonly round: Round }
  | { readonly report: PartitionReport }
  | { readonly failed: { readonly name: string; readonly message: string } };

function serve({ scenario, from, me, boxes }: WorkerData, answer: (message: Answer) => void): (order: Order) => void {
  const views = boxes.map((turn) => turn.map((sender) => sender.map((box) => new Int32Array(box))));
  const partition = new Partition({ scenario, from, me, boxes: views[0]![me]! });
  return (order) => {
    if (order.order === 'report') return answer({ report: partition.report() });
    const { turn, taken, descend } = order;
    for (const [sender, dictionary] of (taken ?? []).entries())
      if (sender !== me) partition.take(sender, dictionary, views[1 - turn]![sender]![me]!);
    if (descend) partition.descend();
    answer({ round: partition.expand(views[turn]![me]!) });
  };
}

/** The user's own mechanisms are registered by thread. */
async function prepare(data: WorkerData, answer: (message: Answer) => void): Promise<(order: Order) => void> {
  if (data.models.length > 0) {
    const { loadModels } = await import('../models.ts');
    await loadModels(data.models, data.cwd);
  }
  return serve(data, answer);
}

if (!isMainThread && parentPort) {
  const port = parentPort;
  const answer = (message: Answer): void => port.postMessage(message);
  const ready = prepare(workerData as WorkerData, answer);
  port.on('message', (order: Order) => {
    ready
      .then((obey) => obey(order))
      .catch((error: unknown) => {
        const { name, message } = error instanceof Error ? error : { name: 'Error', message: String(error) };
        answer({ failed: { name, message } });
      });
  });
}
