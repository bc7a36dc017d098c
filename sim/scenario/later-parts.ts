/**
 * What a journal's scenario lacks because it came after the journal, with the value that a scenario
 * has which does not say.
 */
import type { GuestOp, HostOp, Program } from '../../events/program.ts';
import { optionsOf } from './presets.ts';
import type { GuestStep, HostStep } from './program.ts';
import { archIn } from './schema.ts';
import { resolveSettings, sectionsWith } from './sections.ts';
import type { ResolvedScenario, ResolvedVm, Scenario, VmSource } from './types.ts';

const CONTROL: ReadonlySet<string> = new Set(['next', 'choose', 'jump', 'end']);

/** The operations of a program as a file has them, in order; of its loops and choices nothing. */
const stepsOf = <Step>({ ops }: Program<GuestOp> | Program<HostOp>): Step[] =>
  (ops as readonly { readonly op: string }[]).flatMap(({ op, ...fields }) => (CONTROL.has(op) ? [] : [{ [op]: fields } as Step]));

const vmAsWritten = ({ type, settings = {}, vcpus }: ResolvedVm): VmSource => ({
  type,
  options: settings,
  vcpus: vcpus.map((program) => stepsOf<GuestStep>(program)),
});

/** The scenario without its sections, for functions that take one as a file has it. */
const asWritten = ({ name, summary, host, vms, processes }: ResolvedScenario): Scenario => ({
  name,
  summary,
  host,
  vms: Object.fromEntries(vms.map((vm) => [vm.id, vmAsWritten(vm)])),
  processes: Object.fromEntries(
    processes.map(({ id, threads }) => [id, { threads: threads.map(({ program }) => stepsOf<HostStep>(program)) }]),
  ),
});

/** With the settings of a VM that came later. The journal's own are kept as they are. */
function withLaterSettings(arch: ResolvedScenario['host']['arch'], vm: ResolvedVm, index: number): ResolvedVm {
  const settings = { ...resolveSettings(arch, vmAsWritten(vm), index + 1), ...vm.settings };
  return Object.keys(settings).length > 0 ? { ...vm, settings } : vm;
}

/**
 * With the defaults of options, settings and sections that came later. Presets of a kernel count
 * for nothing: the host of the journal did without the option.
 * @throws MechanismError if a mechanism gives what its own schema refuses
 */
export function withLaterParts(scenario: ResolvedScenario): ResolvedScenario {
  const { host, vms } = scenario;
  const defaults = Object.fromEntries(Object.entries(optionsOf(host.arch)).map(([name, values]) => [name, values[0]]));
  const sections = sectionsWith(scenario.sections ?? {}, asWritten(scenario));
  return {
    ...scenario,
    host: { ...host, options: { ...defaults, ...host.options } },
    vms: vms.map((vm, index) => withLaterSettings(host.arch, vm, index)),
    ...(Object.keys(sections).length > 0 && { sections }),
  };
}

/** Options of its host that an unchecked scenario of a journal lacks, with their defaults. */
export function laterOptions(scenario: unknown): string[] {
  const arch = archIn(scenario);
  const { options } = (scenario as { readonly host?: { readonly options?: unknown } } | null)?.host ?? {};
  if (arch === null || typeof options !== 'object' || options === null) return [];
  return Object.entries(optionsOf(arch)).flatMap(([name, values]) => (Object.hasOwn(options, name) ? [] : [`${name} (${values[0]})`]));
}
