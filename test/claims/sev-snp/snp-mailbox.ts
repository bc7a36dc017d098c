/**
 * R26, and R17 where the mailbox is in use: a PSP that does not answer, command buffers that are
 * taken for good, and a panic in the middle of a command.
 * @see domain snp f.1; h
 */
import assert from 'node:assert/strict';
import type { HostThread } from '../../../actors/host/host-env.ts';
import type { AsidsContext } from '../../../actors/sev-snp/asid-bitmaps.ts';
import type { PspContext } from '../../../actors/sev-snp/psp.ts';
import { pageStateOf } from '../../../actors/sev-snp/rmp-table.ts';
import type { SevDeviceContext } from '../../../actors/sev-snp/sev-device.ts';
import type { PlatformContext } from '../../../actors/sev-snp/snp-platform.ts';
import type { LegacyCommand } from '../../../events/sev-snp/psp.ts';
import { type RmpEntry, regionOf } from '../../../events/sev-snp/rmp.ts';
import { type Played, shipped } from '../../sim/play.ts';
import { choose, type Line, steps, to, until } from '../../sim/steer.ts';
import type { Checked } from '../claim-cases.ts';
import * as w from '../world.ts';
import * as s from './snp-worlds.ts';

const QEMU = 'thread:qemu0/0';
const MONITOR = 'thread:monitor/0';
const SYSRQ = 'thread:sysrq/0';
const [CONTEXT, BUFFER, BOUNCE, OTHER] = [0x1900, 0x1900, 0x1801, 0x1803];

const world = (name: string, variant = 'default') => s.unchecked(shipped(name, variant));
const deviceOf = (played: Played) => played.context<SevDeviceContext>('sev');
const errnoOf = (played: Played, thread: string) => played.context<HostThread>(thread).sevErrno;
const written = (played: Played): unknown[] => played.delivered('psp.command').map(({ payload }) => payload.command);

/** The tool sleeps on its command, which the PSP takes too long for. */
const waits: readonly Line[] = [to(s.SEVCTL, 'sev_wait_cmd_ioc.schedule'), steps(s.SEVCTL, 1)];
const STUCK = [...waits, choose('psp-stuck(psp)'), choose('psp-timeout(sev)')];
/** The interrupt comes while the thread, woken by its timer, has not looked yet. */
const LATE = [...waits, choose('psp-slow(psp)'), choose('psp-timeout(sev)'), choose('exec(psp)')];

/** States of a page, in order. */
function statesOf(played: Played, pfn: number): string[] {
  const states = played.records.flatMap(({ kind, actor, payload }) => {
    if (kind !== 'change' || actor !== regionOf(pfn)) return [];
    return [pageStateOf((payload.context as unknown as { readonly entries: Readonly<Record<number, RmpEntry>> }).entries[pfn]!)];
  });
  return states.filter((state, i) => state !== states[i - 1]);
}
const LENT = ['Hypervisor', 'Firmware', 'Reclaim', 'Hypervisor'];

/** A tool alone; one frame is not the host's. */
const LOST = 0x1802;
const tool = (...commands: readonly { readonly command: LegacyCommand; readonly buffer?: number; readonly chain?: number }[]) =>
  w.world(
    {},
    { sevctl: [commands.map((command) => ({ 'legacy-command': command }))] },
    {},
    {
      firmware: {
        state: 'INIT',
        commandBuffer: BUFFER,
        pages: [
          { pfn: BOUNCE, state: 'hypervisor' },
          { pfn: LOST, state: 'firmware' },
          { pfn: OTHER, state: 'hypervisor' },
        ],
      },
    },
  );

const bootOf = (played: Played) => played.context<PlatformContext>('snp-platform').next?.boot ?? null;
const replaced = until(SYSRQ, 'the next kernel has booted, or hangs', (scene) => scene.at(SYSRQ).endsWith('replaced'));

