/**
 * The claims as documents: docs/claims.json for programs, docs/claims.md for people. Both come from
 * the lists that the tests walk, and, for the kit, from docs/domain/kit.md and its tests.
 */
import { ALL_CLAIMS } from '../test/claims/all.ts';
import { type Claim, SHOWN_WITHIN, type Show } from '../test/claims/claim.ts';
import { type KitRow, kitRows } from '../test/claims/kit.ts';

const boundOf = (scenario: string): string => (scenario in SHOWN_WITHIN ? ` --deviations ${SHOWN_WITHIN[scenario]}` : '');
const commandOf = ({ scenario, variant }: Show): string => `worldswitch explore ${scenario} --variant ${variant}${boundOf(scenario)}`;

/** The first place stands in the row itself too, for a reader who wants one command. */
const rowOf = ({ id, says, source, shows, verdict, mutants, why }: Claim) => {
  const [first] = shows;
  return {
    id,
    says,
    source,
    scenario: first?.scenario ?? 'unit',
    variant: first?.variant ?? null,
    property: first?.property ?? null,
    verdict,
    mutants: [...new Set([...shows.flatMap((show) => show.mutants), ...mutants])],
    command: first ? commandOf(first) : null,
    shows: shows.map((show) => ({ ...show, breaks: show.breaks === true, command: commandOf(show) })),
    why: why ?? null,
  };
};

/** The same of a claim of the kit, which is seen in races of its tests alone. */
const kitRowOf = ({ id, says, source, grade, tests, mutants }: KitRow) => ({
  ...rowOf({ id, says, source, shows: [], verdict: 'holds', mutants: [] as never, check: () => {} }),
  grade,
  tests,
  mutants,
});

/** One line for each claim, so that a change of one is a change of one line. */
const json = (): string =>
  `[\n${[...ALL_CLAIMS.map(rowOf), ...kitRows().map(kitRowOf)].map((row) => `  ${JSON.stringify(row)}`).join(',\n')}\n]\n`;

const cell = (text: string): string => text.replaceAll('|', '\\|');
const code = (text: string): string => `\`${text}\``;

/** Several places of one claim stand under each other. */
const lines = (texts: readonly string[]): string => texts.join('<br>');

function rowText({ id, says, shows, verdict, mutants }: Claim): string {
  const seen = shows.flatMap((show) => show.mutants);
  const others = mutants.filter((name) => !seen.includes(name));
  const cells = [
    id,
    cell(says),
    shows.length === 0 ? 'unit' : lines(shows.map(({ scenario, variant }) => code(`${scenario} ${variant}`))),
    lines(shows.map(({ property, breaks }) => `${code(property)}${breaks ? ' breaks' : ''}`)),
    verdict,
    lines([
      ...shows.map((show) => show.mutants.map(code).join(', ')),
      ...(others.length > 0 ? [`unit: ${others.map(code).join(', ')}`] : []),
    ]),
  ];
  return `| ${cells.join(' | ')} |`;
}

const kitRowText = ({ id, says, grade, tests, mutants }: KitRow): string =>
  `| ${[id, cell(says), grade, lines(tests.map(code)), lines(mutants.map(cell))].join(' | ')} |`;

const reasonText = ({ id, why }: Claim): string => `- ${id}: ${why}.`;

const notText = ({ id, not }: Claim): string[] => (not === undefined ? [] : [`- ${id}: ${not}.`]);

function markdown(): string {
  const partly = ALL_CLAIMS.filter(({ shows, why }) => shows.length > 0 && why !== undefined);
  const bounded = Object.keys(SHOWN_WITHIN).map(code).join(', ');
  const never = ALL_CLAIMS.filter(({ shows }) => shows.length === 0);
  return `# Claims

What the domain documents claim of each mechanism, where it shows, and the mutants under which it fails. Written by \`npm run claims\` from the lists
in \`test/claims/\`; each row is a test of that name, and each mutant is another. Claims of SEV-SNP that the model cannot express are in [fidelity.md](fidelity.md#not-modelled-yet).

A row with a scenario is seen by \`worldswitch explore SCENARIO --variant VARIANT\`, in which the property keeps, and its failure by the same with
\`--mutant NAME\`, in which it breaks. Where the claim is that a design breaks the property, it says \`breaks\`, and the mutant mends it. Each claim is
also checked in small worlds, for values that no property says: *unit* stands before mutants that only those notice. \`refuted\` means that the check
shows the opposite of what the source says. The same rows for programs: [claims.json](claims.json), with
the whole command of each; ${bounded} have too many states, and show their claims within a few deviations from the in-order run (\`--deviations\`).

| Claim | What it says | Scenario, variant | Property | Verdict | Fails under |
| --- | --- | --- | --- | --- | --- |
${ALL_CLAIMS.map(rowText).join('\n')}

${ALL_CLAIMS.length - never.length} of ${ALL_CLAIMS.length} claims are seen from the command line.${never.length === 0 ? '' : ` Not seen there:\n\n${never.map(reasonText).join('\n')}`}

Seen there but for one part, which the small worlds have:

${partly.map(reasonText).join('\n')}

What sentences of the sources say besides, and nothing here checks:

${ALL_CLAIMS.flatMap(notText).join('\n')}

## The kit

What [domain/kit.md](domain/kit.md) claims of each primitive of the kernel. Each row is played in all schedules of races of its own; its mutants are
machines of the primitive, or functions of the kernel, that do one thing wrong in that test alone.

| Claim | What it says | Grade | Tests | Fails under |
| --- | --- | --- | --- | --- |
${kitRows().map(kitRowText).join('\n')}
`;
}

/** By path below the root. */
export const claimFiles = (): Readonly<Record<string, string>> => ({ 'docs/claims.json': json(), 'docs/claims.md': markdown() });
