/**
 * Exported timelines as Perfetto's own trace processor sees them: what it counts by SQL is what the
 * journal says.
 */
import { describe, expect, it } from 'vitest';
import type { Journal } from '../../replay/reader.ts';
import { EXPORTERS, type Exporter } from '../../timeline/encode/index.ts';
import type { TimelineEvent } from '../../timeline/event.ts';
import { project } from '../../timeline/project.ts';
import { recordingOf } from '../../timeline/recording.ts';
import { engineOf, journalOf, shipped } from '../sim/play.ts';
import { factsOf } from '../timeline/facts.ts';
import { open } from '../timeline/handmade.ts';
import { HOSTILE, hostileJournal } from '../timeline/hostile.ts';
import { drawingOf, type Slice } from '../timeline/slices.ts';
import { obtainTraceProcessor, type Row, TraceProcessor } from './trace-processor.ts';

const exporter = (name: string): Exporter => EXPORTERS.find((one) => one.name === name)!;
const perfetto = exporter('perfetto');
const chrome = exporter('chrome');

const obtained = obtainTraceProcessor();
if ('missing' in obtained) console.warn(`SKIPPED: no check by Perfetto's trace processor: ${obtained.missing}`);

interface Case {
  readonly name: string;
  readonly run: () => Journal;
}

const random = (name: string, seed: number, variant?: string, set?: Readonly<Record<string, string>>): Journal => {
  const scenario = shipped(name, variant, set);
  return open(journalOf(scenario, { name: 'random-uniform', seed }, engineOf(scenario, 'memo')).bytes);
};

/** The first seed whose run breaks a property. */
function violation(name: string, variant: string): Journal {
  for (let seed = 1; seed < 200; seed++) {
    const journal = random(name, seed, variant);
    if (journal.end?.violation) return journal;
  }
  throw new Error(`no run of ${name} breaks a property under ${variant}`);
}

const CASES: readonly Case[] = [
  { name: 'a run with sleeps, interrupts and firmware commands', run: () => random('rmp-churn', 7, undefined, { rounds: '40' }) },
  { name: 'a run that breaks a property', run: () => violation('rmp-host-write-race', 'panic-sigbus') },
  { name: 'a run that kicks a vCPU', run: () => random('vmsa-in-use-kick', 5, 'kick-and-block') },
];

const SLICES = `
  select coalesce(process.name, parent.name) || '/' || coalesce(thread.name, track.name) as lane, slice.name as name, slice.ts as at,
    slice.dur as ns, slice.depth as depth, extract_arg(slice.arg_set_id, 'ARGSstep') as step, extract_arg(slice.arg_set_id, 'ARGSpfn') as pfn
  from slice join track on track.id = slice.track_id left join track parent on parent.id = track.parent_id
    left join thread_track on thread_track.id = track.id left join thread using (utid)
    left join process_track on process_track.id = track.id
    left join process on process.upid = coalesce(thread.upid, process_track.upid)
  order by slice.ts, slice.id`;

const slicesOf = (processor: TraceProcessor, args: string): Row[] => processor.query(SLICES.replaceAll('ARGS', args));

const count = (processor: TraceProcessor, sql: string): number => Number(processor.query(`select count(*) as n from ${sql}`)[0]!.n);

const problems = (processor: TraceProcessor): Row[] =>
  processor.query("select name, idx, severity, value from stats where severity != 'info' and value > 0");

const textOf = (row: object): string => JSON.stringify(row);
const rowOf = ({ lane, name, at, ns, depth, args }: Slice) => ({
  lane,
  name,
  at,
  ns,
  depth,
  step: args.step ?? null,
  pfn: args.pfn ?? null,
});

const eventsOf = (journal: Journal): TimelineEvent[] => [...project(recordingOf(journal))];

async function load(exporter: Exporter, journal: Journal): Promise<TraceProcessor> {
  if ('missing' in obtained) throw new Error(obtained.missing);
  return TraceProcessor.load(obtained.files, Buffer.concat([...exporter.encode(journal)]));
}

