/**
 * `launch-digest`: what the firmware measures of a guest, page by page, from a list of pages or for
 * a VM of a scenario.
 */
import { dirname } from 'node:path';
import { extendDigest, FIRST_DIGEST, type LaunchPage } from '../../actors/sev-snp/firmware/launch-digest.ts';
import { launchPagesOf } from '../../sim/mechanisms/sev-snp/launch-pages.ts';
import { knownProperties } from '../../sim/properties/index.ts';
import { unknownName } from '../../sim/scenario/issues.ts';
import { loadScenario } from '../../sim/scenario/load.ts';
import type { ResolvedScenario } from '../../sim/scenario/types.ts';
import { loadReference, looksLikePath, readText, resolved, type Selection } from '../catalog.ts';
import { type Call, type Command, SCENARIO_OPTIONS } from '../command.ts';
import { EXIT, usageError } from '../errors.ts';
import type { Io } from '../io.ts';
import { hexOf } from './bytes.ts';
import { launchPages } from './page-files.ts';
import { LIST_BYTES_MAX, parsePageList } from './page-list.ts';

interface Options extends Selection {
  readonly vm?: string;
}

interface Measured {
  /** Null for a list. */
  readonly vm: string | null;
  readonly start: Uint8Array;
  readonly pages: Iterable<LaunchPage>;
}

const NO_LAUNCH = { attempt: 'options: { launch: { pages: [{ type: normal, gfn: 0x800, fill: 0 }] } } in a VM of type snp' };

/** The VM that is named, or the only one with a launch. */
function ofScenario(scenario: ResolvedScenario, name: string | undefined): Measured {
  const { vms } = scenario;
  const measured = vms.flatMap((vm) => {
    const pages = launchPagesOf(scenario, vm);
    return pages === undefined ? [] : [{ vm: vm.id, start: FIRST_DIGEST, pages }];
  });
  const names = vms.map(({ id }) => id);
  if (name !== undefined && !names.includes(name)) throw usageError(`--vm: ${unknownName(name, 'a VM of the scenario', names)}`);
  const found = name === undefined ? measured : measured.filter(({ vm }) => vm === name);
  if (found.length > 1) {
    throw usageError(`${found.length} VMs have a launch: ${found.map(({ vm }) => vm).join(', ')}`, { expected: '--vm with one of them' });
  }
  if (found.length === 0) throw usageError(`${name ?? 'no VM of the scenario'} has ${name === undefined ? 'a' : 'no'} launch`, NO_LAUNCH);
  return found[0]!;
}

function measuredIn(reference: string, options: Options, io: Io): Measured {
  if (reference !== '-' && !looksLikePath(reference) && !reference.endsWith('.json')) {
    return ofScenario(resolved(loadReference(reference, io).scenario, options), options.vm);
  }
  // A pipe can be read once, so what it holds decides what it is.
  const { text, file, path } = readText(reference, io, LIST_BYTES_MAX);
  if (text.trim() === '') throw usageError(`${file} is empty`, { expected: 'a list of pages, or a scenario' });
  if (!reference.endsWith('.json') && !text.trimStart().startsWith('[')) {
    return ofScenario(resolved(loadScenario(text, file, knownProperties()), options), options.vm);
  }
  const scenarioOption = (['vm', 'variant', 'set'] as const).find((key) => options[key] !== undefined);
  if (scenarioOption !== undefined) throw usageError(`--${scenarioOption} is for a scenario; ${file} is a list of pages`);
  const { start, pages } = parsePageList(text, file);
  return { vm: null, start: start ?? FIRST_DIGEST, pages: launchPages(path === null ? io.cwd : dirname(path), pages) };
}

function run({ io, out, json, args, options }: Call): number {
  const { vm, start, pages } = measuredIn(args[0]!, options as Options, io);
  let digest = start;
  const steps: { readonly digest: string; readonly page: LaunchPage }[] = [];
  for (const page of pages) {
    digest = extendDigest(digest, page);
    steps.push({ digest: hexOf(digest), page });
  }
  if (json) out.json({ ...(vm !== null && { vm }), digest: hexOf(digest), steps: steps.map((step) => step.digest) });
  else {
    for (const step of steps) out.line(`${step.digest}  ${step.page.type} 0x${step.page.gpa.toString(16)}`);
    out.line(`${hexOf(digest)}  launch digest${vm === null ? '' : ` of ${vm}`}`);
  }
  return EXIT.ok;
}

export const COMMAND: Command = {
  operands: '<list-or-scenario>',
  details: [
    'A list is JSON: [{"type": "normal", "gpa": "0x800000", "fill": 0}, …], in the order of the launch. `type` is normal, vmsa, zero, unmeasured, secrets or cpuid. One of `sha384` (hex, of the page), `fill` (a byte, 0 to 255) and `file` says what the page holds; for types but normal and vmsa it is not measured, and may be absent. A file lies below the folder of the list (of the current folder for `-`); of a multiple of 4096 bytes, it is as many pages, one behind the other. A VMSA without `gpa` is where KVM puts it. `imi` (true or false) and `vmpl1`, `vmpl2`, `vmpl3` (0 to 255) are 0 by default. {"start": "hex digest"} as first element goes on from there. At most 65536 pages.',
    'Of a scenario: the VM with `launch` in its options; --vm names one of several. The VMSAs of its vCPUs follow the pages.',
    'Prints the digest behind each page, and at the end.',
  ],
  options: [
    { flags: '--vm <name>', description: 'the VM of a scenario, if several have a launch' },
    ...SCENARIO_OPTIONS.filter(({ flags }) => !flags.startsWith('--mutant')),
  ],
  examples: [
    ['launch-digest pages.json', 'the digest behind each page of a list'],
    ['launch-digest - --json', 'a list from standard input; for programs: {digest, steps}'],
    ['launch-digest guest.yaml --vm vm0', 'of a VM of a scenario, with the VMSAs of its vCPUs'],
  ],
  run,
};
