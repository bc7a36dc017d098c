/**
 * `--mutant`: a changed model is asked for by name, named in every result, kept in the journal, and
 * never silent.
 */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { withoutSteps } from '../../actors/path/patch.ts';
import { register } from '../../sim/host/registry.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

const SCENARIO = 'rmpadjust-vs-rmpupdate';
const MUTANT = 'test-no-leak';

// What it answers is called in the end, and takes the mechanism away.
beforeAll(() =>
  register({
    name: 'mutants-for-tests',
    arches: ['amd'],
    mutants: {
      [MUTANT]: {
        summary: 'The host bugs a VM and keeps quiet about it.',
        paths: { kvm_rmp_make_shared: [withoutSteps('kvm_vm_bugged')] },
      },
    },
  }),
);

interface Document {
  readonly variant: string;
  readonly mutant?: string;
  readonly journal: string;
}

describe('a mutant', () => {
  it('changes what explore finds, and stands in the result', async () => {
    const sound = await bench.run(['explore', SCENARIO, '--json']);
    const changed = await bench.run(['explore', SCENARIO, '--mutant', MUTANT, '--json']);
    expect([sound.code, changed.code]).toEqual([1, 0]);
    expect([sound.json<Document>().mutant, changed.json<Document>().mutant]).toEqual([undefined, MUTANT]);
  });

  it('stands in the results of run and compare, and in the journal', async () => {
    const ran = await bench.run(['run', SCENARIO, '--mutant', MUTANT, '--json']);
    const document = ran.json<Document>();
    expect(document.mutant).toBe(MUTANT);
    expect((await bench.run(['show', document.journal])).out).toContain(`(inuse, mutant ${MUTANT})`);
    expect((await bench.run(['replay', document.journal])).code).toBe(0);
    const compared = await bench.run(['compare', SCENARIO, '--mutant', MUTANT, '--json']);
    expect([compared.code, compared.json<Document>().mutant]).toEqual([0, MUTANT]);
  });

  it('is repeated by the command that run prints', async () => {
    const { out } = await bench.run(['run', SCENARIO, '--mutant', MUTANT]);
    expect(out).toContain(`run ${SCENARIO} --mutant ${MUTANT}`);
  });

  it('is noticed by verify', async () => {
    expect((await bench.run(['verify', SCENARIO])).code).toBe(0);
    const noticed = await bench.run(['verify', SCENARIO, '--mutant', MUTANT, '--json']);
    expect([noticed.code, noticed.json<Document>().mutant]).toEqual([1, MUTANT]);
  });

  it('is listed by machines and by scenarios', async () => {
    expect((await bench.run(['machines', '--scenario', SCENARIO])).out).toContain(MUTANT);
    const [one] = (await bench.run(['scenarios', SCENARIO, '--json'])).json<{ mutants: Record<string, string> }[]>();
    expect(one!.mutants[MUTANT]).toContain('keeps quiet');
  });

  it.each(['run', 'explore', 'compare', 'verify'])('that does not exist is refused by %s, with the nearest name', async (command) => {
    const { code, err } = await bench.run([command, SCENARIO, '--mutant', 'test-no-leek']);
    expect(code).toBe(2);
    expect(err).toContain(`did you mean ${JSON.stringify(MUTANT)}`);
  });

  it('is not for a journal', async () => {
    const { journal } = (await bench.run(['run', SCENARIO, '--json'])).json<Document>();
    for (const command of ['explore', 'verify']) expect((await bench.run([command, journal, '--mutant', MUTANT])).code, command).toBe(2);
  });
});
