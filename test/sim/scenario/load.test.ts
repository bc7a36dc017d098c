/**
 * Scenario files: what is accepted, what every mistake is told as, and what hostile files come to.
 */
import { describe, expect, it } from 'vitest';
import { ScenarioError } from '../../../sim/scenario/issues.ts';
import { loadScenario, parseScenario } from '../../../sim/scenario/load.ts';
import { BYTES_MAX } from '../../../sim/scenario/yaml.ts';
import { MISTAKES } from './mistakes.ts';
import { MORE_MISTAKES } from './more-mistakes.ts';
import { changed, FILE, KNOWN, lineOf, SAMPLE } from './sample.ts';

const IDS = KNOWN.map(({ id }) => id);
const MINIMAL = `name: smallest
summary: One thread that asks the firmware for nothing much
host: { arch: amd, features: [sev-snp] }
processes: { kexec: { threads: [[{ sev-command: { command: SNP_DF_FLUSH } }]] } }
`;

function issuesOf(text: string): string[] {
  const parsed = parseScenario(text, FILE, KNOWN);
  return parsed.ok ? [] : parsed.issues.map(({ line, path, message }) => `${line} | ${path} | ${message}`);
}

const firstIssue = (text: string): string | undefined => issuesOf(text)[0];

describe('a scenario file', () => {
  it('is accepted when it is right', () => {
    const parsed = parseScenario(SAMPLE, FILE, KNOWN);
    expect(parsed).toMatchObject({ ok: true, scenario: { name: 'psc-during-host-write', host: { kernel: '6.12' } } });
  });

  it('needs no more than a name, a summary, a host and a process', () => {
    expect(issuesOf(MINIMAL)).toEqual([]);
  });

  it('reads hexadecimal and decimal integers as equal', () => {
    const hex = loadScenario(SAMPLE, FILE, KNOWN);
    const decimal = loadScenario(SAMPLE.replaceAll('0x1005', '4101').replaceAll('0x5,', '5,'), FILE, KNOWN);
    expect(decimal).toEqual(hex);
  });

  it('may end its lines as Windows does', () => {
    expect(loadScenario(SAMPLE.replaceAll('\n', '\r\n'), FILE, KNOWN)).toEqual(loadScenario(SAMPLE, FILE, KNOWN));
  });

  it('takes property ids without their kinds', () => {
    expect(parseScenario(SAMPLE, FILE, IDS).ok).toBe(true);
  });

  it('lets one thread of each process run one vCPU of one VM', () => {
    const second = changed('processes:\n', '  vm1:\n    type: snp\n    options: { pages: [] }\n    vcpus: [[{ hlt: {} }]]\nprocesses:\n');
    const text = changed('  netd:\n', '  qemu1: { threads: [[{ KVM_RUN: { vcpu: vm1/0 } }]] }\n  netd:\n', second);
    expect(issuesOf(text)).toEqual([]);
  });
});

describe('a mistake in a scenario file', () => {
  it.each([...MISTAKES, ...MORE_MISTAKES])('%s is told with its line', (_, text, issues) => {
    expect(issuesOf(text)).toEqual(issues);
  });

  it('is thrown as one readable error', () => {
    const text = changed('cpus: 2', 'cpus: 65');
    const place = `${FILE}:${lineOf(text, 'cpus: 65')}`;
    const message = `the scenario has 1 mistake\n  ${place}: host.cpus: found 65; expected an integer from 1 to 64`;
    expect(() => loadScenario(text, FILE, KNOWN)).toThrow(ScenarioError);
    expect(() => loadScenario(text, FILE, KNOWN)).toThrow(message);
  });

  it('is listed among all others, by line', () => {
    const text = changed('arch: amd', 'arch: amb', changed('time: untimed', 'time: never', changed('cpus: 2', 'cpus: 0')));
    const lines = issuesOf(text).map((issue) => Number(issue.split(' ')[0]));
    expect(lines).toEqual(['arch:', 'cpus:', 'time: never'].map((piece) => lineOf(text, piece)));
  });

  it('refuses a second thread of the same name in a process', () => {
    const vm1 = changed('processes:\n', '  vm1:\n    type: snp\n    options: { pages: [] }\n    vcpus: [[{ hlt: {} }]]\nprocesses:\n');
    const text = changed(
      '      - - KVM_RUN: { vcpu: vm0/0 }\n',
      '      - - KVM_RUN: { vcpu: vm0/0 }\n      - - KVM_RUN: { vcpu: vm1/0 }\n',
      vm1,
    );
    expect(issuesOf(text)).toEqual([
      '38 | processes.qemu0.threads[1] | found a second thread:qemu0/vcpu0; expected VMs in processes of their own',
    ]);
  });

  it('refuses two VMs with one ASID', () => {
    const vm1 = '  vm1:\n    type: snp\n    options: { asid: 1, pages: [] }\n    vcpus: []\nprocesses:\n';
    expect(issuesOf(changed('processes:\n', vm1))).toEqual([
      '32 | vms.vm1.options.asid | found ASID 0x1 of vm1; expected another: vm0 has it',
    ]);
  });
});

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
