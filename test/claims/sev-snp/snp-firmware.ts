/**
 * SNP-59, SNP-73: pages that the firmware writes, and the mailbox through which it is asked to.
 * @see domain snp f.1
 */
import assert from 'node:assert/strict';
import type { PspContext } from '../../../actors/sev-snp/psp.ts';
import type { RmpEntry } from '../../../events/sev-snp/rmp.ts';
import { DEADLOCK } from '../../../sim/end.ts';
import type { ResolvedScenario } from '../../../sim/scenario/types.ts';
import { microSteps, type Played, shipped } from '../../sim/play.ts';
import { finish, steps, to, until } from '../../sim/steer.ts';
import { type Claim, keeps } from '../claim.ts';
import * as w from '../world.ts';
import * as s from './snp-worlds.ts';

const holds = { source: 'domain snp g', verdict: 'holds' } as const;

const STATUS = w.world(
  {},
  { sevctl: [[s.statusOf(s.BUFFER)]] },
  {},
  { firmware: { state: 'INIT', pages: [{ pfn: s.BUFFER, state: 'hypervisor' }] } },
);

/** States of the buffer, in order. */
const statesOf = (played: Played): string[] => {
  const states = played.records.flatMap(({ kind, actor, payload }) => {
    if (kind !== 'change' || actor !== 'rmp:0x1800') return [];
    const entry = (payload.context as unknown as { readonly entries: Readonly<Record<number, RmpEntry>> }).entries[s.BUFFER]!;
    return [`${entry.assigned ? 'assigned' : 'hypervisor'}${entry.immutable ? ' immutable' : ''}`];
  });
  return states.filter((state, i) => state !== states[i - 1]);
};
const leaks = (played: Played) => microSteps(played, s.SEVCTL).some((name) => name.endsWith('.snp_leak_pages'));

/** Two threads send commands, the second while the first waits for its own. */
const twoCommands = (mutant: s.Mutant) =>
  s.told(
    w.world(
      {},
      { sevctl: [[s.statusOf(s.BUFFER)], [s.statusOf(s.BUFFER + 1)]] },
      {},
      {
        firmware: {
          state: 'INIT',
          pages: [
            { pfn: s.BUFFER, state: 'hypervisor' },
            { pfn: s.BUFFER + 1, state: 'hypervisor' },
          ],
        },
      },
    ),
    mutant,
    to(s.SEVCTL, 'wait_event_timeout'),
    until('thread:sevctl/1', 'it sleeps', (scene) => /(?:mutex_lock_schedule|wait_event_timeout)$/.test(scene.at('thread:sevctl/1'))),
  );

/** Commands as they are written, done, and read as done. */
const mailboxOf = ({ records }: Played): string[] => {
  const story = records.flatMap(({ kind, actor, type, payload }) => {
    if (actor !== 'psp') return [];
    if (kind === 'deliver') return type === 'psp.command' || type === 'psp.status?' ? [type] : [];
    const { command } = (payload as { readonly context?: PspContext }).context ?? {};
    return command === null ? ['done'] : [];
  });
  return story.filter((what, i) => what !== 'done' || story[i - 1] === 'psp.command');
};
/** A thread goes to sleep on its command when another one takes their process along by SIGBUS. */
const wokenEarly = (world: ResolvedScenario, mutant: s.Mutant) => {
  const [dies, waits] = ['thread:qemu0/0', 'thread:qemu0/1'] as const;
  return s.told(world, mutant, to(waits, 'sev_wait_cmd_ioc.schedule'), steps(waits, 1), finish(dies));
};
/** A thread has looked at the flag again, and slept on. */
const sleptOn = (played: Played): boolean => {
  const looks = played.delivered('sev.rcvd').map(({ payload }) => payload.rcvd);
  return looks.some((rcvd, i) => rcvd === false && looks[i + 1] === false);
};

