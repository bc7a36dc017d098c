/**
 * `npm run bench` measures every figure, `npm run bench -- NAME…` those named; `--json` prints one
 * document, `--svg FILE` draws growth curves. Nothing here passes or fails.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { bigHosts } from './big-hosts.ts';
import { engine } from './engine.ts';
import { firstBug } from './explore/first-bug.ts';
import { schedules } from './explore/schedules.ts';
import { shrinkQuality } from './explore/shrink-quality.ts';
import { singleRun } from './explore/single-run.ts';
import { exploreBugs, exploreHost, exploreLock } from './explore.ts';
import { exploreClasses } from './explore-classes.ts';
import { exploreGrowth } from './explore-growth.ts';
import { exploreWide } from './explore-wide.ts';
import { type Figure, type Machine, machine, type Table, textOf } from './harness.ts';
import { journal } from './journal.ts';
import { replay } from './replay.ts';
import { startup } from './startup.ts';
import { drawn } from './svg.ts';

const FIGURES: readonly Figure[] = [
  bigHosts,
  engine,
  exploreClasses,
  exploreLock,
  exploreHost,
  exploreBugs,
  exploreGrowth,
  exploreWide,
  firstBug,
  journal,
  replay,
  schedules,
  shrinkQuality,
  singleRun,
  startup,
];

/** A figure by its name, or all of a group: `explore` names every `explore-…`. */
const isNamed = ({ name }: Figure, word: string): boolean => name === word || name.startsWith(`${word}-`);

interface Measured {
  readonly figure: string;
  readonly summary: string;
  /** Before and after, so that a reader sees what else the machine did. */
  readonly machine: Machine;
  readonly loadAverageAfter: number;
  readonly tables: readonly Table[];
}

function measure({ name, summary, run }: Figure): Measured {
  const before = machine();
  const tables = run();
  return { figure: name, summary, machine: before, loadAverageAfter: machine().loadAverage, tables };
}

/**
 * Several figures: each in a process of its own, so that none runs in code that was warmed by
 * another.
 */
function measureApart({ name }: Figure): Measured {
  const { status, stdout } = spawnSync(process.execPath, [...process.execArgv, fileURLToPath(import.meta.url), name, '--json'], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (status !== 0) throw new Error(`the figure ${name} ended with status ${status}`);
  return (JSON.parse(stdout) as readonly Measured[])[0]!;
}

function print({ figure, summary, machine: at, loadAverageAfter, tables }: Measured): void {
  console.log(`${figure}: ${summary}`);
  console.log(
    `${at.cores} cores (${at.cpu}), load ${at.loadAverage.toFixed(2)} to ${loadAverageAfter.toFixed(2)}, Node ${at.node}, xstate ${at.xstate}`,
  );
  for (const table of tables) console.log(`\n${textOf(table)}`);
  console.log('');
}

function main(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { json: { type: 'boolean', default: false }, svg: { type: 'string' } },
  });
  const unknown = positionals.filter((word) => !FIGURES.some((figure) => isNamed(figure, word)));
  if (unknown.length > 0) {
    console.error(`${unknown.join(', ')}: no such figure; there are ${FIGURES.map(({ name }) => name).join(', ')}`);
    return 2;
  }
  const wanted = FIGURES.filter((figure) => positionals.length === 0 || positionals.some((word) => isNamed(figure, word)));
  if (values.svg !== undefined && !wanted.includes(exploreGrowth)) {
    console.error(`--svg draws ${exploreGrowth.name}, which was not asked for`);
    return 2;
  }
  const measured: Measured[] = [];
  for (const figure of wanted) {
    const one = wanted.length === 1 ? measure(figure) : measureApart(figure);
    measured.push(one);
    if (!values.json) print(one);
  }
  if (values.svg !== undefined) {
    const panels = measured.flatMap(({ tables }) => tables.flatMap((table) => (table.panels ? [table.panels] : [])));
    writeFileSync(values.svg, drawn([panels.map(([states]) => states!), panels.map(([, seconds]) => seconds!)]));
  }
  if (values.json) console.log(JSON.stringify(measured, null, 2));
  return 0;
}

process.exitCode = main();