/** What both formats must show, counted from the records. */
function expectCounts(processor: TraceProcessor, journal: Journal, slices: readonly Row[], prefix: string): void {
  const facts = factsOf(journal);
  expect(problems(processor)).toEqual([]);
  expect(count(processor, 'flow')).toBe(facts.arrows);
  const steps = slices.filter(({ lane }) => lane === 'run/steps');
  expect(steps).toHaveLength(journal.steps + 2);
  const microSteps = slices.filter(({ step, lane, name }) => step !== null && lane !== 'run/steps' && !/^\w+\(/.test(String(name)));
  const lanes = new Map(eventsOf(journal).flatMap((e) => (e.kind === 'lane' ? [[e.lane.actor, e.lane] as const] : [])));
  for (const { id, kind } of journal.start.actors) {
    if (kind !== 'hostThread' && kind !== 'vcpu' && kind !== 'psp') continue;
    const [group, name] = [...lanes].filter(([actor]) => actor === id).map(([, lane]) => [lane.group.name, lane.name])[0]!;
    const label = kind === 'hostThread' ? `${group}/${id.slice('thread:'.length)}` : `${group}/${name}`;
    expect(microSteps.filter(({ lane }) => lane === label)).toHaveLength(facts.microSteps.get(id) ?? 0);
  }
  for (const [index, changes] of facts.queueChanges.entries()) {
    const track = `counter join counter_track on counter_track.id = counter.track_id where name = 'runnable on pCPU ${index}${prefix}'`;
    expect(count(processor, track)).toBe(changes);
  }
  const flying = `counter join counter_track on counter_track.id = counter.track_id where name = 'messages in flight${prefix}'`;
  expect(count(processor, flying)).toBe(facts.sends + facts.arrows);
  const ends = processor.query('select max(ts + dur) as at from slice')[0]!.at;
  expect(ends).toBe(facts.end);
}

describe.skipIf('missing' in obtained).each([perfetto, chrome])('the trace processor on hostile names in a $name file', (exporter) => {
  it('reads them as they are', async () => {
    // Perfetto's names are C strings: they end at a NUL.
    const journal = hostileJournal(HOSTILE.map((text) => text.replaceAll('\0', '')));
    const processor = await load(exporter, journal);
    const seen = slicesOf(processor, 'none.').map(({ lane, name }) => textOf({ lane, name }));
    const expected = drawingOf(eventsOf(journal), exporter === perfetto ? ['task-state'] : []).slices;
    expect(problems(processor)).toEqual([]);
    expect(seen.sort()).toEqual(expected.map(({ lane, name }) => textOf({ lane, name })).sort());
  });
});

describe.skipIf('missing' in obtained).each(CASES)('the trace processor on $name', ({ run }) => {
  const journal = run();

  it('reads every span, arrow and number of the Perfetto file', async () => {
    const processor = await load(perfetto, journal);
    const slices = slicesOf(processor, 'debug.');
    const expected = drawingOf(eventsOf(journal), ['task-state']).slices.map(rowOf);
    expect(slices.map(textOf).sort()).toEqual(expected.map(textOf).sort());
    expectCounts(processor, journal, slices, '');
  });

  it('fills its own CPU tracks and thread states from the Perfetto file', async () => {
    const processor = await load(perfetto, journal);
    const facts = factsOf(journal);
    for (const [cpu, switches] of facts.switches.entries()) {
      expect(count(processor, `sched where cpu = ${cpu}`)).toBe(switches);
    }
    const states = drawingOf(eventsOf(journal)).slices.filter(({ lane }) => lane.endsWith(' state'));
    const expected = states.map(({ lane, name, at, ns }) => {
      const [phase, cpu] = name.split(' on CPU ');
      return { name: lane.slice(lane.indexOf('/') + 1, -' state'.length), phase, cpu, at, ns };
    });
    const rows = (sql: string) => processor.query(sql).map(textOf).sort();
    const before = `dur >= 0 and ts + dur < ${facts.end}`;
    const ended = expected.filter(({ at, ns }) => at + ns < facts.end);
    const running = ended.filter(({ phase }) => phase === 'running');
    expect(
      rows(`select thread.name as name, cpu, ts as at, dur as ns from sched join thread using (utid) where tid != 0 and ${before}`),
    ).toEqual(running.map(({ name, cpu, at, ns }) => textOf({ name, cpu: Number(cpu), at, ns })).sort());
    for (const [state, phase] of [
      ['Running', 'running'],
      ['S', 'sleeping'],
    ] as const) {
      expect(
        rows(
          `select thread.name as name, ts as at, dur as ns from thread_state join thread using (utid) where state = '${state}' and ${before}`,
        ),
      ).toEqual(
        ended
          .filter((task) => task.phase === phase)
          .map(({ name, at, ns }) => textOf({ name, at, ns }))
          .sort(),
      );
    }
    expect(count(processor, "thread_state where state not in ('R', 'R+', 'S', 'X', 'Running')")).toBe(0);
  });

  it('reads every span, arrow and number of the Chrome file', async () => {
    const processor = await load(chrome, journal);
    const slices = slicesOf(processor, 'args.');
    const expected = drawingOf(eventsOf(journal)).slices.map(rowOf);
    expect(slices.map(textOf).sort()).toEqual(expected.map(textOf).sort());
    expectCounts(processor, journal, slices, ' value');
  });
});
