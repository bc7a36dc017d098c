/** Settings of an Intel host that contradict each other. */
import type { HostOptions } from '../../../events/options.ts';
import type { PathIssue } from '../../scenario/issues.ts';
import { hostOptions, KERNEL_DEFAULT } from '../../scenario/presets.ts';
import type { Scenario } from '../../scenario/types.ts';

/** The series stand on the flag of the task, which generation 2 of the warning does not have. */
function virtWithoutFlag(options: HostOptions): boolean {
  return options['kvm.sldVirt'] !== 'none' && options['host.sld'] === 'warn' && options['host.sldWarn'].startsWith('gen2');
}

export function checks({ host, variants }: Scenario): PathIssue[] {
  const cases: [PathIssue['path'], Partial<HostOptions>][] =
    variants === undefined
      ? [[['host', 'options'], {}]]
      : Object.entries(variants)
          .map(([name, options]) => [['variants', name], options] as const)
          .map(([path, options]) => [path, options]);
  return cases.flatMap(([path, variant]): PathIssue[] => {
    const options = hostOptions(host.arch, host.kernel ?? KERNEL_DEFAULT, host.options ?? {}, variant);
    if (!virtWithoutFlag(options)) return [];
    return [
      {
        path: [...path, 'kvm.sldVirt'],
        message: `found ${options['kvm.sldVirt']} with host.sldWarn ${options['host.sldWarn']}; expected gen1 or gen1-atomic: the series keep the flag of the task`,
      },
    ];
  });
}
