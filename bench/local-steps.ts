/**
 * What `--reduce local` saves: each shipped variant that is small enough, searched with and without
 * it on the memory of steps that the first of two laps has filled. The figures stand in
 * docs/decisions/0010-no-partial-order-reduction.md. `npx tsx bench/local-steps.ts`
 */
import { readFileSync } from 'node:fs';
import { shippedNames, shippedPath } from '../api/shipped-scenarios.ts';
import { Explorer } from '../sim/explore/breadth/explorer.ts';
import { finish } from '../sim/explore/turns.ts';
import { knownProperties } from '../sim/properties/index.ts';
import { variantNames } from '../sim/scenario/checks.ts';
import { loadScenario } from '../sim/scenario/load.ts';
import { resolveScenario } from '../sim/scenario/resolve.ts';
import type { ResolvedScenario } from '../sim/scenario/types.ts';

const STATES = 300_000;

function lap(scenario: ResolvedScenario, local: boolean) {
  const explorer = new Explorer({ scenario, budget: { states: STATES }, local });
  const { user, system } = process.cpuUsage();
  const report = finish(explorer.run());
  const used = process.cpuUsage();
  return { ...report, ms: (used.user + used.system - user - system) / 1000 };
}

const known = knownProperties();
console.log('| scenario | states | with local steps | | transitions | with local steps | ms CPU | with local steps |');
console.log('| --- | --- | --- | --- | --- | --- | --- | --- |');
for (const name of shippedNames()) {
  const source = loadScenario(readFileSync(shippedPath(name), 'utf8'), `${name}.yaml`, known);
  for (const variant of variantNames(source)) {
    const scenario = resolveScenario(source, { variant, knownProperties: known });
    const cold = lap(scenario, false);
    if (!cold.exhausted) continue;
    lap(scenario, true);
    const [all, some] = [lap(scenario, false), lap(scenario, true)];
    const saved = `${((100 * (all.states - some.states)) / all.states).toFixed(1)} %`;
    const cells = [all.states, some.states, saved, all.transitions, some.transitions, Math.round(all.ms), Math.round(some.ms)];
    console.log(`| ${scenario.name} \`${variant}\` | ${cells.join(' | ')} |`);
  }
}
