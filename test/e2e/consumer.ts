/** A program of somebody who installed the package, as text: the checkout itself could resolve what an installed package does not export. */

export const PROGRAM = `
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { pcpuMachine } from 'worldswitch/actors/host/pcpu';
import type { RunEnd } from 'worldswitch/events/journal';
import { fileSource } from 'worldswitch/replay/file-source';
import { openJournal } from 'worldswitch/replay/open';
import { hexOf } from 'worldswitch/sim/canonical';
import { knownProperties } from 'worldswitch/sim/properties/index';
import { loadScenario } from 'worldswitch/sim/scenario/load';
import { resolveScenario } from 'worldswitch/sim/scenario/resolve';
import { openSession } from 'worldswitch/sim/session';
import { project } from 'worldswitch/timeline/project';
import { recordingOf } from 'worldswitch/timeline/recording';

const file = fileURLToPath(new URL('scenarios/sev-snp/rmp-host-write-race.yaml', import.meta.resolve('worldswitch/package.json')));
const known = knownProperties();
const scenario = resolveScenario(loadScenario(readFileSync(file, 'utf8'), file, known), { knownProperties: known });

const { run } = openSession({ scenario, engine: 'live', chooser: { name: 'fifo' } });
run.start();
const end: RunEnd | null = run.toEnd();
const { a, b } = run.sequencer.digest;

// The types are known, not any.
// @ts-expect-error There is no such engine.
const wrong: Parameters<typeof openSession>[0]['engine'] = 'fast';
// @ts-expect-error Verdicts are no numbers.
const verdict: number = end!.verdict;
// @ts-expect-error There is no such property of a machine.
pcpuMachine([]).nothing;

const journal = openJournal(fileSource(process.argv[2]!));
const events = [...project(recordingOf(journal))].length;
console.log(JSON.stringify({ verdict, steps: run.sequencer.step, recorded: journal.steps, digest: hexOf(a, b), events }));
`;

/** Strict, and the declarations of every package are checked with it. */
export const tsconfigWith = (typeRoot: string): string =>
  JSON.stringify({
    compilerOptions: {
      target: 'ES2023',
      lib: ['ES2023'],
      module: 'NodeNext',
      strict: true,
      skipLibCheck: false,
      typeRoots: [typeRoot],
      types: ['node'],
      noEmitOnError: true,
      outDir: 'out',
    },
    files: ['program.ts'],
  });
