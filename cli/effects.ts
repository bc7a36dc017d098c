/**
 * What passed between actors in a step, in words: requests with their answers, without what every
 * step does.
 */
import type { JournalRecord, Json, JsonObject } from '../events/journal.ts';
import { ACCESSES } from '../events/kit.ts';
import { mechanisms } from '../sim/host/registry.ts';
import { TEXTS } from '../timeline/mechanisms/shipped.ts';

/**
 * Messages that carry a step itself, or a question whose answer is shown only when it is out of the
 * ordinary.
 */
const QUIET: Readonly<Record<string, (payload: JsonObject) => boolean>> = Object.fromEntries([
  ...[
    ['step', 'notify.step', 'guest.step', 'guest.ran', 'cpu.context', 'cpu.needResched?'],
    ['sched.done', 'sched.out', 'sched.swapOut', 'sched.swapIn', 'sched.swappedOut'],
    ['rq.waiting', 'rq.take', 'rq.put', 'loop.next', 'loop.turn', 'mutex.lock', 'mutex.unlock'],
    ['vcpu.load', 'vcpu.put', 'vcpu.setMode', 'vcpu.requests?', 'vcpu.mode?', 'vcpu.mpState?'],
    ['csd.queue', 'monitor.next', 'stores.fence'],
  ]
    .flat()
    .map((type) => [type, () => true] as const),
  ['cpu.needResched', ({ pending }: JsonObject) => pending === false],
  ['mutex.locked', ({ acquired }: JsonObject) => acquired === true],
  ['vcpu.mpState', ({ halted }: JsonObject) => halted === false],
  ['vcpu.requests', ({ pending }: JsonObject) => Array.isArray(pending) && pending.length === 0],
]);

const isQuiet = ({ type, payload }: JournalRecord): boolean =>
  Object.hasOwn(QUIET, type) ? QUIET[type]!(payload) : mechanisms().some(({ quiet = [] }) => quiet.includes(type));

const textOf = (name: string, value: Json): string | null => (Object.hasOwn(TEXTS, name) ? TEXTS[name]!(value) : null);

function valueText(name: string, value: Json): string {
  const text = textOf(name, value);
  if (text !== null) return text;
  if (typeof value === 'number' && name === 'pfn') return `0x${value.toString(16)}`;
  return typeof value === 'string' ? value : JSON.stringify(value);
}

/** What a field of memory holds or an answer gives: told as it is, `false` and `null` as well. */
const HELD: readonly string[] = ['value', 'expected'];

/**
 * Fields of a message that are set, and zeros that have a text; the only field of a message is told
 * in any case.
 */
function fieldsText(fields: JsonObject, nested = false): string {
  const isAlone = Object.keys(fields).length === 1;
  const words = Object.entries(fields).flatMap(([name, value]) => {
    if (HELD.includes(name) && (isAlone || 'field' in fields)) return [`${name}=${valueText(name, value)}`];
    if (value === null || (nested && value === 0 && textOf(name, value) === null)) return [];
    if (value === true) return [name];
    if (value === false) return isAlone ? [`no ${name}`] : [];
    if (Array.isArray(value)) return value.length === 0 ? [] : [`${name}=${value.map((item) => valueText(name, item as Json)).join('+')}`];
    if (typeof value === 'object') return [`${name}(${fieldsText(value as JsonObject, true)})`];
    return [`${name}=${valueText(name, value)}`];
  });
  return words.join(' ');
}

/** A message in words. */
export const messageText = (type: string, payload: JsonObject): string => {
  const fields = fieldsText(payload);
  return fields === '' ? type : `${type} ${fields}`;
};

/** What a store buffer does with an access is told of the access. */
function accessText({ type, payload }: JournalRecord): string {
  const { by: _, event, ...fields } = payload;
  if (!type.startsWith('stores.') || typeof event !== 'object' || event === null)
    return messageText(type, { ...fields, ...(event !== undefined && { event }) });
  const { type: access, ...rest } = event as JsonObject;
  return `${type} ${messageText(String(access), rest)}`;
}

/** How a store buffer has passed a message on; undefined for any other. */
const passedOn = ({ type, payload }: JournalRecord): string | undefined =>
  Object.hasOwn(payload, 'by') ? (ACCESSES as Readonly<Record<string, string>>)[type] : undefined;

/** What a step did to other actors, one text for each request with its answers. */
export function effectsOf(records: readonly JournalRecord[]): string[] {
  const texts: string[] = [];
  /** seq of a told record to the text it is part of. */
  const told = new Map<number, number>();
  for (const record of records) {
    if ((record.kind !== 'deliver' && record.kind !== 'send') || isQuiet(record)) continue;
    const relayed = passedOn(record);
    const asked = relayed === 'store' ? undefined : told.get(record.cause);
    if (relayed !== undefined && asked !== undefined) {
      told.set(record.seq, asked);
      continue;
    }
    const words = accessText(record);
    const text = record.kind === 'send' ? `sends ${words} to ${record.peer ?? '?'}` : words;
    if (asked === undefined) told.set(record.seq, texts.push(text) - 1);
    else {
      // An answer is told by its content alone, as the request names the subject.
      const isAnswer = record.kind === 'deliver';
      texts[asked] += ` -> ${(isAnswer && fieldsText(record.payload)) || text}`;
      told.set(record.seq, asked);
    }
  }
  return texts;
}
