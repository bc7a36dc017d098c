/**
 * The tiny journal that docs/journal-format.md takes apart byte by byte: two CPUs, one interrupt.
 */
import { type AnyMachineSnapshot, createMachine } from 'xstate';
import type { RunEnd, RunStart } from '../../events/journal.ts';
import { JournalWriter, type Sealed } from '../../replay/writer.ts';
import { channelLaneA, channelLaneB, digestOf, type Lanes, queueLaneA, queueLaneB, slotLaneA, slotLaneB } from '../../sim/canonical.ts';
import { CHANGE, CHOICE, DELIVER, RecordBlock, SEND } from '../../sim/records.ts';
import { Store } from '../../sim/store.ts';

const TINY_START: RunStart = {
  scenario: { name: 'tiny' },
  modelId: '00112233445566778899aabbccddeeff'.repeat(2),
  modelVersion: 1,
  chooser: 'fifo',
  seed: 7,
  schedule: '0.0',
  actors: [
    { id: 'pcpu:0', kind: 'pcpu' },
    { id: 'pcpu:1', kind: 'pcpu' },
  ],
  modules: [],
};
const TINY_END: RunEnd = { verdict: 'clean', violation: null, ended: 'done', outcomes: {} };

export const IDLE = '{"context":{"ipis":0},"value":"idle"}';
export const SENT = '{"context":{"ipis":0},"value":"sent"}';
export const WOKEN = '{"context":{"ipis":1},"value":"idle"}';
export const IPI = '{"from":"pcpu:0","type":"sched.ipi","vector":253}';
const LABELS = ['exec(pcpu:0)', 'deliver(sched.ipi pcpu:0->pcpu:1)'];

/** The world's digest, written down as the document does. */
export function worldOf(locals: readonly string[], flight: readonly string[]): Lanes {
  let [a, b] = [0, 0];
  for (const [slot, text] of locals.entries()) {
    const local = digestOf(text);
    a = (a + slotLaneA(local.a, slot)) | 0;
    b = (b + slotLaneB(local.b, slot)) | 0;
  }
  let [queueA, queueB] = [0, 0];
  for (const text of flight) {
    const event = digestOf(text);
    queueA = queueLaneA(queueA, event.a);
    queueB = queueLaneB(queueB, event.b);
  }
  if (flight.length > 0) {
    a = (a + channelLaneA(queueA, 0, 1)) | 0;
    b = (b + channelLaneB(queueB, 0, 1)) | 0;
  }
  return { a, b };
}

export function tinyJournal(): Sealed & { readonly content: Uint8Array } {
  const store = new Store({
    actors: TINY_START.actors.map((actor) => ({ ...actor, input: null })),
    machines: { pcpu: createMachine({}) },
    catalogue: { 'sched.ipi': 'queued' },
  });
  const [idle, sent, woken] = [IDLE, SENT, WOKEN].map((text) => store.local(store.kinds[0]!, JSON.parse(text) as AnyMachineSnapshot));
  const ipi = store.event(JSON.parse(IPI) as { type: string });
  const block = new RecordBlock();
  const end = (records: number, ns: number, { a, b }: Lanes, count: number) => block.endStep(records, ns, a, b, 0, count);
  block.add(CHANGE, 0, idle!, -1, 0);
  block.add(CHANGE, 1, idle!, -1, 0);
  end(2, 0, worldOf([IDLE, IDLE], []), 0);
  block.add(CHOICE, 0, 0, -1, 0);
  block.add(CHANGE, 0, sent!, -1, 1);
  block.add(SEND, 0, ipi, 1, 2);
  end(3, 150, worldOf([SENT, IDLE], [IPI]), 2);
  block.add(CHOICE, 1, 1, -1, 0);
  block.add(DELIVER, 1, ipi, -1, 2);
  block.add(CHANGE, 1, woken!, -1, 1);
  end(3, 400, worldOf([SENT, WOKEN], []), 1);
  // So small a distance puts a checkpoint into so small a file.
  const writer = JournalWriter.open(null, TINY_START, { mode: 'memory', checkpointEvery: 8 });
  writer.block(block, { store, labels: LABELS });
  const sealed = writer.seal(TINY_END);
  return { ...sealed, content: sealed.content! };
}
