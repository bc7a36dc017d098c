/** Whether pages, ASIDs and what programs say of them fit each other. */
import type { ControlOp, GuestOp, HostOp } from '../../../events/program.ts';
import { REGION_FRAMES, regionOf } from '../../../events/sev-snp/rmp.ts';
import { hex, type Path, type PathIssue } from '../../scenario/issues.ts';
import { allOperations, operationsIn, type Structure } from '../../scenario/lowered.ts';
import { commandIssues } from './command-operation.ts';
import { ghcbIssues } from './ghcb-checks.ts';
import { launchPfns } from './launch-facts.ts';
import { launchedPages, launchIssues } from './launch-sections.ts';
import { legacyIssues } from './legacy-operation.ts';
import { mappingIssues } from './mappings.ts';
import { platformIssues } from './platform-checks.ts';
import { requestIssues } from './request-topology.ts';
import { commandBuffers, type FirmwarePageSetup, framesOf, isAlias, SNP_VM, SVM_VM, snpSettingsOf } from './sections.ts';

/** Notes each number with its owner and refuses one that stands for two things. */
const unique = (issues: PathIssue[], what: string) => {
  const owners = new Map<number, string>();
  return (value: number, owner: string, path: Path): void => {
    const other = owners.get(value);
    if (other === undefined) owners.set(value, owner);
    else issues.push({ path, message: `found ${what} ${hex(value)} of ${owner}; expected another: ${other} has it` });
  };
};

/** PFNs of all, GFNs of a VM and ASIDs that stand for two things. */
function duplicates({ vms, sections, sectionsPath }: Structure, firmware: readonly FirmwarePageSetup[]): PathIssue[] {
  const issues: PathIssue[] = [];
  const addPfn = unique(issues, 'PFN');
  const addAsid = unique(issues, 'ASID');
  for (const vm of vms) {
    const { asid, pages } = snpSettingsOf(vm);
    addAsid(asid, vm.id, [...vm.settingsPath, 'asid']);
    const addGfn = unique(issues, 'GFN');
    pages.forEach((page, index) => {
      const path = [...vm.settingsPath, 'pages', index];
      for (const { gfn, pfn } of framesOf(page)) {
        addGfn(gfn, `page ${index}`, [...path, 'gfn']);
        if (isAlias(page)) continue;
        addPfn(pfn, `GFN ${hex(gfn)} of ${vm.id}`, [...path, 'pfn']);
      }
    });
  }
  for (const { id, settings, settingsPath } of vms) {
    (snpSettingsOf({ settings }).vmcbs ?? []).forEach((first, index) => {
      for (const pfn of [first, first + 1]) addPfn(pfn, `VMCB ${index} of ${id}`, [...settingsPath, 'vmcbs', index]);
    });
  }
  for (const vm of vms) for (const pfn of launchPfns(vm)) addPfn(pfn, `the launch of ${vm.id}`, [...vm.settingsPath, 'launch']);
  firmware.forEach(({ pfn }, index) => {
    addPfn(pfn, `page ${index} of firmware`, [...sectionsPath, 'firmware', 'pages', index, 'pfn']);
  });
  (sections.firmware?.guests ?? []).forEach(({ pfn }, index) => {
    addPfn(pfn, `guest ${index} of firmware`, [...sectionsPath, 'firmware', 'guests', index, 'pfn']);
  });
  for (const pfn of commandBuffers(sections.firmware)) addPfn(pfn, 'the command buffers', [...sectionsPath, 'firmware', 'commandBuffer']);
  (sections.firmware?.memory?.free ?? []).forEach((pfn, index) => {
    addPfn(pfn, `free frame ${index}`, [...sectionsPath, 'firmware', 'memory', 'free', index]);
  });
  return issues;
}

/**
 * 2M entries that are not aligned, or share their 2 MiB with frames that they do not name. A page
 * that is shared at the start is no entry yet.
 */
