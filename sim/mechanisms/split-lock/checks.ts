/** Settings of an Intel host that contradict each other. */
import type { HostOptions } from '../../../events/options.ts';
import { SPLIT_LOCK_OPTIONS } from '../../../events/split-lock/sld-options.ts';
import { KERNEL_DEFAULT } from '../../scenario/fields.ts';
import type { PathIssue } from '../../scenario/issues.ts';
import { operationsIn, type Structure } from '../../scenario/lowered.ts';
import type { HostStep } from '../../scenario/program.ts';
import type { KernelVersion, Scenario } from '../../scenario/types.ts';

type Options = { readonly [K in keyof typeof SPLIT_LOCK_OPTIONS]: HostOptions[K] };

/**
 * What differs by kernel: 6.1.192 and the fix of 2025 have a work item for each CPU, 6.12.117 has
 * one for all.
 * @see domain C.3
 */
export const PRESETS: Readonly<Record<KernelVersion, { readonly 'host.sldWarn': HostOptions['host.sldWarn'] }>> = {
  '6.1': { 'host.sldWarn': 'gen2' },
  '6.6': { 'host.sldWarn': 'gen2-global' },
  '6.12': { 'host.sldWarn': 'gen2-global' },
  '6.14': { 'host.sldWarn': 'gen2-global' },
};

/** The series stand on the flag of the task, which generation 2 of the warning does not have. */
const lacksFlag = (options: Options): boolean =>
  options['kvm.sldVirt'] !== 'none' && options['host.sld'] === 'warn' && options['host.sldWarn'].startsWith('gen2');

/** Whether a program has an operation of this name, in a loop or not. */
const has = (program: readonly HostStep[], name: string): boolean =>
  program.some((step) => name in step || ('repeat' in step && has(step.repeat.do, name)));

/** Threads that wait to be thawed, where no program thaws. */
function frozenForEver(processes: NonNullable<Scenario['processes']>): PathIssue[] {
  const threads = Object.entries(processes).flatMap(([id, { threads }]) => threads.map((program, index) => ({ id, index, program })));
  if (threads.some(({ program }) => has(program, 'resume'))) return [];
  return threads
    .filter(({ program }) => has(program, 'frozen'))
    .map(({ id, index }) => ({
      path: ['processes', id, 'threads', index],
      message: 'found frozen, and no thread with resume; expected one that thaws it',
    }));
}

/** CPUs that go offline and were never there. */
export const offlineChecks = ({ cpus, processes }: Structure): PathIssue[] =>
  processes.flatMap(({ threads }) =>
    threads.flatMap(({ program }) =>
      [...operationsIn(program)].flatMap(({ op, path }) =>
        op.op === 'cpu-offline' && op.cpu >= cpus
          ? [{ path: [...path, 'cpu'], message: `found ${op.cpu}; expected 0 to ${cpus - 1}: a CPU of the host` }]
          : [],
      ),
    ),
  );

export function checks({ host, processes = {}, variants }: Scenario): PathIssue[] {
  const defaults = Object.fromEntries(Object.entries(SPLIT_LOCK_OPTIONS).map(([name, [value]]) => [name, value])) as Options;
  const common = { ...defaults, ...PRESETS[host.kernel ?? KERNEL_DEFAULT], ...host.options };
  const cases: readonly (readonly [PathIssue['path'], Partial<HostOptions>])[] = variants
    ? Object.entries(variants).map(([name, options]) => [['variants', name], options] as const)
    : [[['host', 'options'], {}]];
  const ofOptions = cases.flatMap(([path, variant]): PathIssue[] => {
    const options: Options = { ...common, ...variant };
    const found = `found ${options['kvm.sldVirt']} with host.sldWarn ${options['host.sldWarn']}`;
    return [
      ...(lacksFlag(options)
        ? [{ path: [...path, 'kvm.sldVirt'], message: `${found}; expected gen1 or gen1-atomic: the series keep the flag of the task` }]
        : []),
      ...(options['kvm.busLockExit'] === 'exit' && !(host.features ?? []).includes('bus-lock-detect')
        ? [{ path: [...path, 'kvm.busLockExit'], message: 'found exit; expected off: the host lacks the feature bus-lock-detect' }]
        : []),
    ];
  });
  return [...ofOptions, ...frozenForEver(processes)];
}
