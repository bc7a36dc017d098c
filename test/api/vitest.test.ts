/** The matchers of `worldswitch/vitest`: what passes, what fails either way, and what they say. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setup } from 'xstate';
import { host, hostPatch } from '../../actors/host/host-env.ts';
import { run } from '../../api/index.ts';
import '../../api/vitest.ts';
import type { Mechanism } from '../../sim/host/mechanism.ts';
import { mechanisms, register } from '../../sim/host/registry.ts';
import { always, eventually, sometimes } from '../../sim/property.ts';

const folder = mkdtempSync(join(tmpdir(), 'worldswitch-matchers-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));
const path = (name: string): string => join(folder, name);

const RACE = 'kexec-iommu-count';
const BROKEN = { variant: 'miscounted' };
const failure = (assertion: () => void): string => {
  try {
    assertion();
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('the assertion passed');
};

/** A message on one line: it is broken to fit a terminal. */
const inLine = (assertion: () => void): string => failure(assertion).replace(/\s+/g, ' ');

/** Two actors, each of which goes inside and out again; they should not both be inside. */
const inAndOut = setup({}).createMachine({
  id: 'guest',
  initial: 'before',
  states: {
    before: { meta: { offers: () => [{ type: 'exec', owed: true }] }, on: { exec: 'inside' } },
    inside: { meta: { offers: () => [{ type: 'exec', owed: true }] }, on: { exec: 'after' } },
    after: { tags: 'rest' },
  },
});
const toy: Mechanism = {
  name: 'toy',
  arches: ['amd'],
  options: { 'toy.guests': ['two', 'one'] },
  models: [
    {
      name: 'toy',
      properties: [
        always('toy.alone', {
          kinds: ['guest'],
          source: 'a test',
          grade: 'decision',
          check: (world) => (world.actors('guest').filter(({ value }) => value === 'inside').length > 1 ? 'both are inside' : null),
        }),
        eventually('toy.leaves', {
          kinds: ['guest'],
          source: 'a test',
          grade: 'decision',
          check: (world) => (world.actors('guest').every(({ value }) => value === 'after') ? 'all have left' : null),
        }),
        sometimes('toy.meets', { kinds: ['guest'], source: 'a test', grade: 'decision', check: () => null }),
      ],
      topology: ({ host: { options } }) => ({
        actors: ((options as unknown as Record<string, string>)['toy.guests'] === 'one' ? [0] : [0, 1]).map((i) => ({
          id: `guest:${i}`,
          kind: 'guest',
          input: null,
        })),
        machines: { guest: inAndOut as never },
        catalogue: { exec: 'offer' },
      }),
    },
  ],
};
let unregister = (): void => {};
beforeAll(() => {
  unregister = register(toy);
});
afterAll(() => unregister());

const TOY = `name: toy
summary: Two guests at one door
model: toy
host: { arch: amd }
variants: { two: { toy.guests: two }, one: { toy.guests: one } }
properties: { always: [toy.alone] }
`;
const ONE = { variant: 'one' };

