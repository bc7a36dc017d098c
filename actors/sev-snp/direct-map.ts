/**
 * What the host does about its own mappings of a frame: before and after RMPUPDATE, at a #PF of a
 * process, and where a process gives its mapping up.
 *
 * A scenario has such mappings as state only where it asks for them; elsewhere every mapping is of
 * 4K, and these paths have no steps.
 */
import { type ActorId, type Outgoing, outgoing } from '../../events/event.ts';
import { hasErrorBit } from '../../events/sev-snp/error-code.ts';
import { DIRECT_MAP, type HostMapEvent, mapId } from '../../events/sev-snp/host-map.ts';
import { type HostEnv, type HostItem, type HostLocals, type HostThread, host, kernelSource, opOf } from '../host/host-env.ts';
import { type Around, rmpupdatePath } from './rmpupdate.ts';
import { frameOf, hasHuge, toRmp } from './snp-env.ts';

const { path, step, call, when, leavePath } = host;

/** Every mapping that is an actor of its own. */
const mapsOf = (env: HostEnv): readonly ActorId[] => Object.values(env.vms)[0]?.hostMaps ?? [];
/** The mapping of 2 MiB by which its owner reaches a frame, if it is one. */
const mapOf = (env: HostEnv, owner: string, pfn: number): ActorId | undefined => mapsOf(env).find((id) => id === mapId(owner, pfn));
const directMapOf = (env: HostEnv, l: HostLocals) => mapOf(env, DIRECT_MAP, l.pfn!);
const hasDirectMap = (env: HostEnv) => mapsOf(env).some((id) => id.startsWith(`hostmap:${DIRECT_MAP}/`));
const nameOf = (t: HostThread) => t.process.slice('process:'.length);

const toDirectMap = (type: HostMapEvent['type']) => (_t: HostThread, l: HostLocals) =>
  outgoing(mapId(DIRECT_MAP, l.pfn!), { type, pfn: l.pfn! });

/**
 * A store of the kernel, or of a process: through a mapping where that is an actor, else through
 * one of 4K, or of 2M where it is `huge`.
 */
export const storeTo = (env: HostEnv, t: HostThread, l: HostLocals, huge = false): Outgoing => {
  const map = mapOf(env, l.kernel === true ? DIRECT_MAP : nameOf(t), l.pfn!);
  const store = {
    pfn: l.pfn!,
    ...(l.kernel !== true && { user: true as const }),
    ...(l.vm !== undefined && env.vms[l.vm]!.lookedAt.includes(l.pfn!) && { n: t.pc }),
  };
  if (map === undefined) return toRmp({ type: 'rmp.hostWrite', ...store, ...(huge && { huge: true as const }) });
  return outgoing(map, { type: 'hostmap.write', ...store });
};

/** lookup_address(). Leaves `mapPresent` and `mapHuge`. */
const lookupIn = (name: string, owner: (t: HostThread) => string) =>
  step(name, {
    send: (t, l) => outgoing(mapId(owner(t), l.pfn!), { type: 'hostmap.lookup', pfn: l.pfn! }),
    answers: { 'hostmap.entry': (e) => ({ mapPresent: e.present, mapHuge: e.huge }) },
  });

/**
 * Splits the direct map before a 4K entry of the RMP changes; a 2M update has no neighbours.
 * Expects `pfn` and `update`.
 * @see SNP-43; domain snp d.4
 */
const adjustDirectMap = path(
  'adjust_direct_map',
  kernelSource('arch/x86/virt/svm/sev.c, adjust_direct_map()'),
  [
    lookupIn('lookup_address', () => DIRECT_MAP),
    when([(_t, l) => l.mapHuge === true, [step('set_memory_4k', { send: toDirectMap('hostmap.split') })]]),
  ],
  { locals: ['mapPresent', 'mapHuge'] },
);
const isSmall = (l: HostLocals) => l.update?.pageSize === '4K';

/** What rmpupdate() does around the instruction, by `kvm.directMap`. */
function aroundUpdate(env: HostEnv): Around {
  const policy = env.options['kvm.directMap'];
  if (policy === 'untouched' || !hasDirectMap(env)) return { first: [], last: [] };
  const isMapped = (l: HostLocals) => directMapOf(env, l) !== undefined;
  if (policy !== 'remove') {
    const splits = [when([(_t: HostThread, l: HostLocals) => isMapped(l) && isSmall(l), [call(adjustDirectMap)]])];
    return policy === 'split' ? { first: splits, last: [] } : { first: [], last: splits };
  }
  const v5 = { source: 'series v5, patch 14, rmpupdate(), invalidate_direct_map(), restore_direct_map()' };
  const gives = (l: HostLocals) => isMapped(l) && l.update!.assigned;
  const takes = (l: HostLocals) => isMapped(l) && !l.update!.assigned && l.result === 'SUCCESS';
  return {
    first: [when([(_t, l) => gives(l), [step('invalidate_direct_map', { ...v5, send: toDirectMap('hostmap.remove') })]])],
    last: [when([(_t, l) => takes(l), [step('restore_direct_map', { ...v5, send: toDirectMap('hostmap.restore') })]])],
  };
}

