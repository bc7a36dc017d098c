/** The commands: name, summary, and how to load the rest when it is called. */
import type { CommandEntry } from './command.ts';

export const COMMANDS: readonly CommandEntry[] = [
  { name: 'scenarios', summary: 'list the shipped scenarios, or print one', load: () => import('./scenarios.ts') },
  { name: 'check', summary: 'check scenario files: keys, values, names', load: () => import('./check.ts') },
  { name: 'run', summary: 'run a scenario once and write its journal', load: () => import('./run.ts') },
  { name: 'import', summary: 'follow a recording of a real kernel: its schedule as a run', load: () => import('./import.ts') },
  { name: 'replay', summary: 're-execute a journal and compare every digest', load: () => import('./replay.ts') },
  { name: 'inject', summary: 'replace one choice of a recorded run and see what changes', load: () => import('./inject.ts') },
  { name: 'show', summary: 'show a journal: facts, records, one state, where one can inject', load: () => import('./show.ts') },
  { name: 'verify', summary: 'verify a journal, a scenario, or everything below a folder', load: () => import('./verify.ts') },
  { name: 'explore', summary: 'search every interleaving: a shortest counterexample, or a guarantee', load: () => import('./explore.ts') },
  { name: 'compare', summary: 'explore every variant of a scenario, in one table', load: () => import('./compare.ts') },
  { name: 'shrink', summary: 'the least deviating run that breaks the same property', load: () => import('./shrink.ts') },
  { name: 'diff', summary: 'where two journals part, and what only one did', load: () => import('./diff.ts') },
  { name: 'machines', summary: 'print the statecharts of the actors', load: () => import('./machines.ts') },
  { name: 'paths', summary: 'print kernel paths as pseudo-code, and what can be patched in them', load: () => import('./paths.ts') },
  { name: 'export', summary: 'write a journal as a timeline for other tools', load: () => import('./export.ts') },
  { name: 'conform', summary: 'hold recordings of real kernels against the model', load: () => import('./conform.ts') },
  { name: 'attest', summary: 'decode an attestation report, and verify who has signed it', load: () => import('./sev-snp/attest.ts') },
  { name: 'serve', summary: 'serve runs over HTTP, recorded or live', load: () => import('./serve.ts') },
  { name: 'runs', summary: 'list the journals of ./worldswitch-runs, the newest first', load: () => import('./runs.ts') },
  {
    name: 'launch-digest',
    summary: 'what the firmware measures of an SNP guest, page by page',
    load: () => import('./sev-snp/launch-digest.ts'),
  },
  { name: 'id-block', summary: 'make or check the ID block of an SNP guest', load: () => import('./sev-snp/id-block.ts') },
  { name: 'id-auth', summary: 'sign the ID block of an SNP guest, or check who has', load: () => import('./sev-snp/id-auth.ts') },
  { name: 'schema', summary: 'print the JSON Schema of scenario files', load: () => import('./schema.ts') },
  {
    name: 'completion',
    summary: 'print what completes commands in a shell',
    load: async () => ({ COMMAND: (await import('./completion.ts')).completionOf(COMMANDS) }),
  },
  { name: 'demo', summary: 'a race from start to end: run, replay, inject', load: () => import('./demo.ts') },
];
