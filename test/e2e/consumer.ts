/**
 * A program of a user who installed the package, as text: the checkout itself could resolve what an
 * installed package does not export.
 */

export const PROGRAM = `
import { compare, openJournal, openRun, type RunEnd, run, type Scenario } from 'worldswitch';
import { host, type HostLocals, lockMutex, type Mechanism, opOf, vcpuLoad } from 'worldswitch/extend';
import { foldAll } from 'worldswitch/journal';
import { project, recordingOf } from 'worldswitch/timeline';

declare module 'worldswitch/extend' {
  interface HostLocals {
    readonly mine?: number | undefined;
  }
  interface MechanismOptions {
    readonly 'mine.how': 'so' | 'otherwise';
  }
  interface HostOpsOf {
    readonly mine: { readonly op: 'mine' };
  }
  interface VmSettings {
    readonly mine: number;
  }
  interface ScenarioSections {
    readonly mine: { readonly sectors: number };
  }
  interface Vcpu {
    readonly mine?: number;
  }
  interface VmFacts {
    readonly mine?: number;
  }
  interface ExitInfoOf {
    readonly MINE: { readonly code: number };
  }
  interface VcpuRequests {
    readonly KVM_REQ_MINE: true;
  }
}

const mechanism: Mechanism = {
  name: 'mine',
  arches: ['amd'],
  options: { 'mine.how': ['so', 'otherwise'] },
  kvm: () => ({ exits: { MINE: () => [host.step('mine', { local: (_t, { exit }) => (exit?.reason === 'MINE' ? { mine: exit.info.code } : {}) })] } }),
  host: ({ host: { options } }) => ({
    operations: (env) => [
      [
        'mine',
        host.call(
          host.path('mine', { source: 'a test', grade: 'decision' }, [
            host.call(lockMutex(env)),
            host.call(vcpuLoad(env)),
            host.step('set', { local: (t, l: HostLocals) => ({ mine: (l.mine ?? 0) + (opOf(env, t).op === 'mine' ? 1 : 0), gfn: env.vms.vm0!.mine }) }),
          ], { locals: options['mine.how'] === 'so' ? ['mine'] : [] }),
        ),
      ],
    ],
  }),
};
const written: Scenario = { name: 'mine', summary: 'Mine', host: { arch: 'amd' }, mine: { sectors: 1 }, firmware: { state: 'INIT' } };

const opened = openRun('rmp-host-write-race');
const end: RunEnd = opened.toEnd();
const again = run('rmp-host-write-race');

// The types are known, not any.
// @ts-expect-error There is no such engine.
const wrong: Parameters<typeof run>[1] = { engine: 'fast' };
// @ts-expect-error Verdicts are no numbers.
const verdict: number = end.verdict;
// @ts-expect-error There is no such option.
export const row = () => compare({ ...written, variants: { other: { 'mine.how': 'never' } } });

const journal = openJournal(process.argv[2]!);
const events = [...project(recordingOf(journal))].length;
const { steps, digest } = again;
console.log(JSON.stringify({ verdict: end.verdict, steps, recorded: journal.steps, digest, events, folds: foldAll(journal).identical, name: mechanism.name }));
`;

/** Strict, and the declarations of every package are checked with it. */
export const tsconfigWith = (typeRoot: string): string =>
  JSON.stringify({
    compilerOptions: {
      target: 'ES2023',
      lib: ['ES2023'],
      module: 'NodeNext',
      strict: true,
      skipLibCheck: false,
      typeRoots: [typeRoot],
      types: ['node'],
      noEmitOnError: true,
      outDir: 'out',
    },
    files: ['program.ts'],
  });