export const SNP_FIRMWARE_CLAIMS: readonly Claim[] = [
  {
    ...holds,
    id: 'SNP-59',
    says: 'an output buffer is Firmware while a command runs and a page of the hypervisor after; one that cannot become Firmware is not given away, one that does not come back is leaked',
    shows: [
      keeps('rmp-churn', 'default', 'rmp.page-given-back', 'snp-no-reclaim', 'snp-reclaim-half'),
      keeps('rmp-churn', 'default', DEADLOCK, 'psp-no-interrupt'),
      keeps('psp-failed-command', 'default', 'rmp.page-given-back', 'snp-error-no-reclaim', 'snp-reclaim-no-leak'),
      keeps('psp-stuck', 'default', 'rmp.frames-given-back-at-the-end', 'snp-reclaim-no-leak'),
      keeps('psp-nested-buffers', 'released', 'rmp.host-panic', 'sev-buffer-freed-unreclaimed'),
    ],
    why: 'a buffer that RMPUPDATE refuses is in no scenario',
    not: 'what the command writes: buffers have no content',
    mutants: [
      'snp-no-reclaim',
      'snp-error-no-reclaim',
      'snp-reclaim-no-leak',
      'snp-reclaim-half',
      'snp-buffer-unchecked',
      'rmp-update-immutable',
      'snp-cmd-no-mutex',
      'psp-no-interrupt',
    ],
    check: (mutant) => {
      const played = s.inOrder(STATUS, mutant);
      assert.deepEqual(statesOf(played), ['hypervisor', 'assigned immutable', 'assigned', 'hypervisor']);
      assert.deepEqual(
        played.delivered('psp.status').map(({ payload }) => payload.status),
        ['SUCCESS', 'SUCCESS', 'SUCCESS'],
      );

      const sections = { firmware: { state: 'INIT', pages: [{ pfn: s.BUFFER, state: 'firmware' }] } } as const;
      const refused = s.inOrder({ ...STATUS, sections }, mutant);
      assert.deepEqual(w.updateResults(refused), ['SUCCESS', 'FAIL_PERMISSION']);
      assert.deepEqual([refused.delivered('psp.command'), refused.delivered('mutex.unlock').length], [[], 1]);

      const runs = s.runsOf({ ...STATUS, allow: ['psp-error'] }, 60, mutant);
      assert.ok(runs.some(leaks));
      for (const run of runs) {
        const { assigned, immutable } = w.entryOf(run, s.BUFFER);
        assert.deepEqual([assigned, immutable], [leaks(run), leaks(run)]);
      }

      const two = twoCommands(mutant);
      assert.equal(two.end.ended, 'done');
      assert.deepEqual([w.entryOf(two, s.BUFFER).assigned, w.entryOf(two, s.BUFFER + 1).assigned], [false, false]);
    },
  },
  {
    ...holds,
    id: 'SNP-73',
    says: 'a thread that is woken while its command is in flight sleeps on; what ends its wait is the interrupt of this command, with the response bit',
    shows: [
      keeps('psp-early-wake', 'default', 'psp.command-awaited', 'snp-cmd-any-wake', 'sev-flag-kept', 'sev-irq-any', 'snp-cmd-no-mutex'),
      keeps('psp-early-wake', 'default', DEADLOCK, 'psp-no-interrupt'),
      keeps('psp-stuck', 'default', 'psp.command-awaited', 'sev-dead-ignored'),
      keeps('psp-stuck', 'default', DEADLOCK, 'sev-no-timeout'),
    ],
    mutants: ['snp-cmd-any-wake', 'sev-flag-kept', 'sev-irq-any', 'snp-cmd-no-mutex', 'psp-no-interrupt'],
    check: (mutant) => {
      const world = s.unchecked(shipped('psp-early-wake', 'default'));
      const early = wokenEarly(world, mutant);
      const ONE = ['psp.command', 'done', 'psp.status?'];
      for (const run of [early, ...s.runsOf(world, 60, mutant)]) {
        assert.deepEqual([run.end.ended, mailboxOf(run)], ['done', [...ONE, ...ONE]]);
      }
      assert.ok(sleptOn(early));
    },
  },
];