describe('toBeClean()', () => {
  it('passes where nothing breaks, for a name, a path, a text and an object', () => {
    writeFileSync(path('toy.yaml'), TOY);
    expect(TOY).toBeClean(ONE);
    expect(path('toy.yaml')).toBeClean(ONE);
    expect({ name: 'toy', summary: 's', model: 'toy', host: { arch: 'amd' } }).toBeClean();
    expect(RACE).toBeClean({ variant: 'reclaimed' });
    expect(TOY).toBeClean({ deviations: 0 });
  });

  it('fails with the least deviating counterexample as a story, and the commands that show it', () => {
    const message = failure(() => expect(RACE).toBeClean(BROKEN));
    expect(message).toContain(`${RACE} (miscounted) is not clean: rmp.host-panic breaks in 21 steps, 0 disturbances, 0`);
    expect(message).toMatch(/rmp\.host-panic broke at step 21\n {2}\S/);
    expect(message).toMatch(/^ +21 {2}pcpu:0 {2}thread:admin\/0 {2}kexec > exc_page_fault > panic/m);
    expect(message).toContain('Removed by variant reclaimed');
    expect(message).toContain(`See it: worldswitch explore ${RACE} --variant miscounted`);
    const [, schedule] = /worldswitch run kexec-iommu-count --variant miscounted --schedule '?([^'\s]+)/.exec(message)!;
    expect(run(RACE, { ...BROKEN, schedule: schedule! }).violation?.property).toBe('rmp.host-panic');
    expect(message.split('\n').every((line) => line.length <= 100)).toBe(true);
  });

  it('fails, with and without not, where the search was cut short', () => {
    const cut = { ...ONE, statesMax: 1 };
    expect(failure(() => expect(TOY).toBeClean(cut))).toContain('toy (one) was not searched to the end (states)');
    expect(failure(() => expect(TOY).not.toBeClean(cut))).toContain('was not searched to the end');
  });

  it('fails, with and without not, where the search does not decide all that is asked', () => {
    const owed = TOY.replace('always: [toy.alone]', 'eventually: [toy.leaves]');
    expect(owed).toBeClean(ONE);
    const within = { ...ONE, deviations: 0 };
    expect(failure(() => expect(owed).toBeClean(within))).toContain('was searched, and that does not decide toy.leaves');
    expect(failure(() => expect(owed).not.toBeClean(within))).toContain('does not decide toy.leaves');
  });

  it('fails where the race never happens', () => {
    const never = TOY.replace('always: [toy.alone]', 'sometimes: [toy.meets]');
    expect(failure(() => expect(never).toBeClean())).toContain('never meets toy.meets: the race does not happen');
  });

  it('turns round by not', () => {
    expect(TOY).not.toBeClean();
    expect(failure(() => expect(TOY).not.toBeClean(ONE))).toContain('toy (one) is clean under all schedules; expected something to break');
  });

  it.each([
    [{ varaint: 'miscounted' }, 'toBeClean(): found "varaint"; expected an option'],
    [{ statesMax: '5' }, 'toBeClean(): statesMax: found "5"; expected an integer from 1'],
    [{ preemptions: -1 }, 'toBeClean(): preemptions: found -1; expected an integer from 0'],
    [{ models: ['./x.js'] }, 'toBeClean(): models: found ["./x.js"]; expected a map'],
    [null, 'toBeClean(): found null as options; expected a map'],
  ])('is refused with options that it does not have, as %j', (options, says) => {
    expect(failure(() => expect(RACE).toBeClean(options as never))).toContain(says);
    expect(failure(() => expect(RACE).not.toBeClean(options as never))).toContain(says);
    expect(failure(() => expect(RACE).toBreak('deadlock', options as never))).toContain(says.replace('toBeClean', 'toBreak'));
  });

  it('is refused with what is no scenario', () => {
    expect(failure(() => expect(7).toBeClean())).toContain('found 7; expected a scenario');
    expect(failure(() => expect('no-such-one').toBeClean())).toContain('found "no-such-one"');
    expect(failure(() => expect(path('none.yaml')).toBeClean())).toContain('no such file');
  });
});

describe('toBreak()', () => {
  it('passes where the property breaks, by as much as is named', () => {
    expect(TOY).toBreak('toy.alone');
    expect(TOY).toBreak('toy.alone', { preemptions: 0, switches: 1, disturbances: 0, steps: 2 });
    expect(TOY).not.toBreak('toy.alone', ONE);
  });

  it('tells what differs, with the counterexample', () => {
    const message = inLine(() => expect(path('toy.yaml')).toBreak('toy.alone', { preemptions: 2, steps: 2 }));
    expect(message).toContain('1 switch: 0 preemptions; expected 2 toy.alone broke at step 2 both are inside');
    expect(message).toContain(`See it: worldswitch explore ${path('toy.yaml')}`);
    expect(inLine(() => expect(TOY).not.toBreak('toy.alone'))).toContain('1 switch; expected it to hold');
  });

  it('tells what breaks instead', () => {
    expect(inLine(() => expect(TOY).toBreak('deadlock'))).toContain('breaks deadlock under no schedule, but toy.alone breaks in 2 steps');
  });

  it('refuses a property that the scenario does not check, with and without not', () => {
    expect(failure(() => expect(RACE).toBreak(undefined as never))).toBe('toBreak(): found undefined; expected the name of a property');
    expect(failure(() => expect(TOY).not.toBreak('toy.alon'))).toContain('did you mean "toy.alone"?');
    expect(failure(() => expect(TOY).toBreak('toy.meets'))).toContain('expected a property that the scenario checks');
  });

  it('fails either way where the search was cut short before it broke', () => {
    const cut = { statesMax: 1 };
    expect(inLine(() => expect(TOY).toBreak('toy.alone', cut))).toContain('and toy.alone has not broken');
    expect(inLine(() => expect(TOY).not.toBreak('toy.alone', cut))).toContain('was not searched to the end');
  });
});

