/**
 * A thread that searches one partition: answers each round with what came of it, and at the end
 * with its report.
 */
import { isMainThread, parentPort, workerData } from 'node:worker_threads';
import { canonical } from '../../sim/canonical.ts';
import type { Dictionary } from '../../sim/explore/space/dictionary.ts';
import { Partition, type PartitionReport, type Round } from '../../sim/explore/together/partition.ts';
import { type ModuleName, modulesFor } from '../../sim/host/registry.ts';
import type { PlainWorld } from '../../sim/restore.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import type { ModelFile } from '../model-files.ts';

export interface WorkerData {
  readonly scenario: ResolvedScenario;
  readonly from: PlainWorld | null;
  readonly me: number;
  /**
   * By turn, sender and receiver: while the boxes of one turn are read, those of the other are
   * written.
   */
  readonly boxes: readonly (readonly (readonly SharedArrayBuffer[])[])[];
  /** Modules of the user's own: each thread loads them for itself. */
  readonly models: readonly ModelFile[];
  /** The modules as the main thread has loaded them. */
  readonly modules: readonly ModuleName[];
  readonly isTimed: boolean;
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

function serve({ scenario, from, me, boxes, isTimed }: WorkerData, answer: (message: Answer) => void): (order: Order) => void {
  const views = boxes.map((turn) => turn.map((sender) => sender.map((box) => new Int32Array(box))));
  const partition = new Partition({ scenario, from, me, boxes: views[0]![me]!, isTimed });
  return (order) => {
    if (order.order === 'report') return answer({ report: partition.report() });
    const { turn, taken, descend } = order;
    for (const [sender, dictionary] of (taken ?? []).entries())
      if (sender !== me) partition.take(sender, dictionary, views[1 - turn]![sender]![me]!);
    if (descend) partition.descend();
    answer({ round: partition.expand(views[turn]![me]!) });
  };
}

/**
 * @throws Error if a file has changed since: threads with different models would find what is in
 * neither
 */
async function sameModels({ scenario, models, modules }: WorkerData): Promise<void> {
  if (models.length === 0) return;
  const { loadModels } = await import('../models.ts');
  await loadModels(models);
  if (canonical(modulesFor(scenario)) !== canonical(modules)) throw new Error('a module has changed while the search began');
}

if (!isMainThread && parentPort) {
  const port = parentPort;
  const guarded = async (work: () => void | Promise<void>): Promise<void> => {
    try {
      await work();
    } catch (error) {
      const { name, message } = error instanceof Error ? error : { name: 'Error', message: String(error) };
      port.postMessage({ failed: { name, message } } satisfies Answer);
    }
  };
  await guarded(async () => {
    const data = workerData as WorkerData;
    await sameModels(data);
    const obey = serve(data, (message) => port.postMessage(message));
    port.on('message', (order: Order) => guarded(() => obey(order)));
  });
}
