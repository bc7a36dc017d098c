/** Whether VMs, programs and properties fit the options of the host, in each variant. */
import type { HostOptions } from '../../../events/options.ts';
import { vcpuNamed } from '../../scenario/fields.ts';
import { listed, type PathIssue, shown } from '../../scenario/issues.ts';
import type { HostStep } from '../../scenario/program.ts';
import type { Scenario } from '../../scenario/types.ts';
import { PLATFORM_OPS } from './platform.ts';
import { SNP_VM } from './sections.ts';

/** An operation of a host program as it is written, in a loop or not. */
interface Written {
  readonly name: string;
  readonly vm?: string;
  readonly vcpu?: string;
}

function writtenIn(program: readonly HostStep[]): readonly Written[] {
  return program.flatMap((step) => {
    if ('repeat' in step) return writtenIn(step.repeat.do);
    if ('choose' in step) return step.choose.of.flatMap(writtenIn);
    return Object.entries(step).map(([name, given]) => ({ ...(given as object), name }));
  });
}

/** What lets the kernel enable SNP, the driver initialize it, and KVM create an SNP VM. */
const GATES = {
  'host.iommu': ['enforcing'],
  'host.rmpTable': ['covers-ram'],
  'host.snpFirmware': ['1.55', '1.53', '1.52', '1.51'],
  'kvm.sevSnp': ['on'],
} as const satisfies { readonly [K in keyof HostOptions]?: readonly HostOptions[K][] };

/** Where each value that an option has in some variant stands. */
function valuesOf({ host, variants = {} }: Scenario, name: keyof HostOptions): readonly (readonly [PathIssue['path'], unknown])[] {
  const own = Object.entries(variants).map(([variant, options]) => [['variants', variant, name], options[name]] as const);
  const isOverridden = own.length > 0 && own.every(([, value]) => value !== undefined);
  return [...(isOverridden ? [] : [[['host', 'options', name], host.options?.[name]] as const]), ...own];
}

/** A VM that has been launched, on a host on which SNP cannot be on. */
function gateIssues(scenario: Scenario, vm: string, programs: readonly Written[]): PathIssue[] {
  const found = programs.find(({ name }) => (PLATFORM_OPS as readonly string[]).includes(name));
  if (found === undefined) return [];
  return Object.entries(GATES).flatMap(([name, open]) =>
    valuesOf(scenario, name as keyof typeof GATES)
      .filter(([, value]) => value !== undefined && !(open as readonly unknown[]).includes(value))
      .map(([path, value]) => ({
        path,
        message: `found ${shown(value)} beside ${found.name}; expected ${listed(open)}: ${vm} is an SNP VM that has been launched, so SNP is on`,
      })),
  );
}

const FREED = 'rmp.freed-frame-is-hypervisors';
const FREES: readonly string[] = ['punch-hole', 'unregister-region'];

/**
 * Without a guest_memfd nothing says whether a frame that was freed is a guest's because the guest
 * has touched it again, or because it has been one all the time.
 */
function freedIssues(scenario: Scenario, programs: readonly Written[]): PathIssue[] {
  const index = (scenario.properties?.always ?? []).findIndex((name) => name === FREED || name === 'rmp.*');
  const isMapped = valuesOf(scenario, 'kvm.privateMemory').some(([, value]) => value !== 'guest-memfd');
  if (index < 0 || !isMapped) return [];
  const freed = programs.find(
    ({ name, vm }) => FREES.includes(name) && programs.some(({ name, vcpu }) => name === 'KVM_RUN' && vcpuNamed(vcpu!).vm === vm),
  );
  if (freed === undefined) return [];
  const why = `the guest can take the frame again, and without a guest_memfd it counts as free all the same`;
  return [
    {
      path: ['properties', 'always', index],
      message: `found ${FREED} beside ${freed.name} and KVM_RUN of ${freed.vm}; expected kvm.privateMemory guest-memfd, or neither: ${why}`,
    },
  ];
}

export function optionIssues(scenario: Scenario): PathIssue[] {
  const { vms = {}, processes = {} } = scenario;
  const snp = Object.keys(vms).find((id) => vms[id]!.type === SNP_VM);
  if (snp === undefined) return [];
  const programs = Object.values(processes).flatMap(({ threads }) => threads.flatMap(writtenIn));
  return [...gateIssues(scenario, snp, programs), ...freedIssues(scenario, programs)];
}