function hugeIssues({ vms, sectionsPath }: Structure, firmware: readonly FirmwarePageSetup[]): PathIssue[] {
  const pages = vms.flatMap((vm) => snpSettingsOf(vm).pages.map((page, index) => ({ page, path: [...vm.settingsPath, 'pages', index] })));
  const others = [
    ...pages.map(({ page, path }) => ({ pfn: page.pfn, path: [...path, 'pfn'] })),
    ...firmware.map(({ pfn }, index) => ({ pfn, path: [...sectionsPath, 'firmware', 'pages', index, 'pfn'] })),
  ];
  return pages
    .filter(({ page }) => page.frames !== undefined && !isAlias(page))
    .flatMap(({ page, path }) => [
      ...(['gfn', 'pfn'] as const)
        .filter((field) => page[field] % REGION_FRAMES !== 0)
        .map((field) => ({
          path: [...path, field],
          message: `found ${hex(page[field])}; expected a multiple of 0x200: the page is a 2M entry`,
        })),
      ...(page.state === 'vmsa' ? [{ path: [...path, 'state'], message: 'found "vmsa" of a 2M entry; expected a VMSA of 4K' }] : []),
      ...others
        .filter(({ pfn }) => page.state !== 'shared' && pfn !== page.pfn && regionOf(pfn) === regionOf(page.pfn))
        .map((other) => ({
          path: other.path,
          message: `found PFN ${hex(other.pfn)}; expected it outside of the 2M entry at PFN ${hex(page.pfn)}`,
        })),
    ]);
}

const SHOWN_MAX = 8;

/**
 * A page that an operation names and the VM does not have. Whether there is such a VM,
 * `structure.ts` checks.
 */
function missingPage(gfns: ReadonlyMap<string, ReadonlySet<number>>, vm: string, gfn: number, path: Path): PathIssue[] {
  const known = gfns.get(vm);
  if (known === undefined || known.has(gfn)) return [];
  const pages = [...known].slice(0, SHOWN_MAX).map(hex);
  const some = `${pages.length === 0 ? 'none' : pages.join(', ')}${known.size > pages.length ? ', …' : ''}`;
  return [{ path: [...path, 'gfn'], message: `found GFN ${hex(gfn)}; expected a page of ${vm} (${some})` }];
}

/** An alias without the page whose frame it has, and one that is a 2M entry. */
function aliasIssues({ vms }: Structure): PathIssue[] {
  return vms.flatMap((vm) => {
    const { pages } = snpSettingsOf(vm);
    const pfns = new Set(pages.filter((page) => !isAlias(page)).flatMap((page) => framesOf(page).map(({ pfn }) => pfn)));
    return pages.flatMap((page, index): PathIssue[] => {
      const path = [...vm.settingsPath, 'pages', index];
      const { pfn, frames } = page;
      if (!isAlias(page)) return [];
      if (frames !== undefined) return [{ path: [...path, 'frames'], message: `found ${frames}; expected none: an alias is of one frame` }];
      if (pfns.has(pfn)) return [];
      return [
        { path: [...path, 'pfn'], message: `found PFN ${hex(pfn)}; expected that of another page of ${vm.id}: the page is an alias` },
      ];
    });
  });
}

/** VMPLs of vCPUs that there are not, and of a VM without VMSAs. */
const vmplIssues = ({ vms }: Structure): PathIssue[] =>
  vms.flatMap((vm): PathIssue[] => {
    const { vmpls } = snpSettingsOf(vm);
    const path = [...vm.settingsPath, 'vmpls'];
    if (vmpls === undefined) return [];
    if (vm.type !== SNP_VM) return [{ path, message: `found vmpls; expected none: ${vm.id} is no SNP VM` }];
    if (vmpls.length <= vm.vcpus.length) return [];
    return [{ path, message: `found ${vmpls.length} VMPLs; expected at most ${vm.vcpus.length}: ${vm.id} has no more vCPUs` }];
  });

/** A load that expects what the guest has stored, and is not of private memory. */
const expectsOfShared = (op: GuestOp | HostOp | ControlOp, path: Path): PathIssue[] =>
  op.op === 'read' && op.expects !== undefined && !op.private
    ? [
        {
          path: [...path, 'expects'],
          message: `found "${op.expects}" of a shared page; expected it of a private one: others may store there`,
        },
      ]
    : [];

