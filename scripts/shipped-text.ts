/** The shipped scenarios as a table for people: docs/shipped.md, from the files of scenarios/. */
import { readFileSync } from 'node:fs';
import { shippedFile, shippedNames, shippedPath } from '../api/shipped-scenarios.ts';
import { knownProperties } from '../sim/properties/index.ts';
import { variantNames } from '../sim/scenario/checks.ts';
import { loadScenario } from '../sim/scenario/load.ts';
import type { Scenario } from '../sim/scenario/types.ts';

export const SHIPPED_DOCUMENT = 'docs/shipped.md';

const code = (text: string): string => `\`${text}\``;

/** What each variant is expected to break, and those that are expected to break nothing. */
function rowText(scenario: Scenario): string {
  const expected = Object.entries(scenario.expect ?? {});
  const breaking = expected.flatMap(([variant, expectation]) =>
    expectation === 'clean' ? [] : [`${code(variant)}: ${expectation.violates.map(code).join(', ')}`],
  );
  const clean = expected.flatMap(([variant, expectation]) => (expectation === 'clean' ? [code(variant)] : []));
  return `| ${code(scenario.name)} | ${scenario.summary} | ${breaking.join('; ')} | ${clean.join(', ')} |`;
}

const HEAD = `# What is shipped

Written by \`npm run shipped\` from the files of \`scenarios/\`; a test compares. \`worldswitch scenarios\` lists the same.

"Breaks" is no statement about Linux: a variant is a proposal, or a guess at what hardware does, and
[sources.md](sources.md) says which. [fidelity.md](fidelity.md#what-shipped-scenarios-are-expected-to-do-and-why) has the
sentence behind each expectation. \`worldswitch verify scenarios\` runs each scenario on both engines and holds it against
what is expected.
`;

/** The document, by mechanism. */
export function shippedText(): string {
  const known = knownProperties();
  const folderOf = (name: string): string => shippedFile(name).split('/')[0]!;
  const parts = [...new Set(shippedNames().map(folderOf))].sort().map((folder) => {
    const names = shippedNames().filter((name) => folderOf(name) === folder);
    const scenarios = names.map((name) => loadScenario(readFileSync(shippedPath(name), 'utf8'), name, known));
    const variants = scenarios.reduce((sum, scenario) => sum + variantNames(scenario).length, 0);
    return [
      `## ${folder}`,
      '',
      `${scenarios.length} scenarios with ${variants} variants: [mechanisms/${folder}.md](mechanisms/${folder}.md).`,
      '',
      '| Scenario | What happens | Variants that break something | Clean |',
      '| --- | --- | --- | --- |',
      ...scenarios.map(rowText),
      '',
    ].join('\n');
  });
  return `${HEAD}\n${parts.join('\n')}`;
}
