/** The claims as documents: docs/claims.json for programs, docs/claims.md for people. Both come from the lists that the tests walk. */
import { ALL_CLAIMS } from '../test/claims/all.ts';
import type { Claim } from '../test/claims/claim.ts';

const rowOf = ({ id, says, source, scenario, variant, property, verdict, mutants, why }: Claim) => ({
  id,
  says,
  source,
  scenario,
  variant: variant ?? null,
  property: property ?? null,
  verdict,
  mutants,
  command: why === undefined ? `worldswitch explore ${scenario}${variant === undefined ? '' : ` --variant ${variant}`}` : null,
  why: why ?? null,
});

/** One line for each claim, so that a change of one is a change of one line. */
const json = (): string => `[\n${ALL_CLAIMS.map((claim) => `  ${JSON.stringify(rowOf(claim))}`).join(',\n')}\n]\n`;

const cell = (text: string): string => text.replaceAll('|', '\\|');
const code = (text: string): string => `\`${text}\``;

function markdown(): string {
  const rows = ALL_CLAIMS.map(rowOf).map(({ id, says, scenario, variant, property, verdict, mutants, why }) => {
    const where = why === null ? code([scenario, ...(variant === null ? [] : [variant])].join(' ')) : 'unit';
    return `| ${[id, cell(says), where, property === null ? '' : code(property), verdict, mutants.map(code).join(', ')].join(' | ')} |`;
  });
  const reasons = [...new Set(ALL_CLAIMS.flatMap(({ why }) => why ?? []))].map((why) => {
    const ids = ALL_CLAIMS.filter((claim) => claim.why === why).map(({ id }) => id);
    return `- ${ids.join(', ')}: ${why}.`;
  });
  return `# Claims

What the domain documents claim of each mechanism, where it shows, and the mutants under which it fails. Written by \`npm run claims\` from the lists
in \`test/claims/\`; each row is a test of that name, and each mutant is another. The claims of SEV-SNP are in \`test/claims/\` too and not yet in
this table.

A row with a scenario is seen by \`worldswitch explore SCENARIO --variant VARIANT\`, and its failure by the same with \`--mutant NAME\`. \`refuted\`
means that the check shows the opposite of what the source says. The same rows for programs: [claims.json](claims.json).

| Claim | What it says | Scenario, variant | Property | Verdict | Fails under |
| --- | --- | --- | --- | --- | --- |
${rows.join('\n')}

Not run from the command line:

${reasons.join('\n')}
`;
}

/** By path below the root. */
export const claimFiles = (): Readonly<Record<string, string>> => ({ 'docs/claims.json': json(), 'docs/claims.md': markdown() });