/** What KVM sees of a guest without encryption only: of others it is an NAE event. */
const BY_VMGEXIT: Readonly<Partial<Record<GuestOp['op'], string>>> = {
  out: 'VMGEXIT(IOIO_PROT)',
  in: 'VMGEXIT(IOIO_PROT)',
  mmio: 'VMGEXIT(MMIO_READ) or VMGEXIT(MMIO_WRITE)',
  'debug-exit': 'no debugger of user space: KVM_SET_GUEST_DEBUG fails for a guest with protected state',
};

/** Operations that guests of the one type have and guests of the other have not. */
function typeIssues({ vms }: Structure): PathIssue[] {
  return vms.flatMap(({ id, type, settings, settingsPath, vcpus }) => {
    const pages =
      type === SNP_VM || snpSettingsOf({ settings }).pages.length === 0
        ? []
        : [
            {
              path: [...settingsPath, 'pages'],
              message: `found pages; expected none: ${id} is no SNP VM, and the RMP holds none of its pages`,
            },
          ];
    if (type === SVM_VM) return pages;
    const operations = vcpus.flatMap((program) =>
      [...operationsIn(program)].flatMap(({ op, path }) => {
        const does = BY_VMGEXIT[op.op];
        return does === undefined
          ? []
          : [
              {
                path,
                message: `found ${op.op} in a guest of type ${type}; expected it in a VM of type ${SVM_VM}: what such a guest does is ${does}`,
              },
            ];
      }),
    );
    return [...pages, ...operations];
  });
}

export function pageChecks(structure: Structure): readonly PathIssue[] {
  const firmware = structure.sections.firmware?.pages ?? [];
  const pagesOf = structure.vms.map((vm) => [vm.id, snpSettingsOf(vm).pages] as const);
  const gfns = new Map(
    structure.vms.map((vm) => [vm.id, new Set([...snpSettingsOf(vm).pages.flatMap(framesOf), ...launchedPages(vm)].map(({ gfn }) => gfn))]),
  );
  const pfns = new Set(
    [...pagesOf.flatMap(([, pages]) => pages.flatMap(framesOf)), ...firmware, ...(structure.sections.firmware?.guests ?? [])].map(
      ({ pfn }) => pfn,
    ),
  );
  const heads = new Set(
    pagesOf.flatMap(([id, pages]) => pages.filter(({ frames }) => frames !== undefined).map(({ gfn }) => `${id} ${gfn}`)),
  );
  const own = [...structure.vms.flatMap((vm) => launchIssues(vm, SNP_VM)), ...requestIssues(structure), ...ghcbIssues(structure)];
  const vmcbs = structure.vms.flatMap(({ settings, settingsPath, vcpus }): PathIssue[] => {
    const { vmcbs: given = [] } = snpSettingsOf({ settings });
    if (given.length === 0 || given.length === vcpus.length) return [];
    return [{ path: [...settingsPath, 'vmcbs'], message: `found ${given.length} VMCBs; expected one for each of ${vcpus.length} vCPUs` }];
  });
  const kept = structure.vms.flatMap(({ settings, settingsPath }) =>
    (snpSettingsOf({ settings }).keptOn ?? []).flatMap((cpu, index): PathIssue[] =>
      cpu < structure.cpus
        ? []
        : [{ path: [...settingsPath, 'keptOn', index], message: `found ${cpu}; expected a CPU below ${structure.cpus}, the host's cpus` }],
    ),
  );
  const issues = [
    ...duplicates(structure, firmware),
    ...aliasIssues(structure),
    ...vmplIssues(structure),
    ...hugeIssues(structure, firmware),
    ...typeIssues(structure),
    ...platformIssues(structure),
    ...mappingIssues(structure),
    ...vmcbs,
    ...kept,
    ...own,
  ];
  for (const { op, path, vm } of allOperations(structure)) {
    issues.push(...commandIssues(op, path, pfns), ...expectsOfShared(op, path));
    issues.push(...legacyIssues(op, path, pfns, structure.sections.firmware));
    if ('gfn' in op && op.op !== 'psc-entry' && vm !== null) issues.push(...missingPage(gfns, vm, op.gfn, path));
    if (op.op === 'punch-hole' && op.size === '2M' && !heads.has(`${op.vm} ${op.gfn}`)) {
      issues.push({
        path: [...path, 'gfn'],
        message: `found GFN ${hex(op.gfn)}; expected the first page of a 2M entry of ${op.vm}: size is 2M`,
      });
    }
  }
  return issues;
}
