/** Where a host without preemption reschedules, of the waits in which a thread sleeps. */
import { describe, expect, it } from 'vitest';
import type { HostItem, HostPath } from '../../../actors/host/host-env.ts';
import { hostItems } from '../../../actors/host/thread-program.ts';
import { hostEnvOf } from '../../../sim/host/host-code.ts';
import { SHIPPED, shipped } from '../../sim/play.ts';

/** Sleeps that are no might_sleep(): the task sets its state and calls schedule(). */
const BARE: Readonly<Record<string, string>> = {
  kvm_vcpu_block: 'virt/kvm/kvm_main.c, kvm_vcpu_block()',
  'split_lock_warn.msleep_interruptible': 'kernel/time/timer.c, msleep_interruptible()',
  'exc_debug_user.msleep': 'kernel/time/timer.c, msleep()',
};

interface Sleep {
  readonly path: string;
  readonly step: string;
  /** The might_sleep() before it in the same function. */
  readonly point: string | undefined;
}

function itemsWithin(items: readonly HostItem[]): HostItem[] {
  return items.flatMap((item): HostItem[] => {
    if (item.kind === 'loop') return itemsWithin(item.body);
    return item.kind === 'when' ? item.cases.flatMap(([, body]) => itemsWithin(body)) : [item];
  });
}

function sleepsIn(items: readonly HostItem[], path: string, found: Map<string, Sleep>): void {
  const own = itemsWithin(items);
  let point: string | undefined;
  for (const item of own) {
    if (item.kind === 'call') sleepsIn((item.path as HostPath).items, item.path.name, found);
    if (item.kind !== 'step') continue;
    if (item.mayResched) point = item.name;
    if (item.sleeps) found.set(`${path}.${item.name}`, { path, step: item.name, point });
  }
}

/** Of every shipped scenario, whatever its options choose. */
const sleeps = new Map<string, Sleep>();
for (const { name, variant } of SHIPPED) {
  const scenario = shipped(name, variant);
  if (scenario.model !== undefined) continue;
  const env = hostEnvOf({ ...scenario, vms: [], processes: [] }, { programs: [], images: [], vms: {}, patches: {} });
  const faults = env.parts.flatMap((part) => Object.values(part.faults ?? {}).flatMap((items) => items(env)));
  sleepsIn([...hostItems(env), ...faults], 'main', sleeps);
}
const isBare = ({ path, step }: Sleep): boolean => path in BARE || `${path}.${step}` in BARE;

describe('a thread that sleeps', () => {
  it('passes a point where every host reschedules before it takes a sleeping lock or waits for an event', () => {
    const locks = [...sleeps.values()].filter((sleep) => !isBare(sleep));
    expect(locks.filter(({ point }) => point === undefined)).toEqual([]);
    expect([...new Set(locks.map(({ path, point }) => `${path}: ${point}`))].sort()).toEqual([
      '__refrigerator: try_to_freeze',
      'folio_lock: test',
      'lock_page_state: test',
      'mutex_lock_killable: trylock',
      'sev_asid_free: mutex_lock',
      'sev_asid_new: mutex_lock',
      'sev_do_cmd: mutex_lock',
      'sev_flush_asids: down_write',
      'sev_ioctl: mutex_lock',
      'sev_vm_destroy: down_write',
      'sev_wait_cmd_ioc: wait_event_timeout',
      'snp_decommission: mutex_lock',
      'snp_df_flush: mutex_lock',
      'snp_free_firmware_page: mutex_lock',
      'split_lock_warn: down_interruptible',
      'synchronize_page_state: test',
      'synchronize_srcu_expedited: test',
    ]);
  });

  it('passes none where the function sets its state and calls schedule()', () => {
    const bare = [...sleeps.values()].filter(isBare);
    expect(bare.map(({ point }) => point)).toEqual(bare.map(() => undefined));
    expect(Object.keys(BARE).filter((name) => !bare.some(({ path, step }) => path === name || `${path}.${step}` === name))).toEqual([]);
  });
});