export const SNP_MAILBOX_RACES: readonly Checked[] = [
  {
    id: 'R26',
    says: 'a command that outlasts the wait ends the mailbox: later commands are refused unwritten, pages are leaked, a VM keeps its ASID; buffers of commands that fail around the firmware are taken for good',
    mutants: [
      'sev-dead-ignored',
      'sev-no-timeout',
      'sev-expired-first',
      'sev-dead-forgotten',
      'sev-one-buffer',
      'sev-buffer-freed-unreclaimed',
      'sev-buffer-not-lent',
      'sev-buffers-not-unmapped',
    ],
    check: (mutant) => {
      const stuck = s.told(world('psp-stuck'), mutant, ...STUCK);
      assert.deepEqual([stuck.end.ended, written(stuck)], ['done', ['SNP_PLATFORM_STATUS']]);
      assert.deepEqual([deviceOf(stuck).dead, deviceOf(stuck).leaked], ['SNP_PLATFORM_STATUS', [s.BUFFER]]);
      assert.deepEqual([errnoOf(stuck, s.SEVCTL), errnoOf(stuck, QEMU)], ['EBUSY', 'EBUSY']);
      const { used, reclaim } = stuck.context<AsidsContext>('asids');
      assert.deepEqual([used, reclaim, pageStateOf(w.entryOf(stuck, CONTEXT))], [[1], [], 'Context']);

      const late = s.told(world('psp-stuck'), mutant, ...LATE);
      assert.deepEqual([deviceOf(late).dead, deviceOf(late).leaked, errnoOf(late, s.SEVCTL)], [undefined, [], undefined]);
      assert.deepEqual(late.context<AsidsContext>('asids').reclaim, [1]);

      // The command of the monitor comes first; the tool's second one cannot be prepared.
      const kept = s.inOrder(world('psp-nested-buffers', 'kept'), mutant);
      assert.deepEqual([deviceOf(kept).buffers!.active, deviceOf(kept).leaked], [[true, false], []]);
      assert.deepEqual([errnoOf(kept, s.SEVCTL), errnoOf(kept, MONITOR)], ['EFAULT', undefined]);
      const released = s.inOrder(world('psp-nested-buffers', 'released'), mutant);
      assert.deepEqual([deviceOf(released).buffers!.active, deviceOf(released).leaked], [[false, false], []]);
      assert.deepEqual(statesOf(released, BUFFER), [...LENT, ...LENT.slice(1)]);
      assert.deepEqual([statesOf(released, BOUNCE), statesOf(released, OTHER)], [LENT, LENT]);
      for (const run of s.runsOf(world('psp-nested-buffers', 'released'), 60, mutant)) assert.equal(w.panicOf(run), null);

      const full = s.inOrder(
        tool({ command: 'GET_ID', buffer: LOST }, { command: 'GET_ID', buffer: LOST }, { command: 'PLATFORM_STATUS' }),
        mutant,
      );
      assert.deepEqual([errnoOf(full, s.SEVCTL), written(full), deviceOf(full).leaked], ['EBUSY', [], []]);

      const exported = s.inOrder(tool({ command: 'PDH_CERT_EXPORT', buffer: BOUNCE, chain: OTHER }), mutant);
      assert.deepEqual(
        [BUFFER, BOUNCE, OTHER].map((pfn) => statesOf(exported, pfn)),
        [LENT, LENT, LENT],
      );
    },
  },
];

/**
 * R17, where a command is in flight: the notifier leaves the mailbox alone; with a free one it
 * polls for its commands.
 */
export function panicsBesideCommand(mutant: s.Mutant): void {
  const held = s.told(world('kdump-mailbox-held'), mutant, ...waits, replaced);
  assert.deepEqual([bootOf(held), written(held), held.context<PspContext>('psp').overwritten], ['hung', ['SNP_DF_FLUSH'], null]);
  const polls = [to(SYSRQ, 'ioread32'), choose('exec(psp)'), replaced];
  const free = s.told(world('kdump-mailbox-held'), mutant, ...polls);
  assert.deepEqual([bootOf(free), written(free), free.delivered('irq.psp')], ['done', ['SNP_SHUTDOWN_EX'], []]);
}
