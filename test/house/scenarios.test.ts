/**
 * A shipped scenario lies in the folder of a mechanism that its host has, or that brings its model.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { shippedFile, shippedNames, shippedPath } from '../../api/shipped-scenarios.ts';
import { SHIPPED_MECHANISMS } from '../../sim/mechanisms/index.ts';
import { knownProperties } from '../../sim/properties/index.ts';
import { loadScenario } from '../../sim/scenario/load.ts';
import { projectFiles } from './source.ts';

describe('shipped scenarios', () => {
  it('are all YAML files below the folder', () => {
    const files = projectFiles().filter((file) => /^scenarios\/.*\.ya?ml$/.test(file));
    expect(files).toEqual(
      shippedNames()
        .map((name) => `scenarios/${shippedFile(name)}`)
        .sort(),
    );
  });

  it('name the schema for editors in their first line, as a path from the file', () => {
    const first = shippedNames().map((name) => readFileSync(shippedPath(name), 'utf8').split('\n')[0]!);
    expect(first.filter((line) => line !== '# yaml-language-server: $schema=../../dist/scenario.schema.json')).toEqual([]);
  });

  it('have a file of tests for each folder', () => {
    const folders = new Set(shippedNames().map((name) => shippedFile(name).split('/')[0]));
    const tests = projectFiles().filter((file) => /^test\/scenarios\/expectations\/.*\.test\.ts$/.test(file));
    expect(tests).toEqual([...folders].map((folder) => `test/scenarios/expectations/${folder}.test.ts`).sort());
  });

  it.each(shippedNames())('%s lies with a mechanism of its host', (name) => {
    const [folder, file] = shippedFile(name).split('/');
    const scenario = loadScenario(readFileSync(shippedPath(name), 'utf8'), file!, knownProperties());
    const mechanism = SHIPPED_MECHANISMS.find((one) => one.name === folder);
    expect(scenario.name).toBe(name);
    if (scenario.model === undefined) expect(mechanism?.arches).toContain(scenario.host.arch);
    else expect(mechanism?.models?.map((model) => model.name)).toContain(scenario.model);
  });
});
