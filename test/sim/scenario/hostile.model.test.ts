/** What hostile scenario files come to: bombs, depth without end, a hundred thousand mistakes. */
import { describe, expect, it } from 'vitest';
import { parseScenario } from '../../../sim/scenario/load.ts';
import { BYTES_MAX } from '../../../sim/scenario/yaml.ts';
import { changed, FILE, issuesOf, KNOWN } from './sample.ts';

const firstIssue = (text: string): string | undefined => issuesOf(text)[0];

describe('a hostile file', () => {
  const levels = Array.from({ length: 30 }, (_, level) => `a${level}: &a${level} [${`*a${Math.max(0, level - 1)},`.repeat(9)}]`);

  it.each([
    ['an alias bomb', `a: &a [x]\n${levels.join('\n')}`, /^1 \| a \| found the anchor "&a"; expected none/],
    ['an anchor inside itself', '&a [*a]', /^1 \| {2}\| found the anchor/],
    ['brackets without end', '['.repeat(500_000), /nested too deep; expected at most 32 levels$/],
    ['maps without end', '{a: '.repeat(200_000), /nested too deep/],
    ['dashes without end', '- '.repeat(500_000), /nested too deep/],
    ['explicit keys without end', '? '.repeat(500_000), /nested too deep/],
    ['33 levels', `a: ${'['.repeat(32)}${']'.repeat(32)}`, /nested too deep/],
    ['a file of a byte too many', `# ${'x'.repeat(BYTES_MAX)}`, /^1 \| {2}\| found a file of more than 1048576 bytes/],
    ['a file of many bytes in few characters', `# ${'\u20ac'.repeat(400_000)}`, /found a file of more than 1048576 bytes/],
    ['a key __proto__', '__proto__: { host: {} }', /^1 \| __proto__ \| found the key "__proto__"; expected another name$/],
    ['a key __proto__ among VMs', changed('  vm0:', '  __proto__:'), /^19 \| vms\.__proto__ \|/],
    ['an operation constructor', changed('- psc: { gfn: $GFN, to: $FINAL }', '- constructor: {}'), /found the key "constructor"/],
    ['a parameter toString', changed('gfn: $GFN', 'gfn: $toString'), /found "\$toString"; expected a parameter/],
    ['an expectation of a variant valueOf', changed('map-lock-user: clean', 'valueof: clean'), /found "valueof"; expected a variant/],
    ['a key that is a list', '? [a]\n: 1', /all keys must be strings$/],
    ['a NUL', '\u0000', /^1 \| {2}\| /],
    ['half a surrogate pair', 'name: "\\uD800"', /^1 \| name \| found "\\ud800"; expected text without control characters/],
    ['nothing', '', /found an empty file/],
    ['a list', '[]', /^1 \| {2}\| found an empty list; expected a map$/],
  ])('of %s is refused', (_, text, issue) => {
    expect(firstIssue(text)).toMatch(issue);
  });

  it('with a hundred thousand unknown keys is told in a hundred mistakes', () => {
    const text = Array.from({ length: 100_000 }, (_, index) => `k${index}: 1`).join('\n');
    expect(issuesOf(text)).toHaveLength(100);
  });

  it('with a hundred thousand keys twice is told in a hundred mistakes', () => {
    expect(issuesOf('a: 1\n'.repeat(100_000))).toHaveLength(100);
  });

  it('of any length of name gets a short message', () => {
    const long = 'x'.repeat(100_000);
    expect(firstIssue(changed('state: shared', `state: ${long}`))?.length).toBeLessThan(250);
  });

  it('leaves no trace on the prototypes', () => {
    parseScenario('__proto__: { polluted: true }', FILE, KNOWN);
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });
});