/** rmpupdate() on this host. Expects `pfn` and `update`; leaves `result`. */
export const updateRmpPath = (env: HostEnv) => rmpupdatePath(env.options, hasHuge(env), aroundUpdate(env));

/** Of a fault: whether the mapping that it went through is an actor. */
const hasOwnMap = (env: HostEnv) => (t: HostThread, l: HostLocals) =>
  mapOf(env, hasErrorBit(l.errorCode!, 'USER') ? nameOf(t) : DIRECT_MAP, l.pfn!) !== undefined;

/**
 * What a #PF has to do with the mapping, before the RMP is looked at: a page that is not there is
 * mapped for a process, and kills the kernel. One that has gone since is retried. `dies`: the
 * kernel cannot go on.
 * @see kernel arch/x86/mm/fault.c, do_user_addr_fault(), page_fault_oops(); domain snp d.2, SNP-68
 */
export function mappingFirst(env: HostEnv, dies: HostItem): readonly HostItem[] {
  if (mapsOf(env).length === 0) return [];
  const retry = step('retry', { local: () => ({ verdict: 'retry' as const }) });
  const faultIn = step('handle_mm_fault', {
    send: (t, l) => outgoing(mapId(nameOf(t), l.pfn!), { type: 'hostmap.faultIn', pfn: l.pfn! }),
    local: () => ({ verdict: 'retry' as const }),
  });
  const ofUser = (l: HostLocals) => hasErrorBit(l.errorCode!, 'USER');
  return [
    when(
      [(_t, l) => !hasErrorBit(l.errorCode!, 'RMP') && ofUser(l), [faultIn, leavePath]],
      [(_t, l) => !hasErrorBit(l.errorCode!, 'RMP'), [dies]],
      [
        (t, l) => ofUser(l) && hasOwnMap(env)(t, l),
        [lookupIn('lookup_address_in_pgd', nameOf), when([(_t, l) => l.mapPresent !== true, [retry, leavePath]])],
      ],
    ),
  ];
}

/**
 * The frame is shared: what failed is the size of the mapping, and a huge one is split. hugetlbfs
 * has no way to: handle_mm_fault() returns, and the store faults again.
 * @see kernel mm/memory.c, handle_split_page_fault() of the series; domain snp d.2, d.3, SNP-67
 */
export function splitMapping(env: HostEnv): readonly HostItem[] {
  if (mapsOf(env).length === 0) return [];
  const source = 'series v5, patch 21, handle_user_rmp_page_fault(), handle_split_page_fault()';
  const splitUser = step('split_huge_pmd', {
    source,
    send: (t, l) => outgoing(mapId(nameOf(t), l.pfn!), { type: 'hostmap.split', pfn: l.pfn! }),
  });
  const splitKernel = step('split_direct_map', { source: 'domain snp d.3', grade: 'decision', send: toDirectMap('hostmap.split') });
  const isUser = (l: HostLocals) => hasErrorBit(l.errorCode!, 'USER');
  return [when([(_t, l) => isUser(l) && l.mapHuge === true, [splitUser]], [(t, l) => !isUser(l) && hasOwnMap(env)(t, l), [splitKernel]])];
}

/** A process gives up its mapping of the 2 MiB around a page; a later store faults it in as 4K. */
export const zapMappingPath = path(
  'zap_mapping',
  kernelSource('mm/madvise.c, madvise_dontneed_single_vma(); mm/memory.c, zap_page_range_single()'),
  [
    step('madvise', { mode: 'kernel' }),
    step('zap_page_range_single', { send: (t, l) => outgoing(mapId(nameOf(t), l.pfn!), { type: 'hostmap.zap', pfn: l.pfn! }) }),
    step('sysret', { mode: 'user' }),
  ],
  { locals: ['vm', 'gfn', 'pfn'] },
);
export const bindZapMapping = (env: HostEnv) => (t: HostThread) => {
  const op = opOf(env, t);
  if (op.op !== 'zap-mapping') throw new Error(`${op.op} unmaps nothing`);
  return { pfn: frameOf(env, op.vm, op.gfn) };
};
