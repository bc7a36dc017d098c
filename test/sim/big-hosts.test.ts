/** Hosts of 1,024 CPUs, vCPUs and threads run; one more of any is refused. */
import { describe, expect, it } from 'vitest';
import { loadScenario } from '../../sim/scenario/load.ts';
import { bigHost, bigHostText } from './big-host.ts';
import { engineOf, KNOWN, play } from './play.ts';

const loaded = (text: string) => () => loadScenario(text, 'big-host.yaml', KNOWN);

describe('a host of 1,024 CPUs, vCPUs and threads', { timeout: 60_000 }, () => {
  const scenario = bigHost({ cpus: 1024 });

  it.each(['fifo', 'random', 'random-uniform'] as const)('runs under %s', (name) => {
    const chooser = name === 'fifo' ? { name } : { name, seed: 1 };
    const { run, end } = play(scenario, chooser, engineOf(scenario, 'memo'), ({ sequencer }) => sequencer.step >= 200);
    expect([end.ended, run.sequencer.step]).toEqual(['stopped', 200]);
    expect(run.sequencer.count).toBeGreaterThan(1024);
  });
});

describe('a host that is too big', () => {
  it('of 1,025 CPUs is refused by one error', () => {
    expect(loaded(bigHostText({ cpus: 1025, vcpus: 2 }))).toThrow(
      'the scenario has 1 mistake\n  big-host.yaml:3: host.cpus: found 1025; expected an integer from 1 to 1024',
    );
  });

  it('of 1,025 vCPUs and threads is refused by one error for each', () => {
    expect(loaded(bigHostText({ cpus: 2, vcpus: 1025 }))).toThrow(
      [
        'the scenario has 2 mistakes',
        '  big-host.yaml:7: vms.vm0.vcpus: found a list; expected at most 1024 entries',
        '  big-host.yaml:1035: processes.vmm.threads: found a list; expected at most 1024 entries',
      ].join('\n'),
    );
  });
});
