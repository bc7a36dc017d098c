/** Paths, slots and messages of the model as a document: docs/paths.md, from the machines. */
import { readFileSync } from 'node:fs';
import { shippedPath } from '../api/shipped-scenarios.ts';
import { aboutOf, filledText, WORDS } from '../cli/paths/about.ts';
import { codeLines, codeRows, wrapped } from '../cli/paths/pseudo-code.ts';
import { headLines } from '../cli/paths/report.ts';
import { topologyOf } from '../sim/host/topology.ts';
import { outlinesOf } from '../sim/paths/outline.ts';
import { pathsIn } from '../sim/paths/sites.ts';
import { knownProperties } from '../sim/properties/index.ts';
import { loadScenario } from '../sim/scenario/load.ts';
import { resolveScenario } from '../sim/scenario/resolve.ts';

export const PATHS_DOCUMENT = 'docs/paths.md';

/** A scenario of each architecture; its default variant chooses among the paths. */
const HOSTS = { amd: 'rmp-host-write-race', intel: 'sld-wrmsr-preempted', arm64: 'oslock-status-bit' } as const;
/** Paths that are shown whole. */
const SHOWN: readonly (readonly [arch: keyof typeof HOSTS, path: string, says: string])[] = [
  ['amd', 'mutex_lock_killable', 'A lock that is slept for. The branch stands before the sleep and is decided after each try:'],
  ['amd', 'vcpu_enter_guest', 'One turn through guest mode. The slots that nothing fills here are named above the code:'],
  ['amd', 'rmpupdate', 'A path that calls another one, shown with `--depth 1`:'],
];
const COLUMNS = 80;

const HEAD = `# Paths

Written by \`npm run paths\` from the model; a test compares. A path is a kernel function or an
instruction as a list of named micro-steps; [extend.md](extend.md#what-the-items-of-a-path-mean)
says what its items mean, and [architecture.md](architecture.md#2-the-path-becomes-states) how it
becomes states.

\`worldswitch paths\` lists those of a host, and \`worldswitch paths NAME\` shows one, with what
\`replaceStep\` finds in it. \`--scenario\`, \`--variant\`, \`--set\` and \`--models\` say whose;
\`--depth N\` shows calls with their items; \`--format dot\` and \`--format mermaid\` draw the ways
between its steps; \`--json\` has all of it as data. \`worldswitch explore SCENARIO --coverage\` puts
[how often each line was taken](explore.md#coverage-of-lines) in front.

Of a step, messages and the fields that it changes are found by trying it: its functions are called
with the actors of the scenario as they start, at each operation of their programs, and with
placeholders for what only a run knows. What it says under other conditions is not found so. A
search knows what was sent.
`;

function hostOf(arch: keyof typeof HOSTS) {
  const name = HOSTS[arch];
  const known = knownProperties();
  const scenario = resolveScenario(loadScenario(readFileSync(shippedPath(name), 'utf8'), name, known), { knownProperties: known });
  const topology = topologyOf(scenario);
  return { scenario, topology, paths: pathsIn(topology) };
}

const cell = (text: string): string => text.replaceAll('|', '\\|');
const code = (text: string): string => `\`${text}\``;

function wholeText([arch, name, says]: (typeof SHOWN)[number]): string {
  const { scenario, topology, paths } = hostOf(arch);
  const depth = says.includes('--depth 1') ? 1 : 0;
  const [outline] = outlinesOf(paths.get(name)!, { scenario, topology, depth });
  const head = headLines(outline!).map((line) => `- ${line}`);
  return [`### ${name}`, '', says, '', ...head, '', '```text', ...codeLines(codeRows(outline!), COLUMNS), '```', ''].join('\n');
}

const COLUMNS_PROSE = 100;
/** Prose in lines of so many columns; tables, titles and code stay as they are. */
function laidOut(text: string): string {
  let isCode = false;
  const lines = text.split('\n').flatMap((line) => {
    if (line.startsWith('```')) isCode = !isCode;
    if (isCode || line.length <= COLUMNS_PROSE || line.startsWith('|') || line.startsWith('#')) return [line];
    const hang = line.startsWith('- ') ? '  ' : '';
    return wrapped(line, COLUMNS_PROSE - hang.length).map((part, i) => `${i > 0 ? hang : ''}${part}`);
  });
  return lines.join('\n').replace(/\n+$/, '\n');
}

/** The document. */
export function pathsText(): string {
  const archs = Object.keys(HOSTS) as (keyof typeof HOSTS)[];
  const hosts = archs.map((arch) => ({ arch, ...hostOf(arch) }));
  const lists = hosts.map(({ arch, scenario, paths }) => {
    const rows = [...paths].map(([name, sites]) => {
      const { path } = sites[0]!;
      const kinds = [...new Set(sites.map(({ kind, walk }) => (walk.frame === 'notify' ? `${kind}, notifier` : kind)))];
      return `| ${code(name)} | ${kinds.join('; ')} | ${cell(path.source)} (${path.grade}) |`;
    });
    return [`### ${arch}, as ${code(scenario.name)} has it`, '', '| Path | Walked by | From |', '| --- | --- | --- |', ...rows, ''].join(
      '\n',
    );
  });
  const slots = hosts.map(({ arch, ...asked }) => {
    const rows = aboutOf(asked).slots.map(
      ({ slot, says, paths, filledBy }) => `| ${code(slot)} | ${says} | ${paths.map(code).join(', ')} | ${filledText(filledBy)} |`,
    );
    return [`### ${arch}`, '', '| Slot | Where | In | Filled by |', '| --- | --- | --- | --- |', ...rows, ''].join('\n');
  });
  const travels = new Map<string, Set<string>>();
  for (const { messages } of hosts.map((asked) => aboutOf(asked)))
    for (const { type, travels: how } of messages) travels.set(how, (travels.get(how) ?? new Set()).add(type));
  const messages = [...travels].map(([how, types]) => `- ${code(how)}: ${[...types].sort().map(code).join(', ')}`);
  const document = [
    HEAD,
    '## Words',
    '',
    '| In a line | Means |',
    '| --- | --- |',
    ...WORDS.map(([word, means]) => `| ${code(word)} | ${cell(means)} |`),
    '',
    '## Three paths',
    '',
    ...SHOWN.map(wholeText),
    '## Slots of KVM',
    '',
    ...slots,
    '## Messages',
    '',
    'Types by how they travel, of all shipped mechanisms. `worldswitch paths --about` says who takes each.',
    '',
    ...messages,
    '',
    '## All paths',
    '',
    ...lists,
  ].join('\n');
  return laidOut(document);
}