describe('toReplay()', () => {
  it('passes for the journal of a run of the scenario, and fails for one of another', () => {
    run(TOY, { file: path('toy.wsj') }).journal.close();
    expect(TOY).toReplay(path('toy.wsj'));
    const changed = TOY.replace('two: { toy.guests: two }', 'two: { toy.guests: one }');
    expect(failure(() => expect(changed).toReplay(path('toy.wsj')))).toContain('the scenario has changed since: host differ');
    const allowing = `${TOY}allow: [interrupt]\n`;
    expect(failure(() => expect(allowing).toReplay(path('toy.wsj')))).toContain('the scenario has changed since: allow differ');
    expect(failure(() => expect(TOY).toReplay(path('toy.wsj'), ONE))).toContain('it is of the variant two, and not of one');
    expect(failure(() => expect(RACE).toReplay(path('toy.wsj')))).toContain('it is of toy, and not of kexec-iommu-count');
    expect(failure(() => expect(TOY).not.toReplay(path('toy.wsj')))).toContain('every digest is equal; expected a difference');
  });

  it('refuses what is no place of one', () => {
    expect(failure(() => expect(RACE).toReplay(undefined as never))).toMatch(
      /^found undefined as a journal; expected the path of its file/,
    );
  });

  it('tells the step that differs', () => {
    run(TOY, { file: path('other.wsj') }).journal.close();
    unregister();
    const after = { ...inAndOut.config, states: { ...inAndOut.config.states, inside: inAndOut.config.states!.before } } as never;
    const { topology, ...model } = toy.models![0]!;
    const changed = (scenario: Parameters<typeof topology>[0]) => ({
      ...topology(scenario),
      machines: { guest: setup({}).createMachine(after) as never },
    });
    const undo = register({ ...toy, models: [{ ...model, topology: changed }] });
    try {
      expect(failure(() => expect(TOY).toReplay(path('other.wsj')))).toMatch(/step 2 \(exec\(guest:0\)\) differs: /);
    } finally {
      undo();
      unregister = register(toy);
    }
  });
});

describe('modules of a test', () => {
  const early = hostPatch((path) => ({ ...path, items: [host.step('look_twice'), ...path.items] }));
  const mechanism = {
    name: 'early',
    arches: ['amd'],
    options: { 'my.look': ['once', 'twice'] },
    patch: ({ host: { options } }: { host: { options: Record<string, string> } }) =>
      options['my.look'] === 'twice' ? { paths: { __sev_snp_shutdown_locked: [early] } } : {},
    variants: { [RACE]: { twice: { 'my.look': 'twice', 'host.snpFirmware': '1.52' } } },
  };

  it('take part in one assertion, and stand in the commands that it prints', () => {
    writeFileSync(path('early.js'), '// its text is only hashed here');
    const models = { [path('early.js')]: { mechanism } };
    const before = mechanisms().length;
    expect(RACE).toBreak('rmp.host-panic', { variant: 'twice', models, steps: 22 });
    const message = failure(() => expect(RACE).toBeClean({ variant: 'twice', models }));
    expect(message.replace(/\\\n +/g, '')).toContain(`--variant twice --models ${path('early.js')}`);
    expect(mechanisms()).toHaveLength(before);
    expect(failure(() => expect(RACE).toBeClean({ models: { [path('none.js')]: { mechanism } } }))).toContain('none.js');
    expect(mechanisms()).toHaveLength(before);
  });
});
