/** Races of a test about KVM: one VM whose vCPU is run by one thread, and threads beside it. */

import type { HostEnv, HostItem } from '../../../../actors/host/host-env.ts';
import { host } from '../../../../actors/host/host-env.ts';
import type { CellFields } from '../../../../actors/kit/cell.ts';
import { syscall } from '../../../../actors/kit/syscall.ts';
import { happens, holds } from '../../../../sim/host/race-properties.ts';
import { type Raced, raced } from '../../kit/raced.ts';

const VMS = { amd: 'svm', intel: 'vmx', arm64: 'arm64' } as const;
export type HostArch = keyof typeof VMS;
export const ARCHES = Object.keys(VMS) as HostArch[];
export const TEST = 'a test';

type Programs = readonly Readonly<Record<string, object>>[];
interface KvmRaced extends Pick<Raced, 'race' | 'properties' | 'allow'> {
  readonly arch?: HostArch;
  readonly type?: string;
  readonly guest: Programs;
  /** What the thread of the vCPU does besides; KVM_RUN alone unless given. */
  readonly runner?: Programs;
  readonly beside?: readonly Programs[];
  readonly features?: readonly string[];
  readonly arches?: readonly HostArch[];
}

/** What all schedules of it come to. */
export const kvmRaced = ({ arch = 'amd', type = VMS[arch], guest, runner, beside = [], features, arches, race, ...rest }: KvmRaced) =>
  raced({
    ...rest,
    race,
    ...(arches && { arches }),
    host: { arch, cpus: beside.length > 0 ? 2 : 1, haltPolling: false, ...(features && { features }) },
    vms: { vm0: { type, vcpus: [guest], ...(type === 'snp' && { options: { pages: [] } }) } },
    processes: { p: { threads: [runner ?? [{ KVM_RUN: { vcpu: 'vm0/0' } }]] }, ...(beside.length > 0 && { q: { threads: beside } }) },
  });

/** An operation of a host thread: one system call with these items. */
export const calls = (does: (env: HostEnv) => readonly HostItem[]) => ({
  summary: TEST,
  source: TEST,
  does: (env: HostEnv) => syscall('write', TEST, does(env)),
});

export const { when, step } = host;
export const wrong = <C = CellFields>(of: { readonly kind: string }, isWrong: (fields: C) => boolean) =>
  holds<C>(of, 't.wrong', TEST, (fields) => isWrong(fields) && JSON.stringify(fields));
export const comes = <C = CellFields>(of: { readonly kind: string }, isSo: (fields: C) => boolean, id = 't.comes') =>
  happens<C>(of, id, TEST, (fields) => isSo(fields) && 'so');
