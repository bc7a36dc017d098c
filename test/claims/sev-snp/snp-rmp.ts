/**
 * SNP-21, SNP-29 to SNP-31, SNP-34 to SNP-36, SNP-46, SNP-52: the RMP's checks and the entry's
 * lock.
 */
import assert from 'node:assert/strict';
import { hostWriteFaults } from '../../../actors/sev-snp/rmp-check.ts';
import { HYPERVISOR_PAGE } from '../../../actors/sev-snp/rmp-table.ts';
import { RMP_EVENTS, type RmpEntry } from '../../../events/sev-snp/rmp.ts';
import { DEADLOCK } from '../../../sim/end.ts';
import { microSteps, type Played, SHIPPED, shipped } from '../../sim/play.ts';
import { finish, type Line, steps, to } from '../../sim/steer.ts';
import { breaks, type Claim, keeps } from '../claim.ts';
import * as w from '../world.ts';
import * as s from './snp-worlds.ts';

const RACE = 'rmp-host-write-race';
const ADJUST = 'rmpadjust-vs-rmpupdate';
const PREPARE = 'rmp-double-prepare';
const BUGGED = 'rmp.vm-bugged';
const BLANK = 'rmp.validated-implies-assigned';
const holds = { source: 'domain snp g', verdict: 'holds' } as const;

/** Who took and who dropped the lock of a frame, in order. */
const locks = ({ records }: Played) =>
  records.flatMap(({ kind, type, peer, actor, payload }) => {
    if (kind !== 'deliver') return [];
    if (type === 'rmp.locked' && payload.result === 'SUCCESS') return [`+${actor}`];
    return type === 'rmp.unlock' ? [`-${peer}`] : [];
  });

/** The entries that RMPUPDATE left, each as it was right after. */
const updatesOf = ({ records }: Played): readonly RmpEntry[] =>
  records.flatMap(({ kind, type, payload, seq }, i) => {
    if (kind !== 'deliver' || type !== 'rmp.writeUpdate') return [];
    const change = records.slice(i).find((record) => record.kind === 'change' && record.cause === seq);
    const entries = (change?.payload.context as unknown as { readonly entries: Readonly<Record<number, RmpEntry>> } | undefined)?.entries;
    return entries ? [entries[payload.pfn as number]!] : [];
  });

const SNP_SCENARIOS = SHIPPED.filter(({ name, variant }) => shipped(name, variant).claims.some((id) => id.startsWith('SNP-')));

const ofTheLock: readonly Claim[] = [
  {
    ...holds,
    id: 'SNP-21',
    says: 'whatever RMPUPDATE wrote is not validated afterwards, and no VMSA',
    shows: [
      keeps(RACE, 'auto-share', BLANK, 'rmp-update-keeps-validated'),
      breaks(PREPARE, 'lock-dropped', 'rmp.guest-page-lost', 'rmp-update-keeps-validated', 'rmp-no-vc'),
    ],
    not: 'permissions of VMPLs, which RMPUPDATE resets too',
    mutants: ['rmp-update-keeps-validated', 'rmp-update-keeps-vmsa'],
    check: (mutant) => {
      const runs = [
        ...SNP_SCENARIOS.flatMap(({ name, variant }) => s.runsOf(shipped(name, variant), 1, mutant)),
        s.told(
          w.oneGuest([w.page('guest-valid')], [w.rmpadjust(true), w.hlt], { gmem: [[w.makeShared()]] }),
          mutant,
          to(w.VCPU, 'kvm_vcpu_block.kvm_vcpu_check_block'),
          finish(w.GMEM),
        ),
      ];
      const written = runs.flatMap(updatesOf);
      for (const { validated, vmsa } of written) assert.deepEqual([validated, vmsa], [false, false]);
      assert.ok(written.length > 10);
      const twice = s.preparedTwice(mutant);
      assert.deepEqual(
        twice.delivered('rmp.writeUpdate').map(({ payload }) => payload.assigned),
        [true, true],
      );
      assert.deepEqual([w.accesses(twice), w.lostPage(twice)], [['vc'], w.GFN]);
    },
  },
  {
    ...holds,
    id: 'SNP-29',
    says: 'the first attempt of RMPUPDATE may fail though the input is right, and the loop gets through',
    shows: [keeps(ADJUST, 'overlap-2m', BUGGED, 'snp-update-never-retries')],
    mutants: ['snp-update-never-retries', 'rmp-update-no-lock'],
    check: (mutant) => {
      for (const variant of ['inuse-retried', 'overlap-2m']) {
        const played = s.tries(variant, mutant);
        const results = w.updateResults(played);
        assert.match(String(results[0]), /^FAIL_/);
        assert.deepEqual(results.slice(-2), ['SUCCESS', 'SUCCESS']);
        assert.deepEqual([w.entryOf(played).assigned, w.deadVm(played)], [false, null]);
      }
    },
  },
  {
    ...holds,
    id: 'SNP-30',
    says: 'RMPUPDATE does not succeed while the guest is inside RMPADJUST of the page',
    shows: [breaks(ADJUST, 'inuse', BUGGED, 'rmp-update-no-lock')],
    not: 'what contention looks like, which hardware does not document: both answers are variants',
    mutants: ['rmp-update-no-lock', 'rmp-adjust-unlocks-early'],
    check: (mutant) => {
      const results = { inuse: 'FAIL_INUSE', 'overlap-2m': 'FAIL_OVERLAP', 'inuse-retried': 'FAIL_INUSE' };
      for (const [variant, result] of Object.entries(results)) assert.equal(w.updateResults(s.tries(variant, mutant))[0], result, variant);
    },
  },
  {
    ...holds,
    id: 'SNP-31',
    says: "two instructions on one entry are serialised by its lock, VMRUN's look at a VMSA too, and either can be first",
    shows: [
      keeps(RACE, 'auto-share', BLANK, 'rmp-update-no-lock'),
      keeps('vmsa-in-use-kick', 'kick-and-block', 'rmp.in-use-is-vmsa', 'rmp-vmrun-passes-lock'),
      keeps('vmsa-in-use-kick', 'kick-and-block', DEADLOCK, 'rmp-update-keeps-lock'),
    ],
    mutants: ['rmp-update-no-lock', 'rmp-update-keeps-lock', 'rmp-vmrun-passes-lock'],
    check: (mutant) => {
      for (const variant of ['inuse', 'overlap-2m', 'inuse-retried']) {
        for (const played of [s.tries(variant, mutant), ...s.runsOf(s.raced(variant), 25, mutant)]) {
          const order = locks(played);
          assert.equal(order.length % 2, 0);
          for (let i = 0; i < order.length; i += 2) assert.equal(order[i + 1], order[i]!.replace('+', '-'));
        }
      }
      assert.equal(locks(s.tries('inuse-retried', mutant))[0], `+${w.GUEST}`);
      assert.equal(locks(s.told(s.raced('inuse'), mutant, finish(w.GMEM)))[0], `+${w.GMEM}`);
      const spins = [to(w.GMEM, 'RMPUPDATE.writeEntry'), to(w.VCPU, 'RMPADJUST.spin', w.GUEST)];
      assert.deepEqual(locks(s.told(s.raced('inuse'), mutant, ...spins)).slice(0, 3), [`+${w.GMEM}`, `-${w.GMEM}`, `+${w.GUEST}`]);
      const enters = s.told(
        w.oneGuest([w.page('vmsa', 0x8)], [w.hlt], { gmem: [[w.makeShared(0x8)]] }),
        mutant,
        to(w.GMEM, 'RMPUPDATE.writeEntry'),
        to(w.VCPU, 'svm_vcpu_run.VMRUN_check_vmsa'),
        steps(w.VCPU, 1),
        finish(w.GMEM),
      );
      assert.deepEqual(
        enters.delivered('rmp.entered').map(({ payload }) => payload.outcome),
        ['locked', 'invalid'],
      );
    },
  },
];

/** The page of a guest is in the Firmware state, with a command about to be sent. */
const lent = (mutant: s.Mutant, guest: Parameters<typeof w.oneGuest>[1], ...lines: readonly Line[]) =>
  s.told(
    w.oneGuest([w.page('shared')], guest, { sevctl: [[s.statusOf(w.PFN)]], netd: [[w.dmaWrite()]] }),
    mutant,
    to(s.SEVCTL, '__sev_do_cmd_locked.iowrite_cmdresp'),
    ...lines,
  );

const ofChecks: readonly Claim[] = [
  {
    ...holds,
    id: 'SNP-34',
    says: 'the check of a store knows no VM and no switch: a page of the firmware is refused like a page of a guest',
    shows: [],
    why: 'the host of the shipped scenarios stores to pages of guests alone',
    not: 'the moment at which SNP is enabled: it is on when a run starts',
    mutants: ['rmp-host-write-guests-only', 'rmp-host-write-unchecked'],
    check: (mutant) => {
      const first = s.told(w.oneGuest([w.page('guest-valid')], [w.read(true)], { netd: [[w.dmaWrite()]] }), mutant, s.over(w.NETD));
      assert.deepEqual(w.hostStores(first), [true]);
      assert.deepEqual(Object.keys(first.delivered('rmp.hostWrite')[0]!.payload).sort(), ['pfn', 'user']);
      assert.ok(hostWriteFaults({ 6144: { ...HYPERVISOR_PAGE, assigned: true, immutable: true } }, [], s.BUFFER));
      const firmware = lent(mutant, [w.hlt], s.over(w.NETD));
      assert.deepEqual([w.hostStores(firmware), w.signalOf(firmware)], [[true], 'SIGBUS']);
    },
  },
  {
    ...holds,
    id: 'SNP-35',
    says: 'a read of the host cannot fault and locks nothing; a guest that reads a private page as shared gets ciphertext',
    shows: [],
    why: 'it is about faults that do not come, of loads that no shipped scenario has',
    not: 'the ciphertext itself: pages have no content',
    mutants: ['rmp-shared-read-checked', 'rmp-host-reads-plain'],
    check: (mutant) => {
      assert.deepEqual(
        Object.keys(RMP_EVENTS).filter((type) => /read|load/i.test(type)),
        ['rmp.read', 'rmp.hostRead', 'rmp.hostLoaded'],
      );
      for (const [state, ciphertext] of [
        ['guest-valid', true],
        ['vmsa', true],
        ['shared', false],
      ] as const) {
        const gfn = state === 'vmsa' ? 0x8 : w.GFN;
        const loads = s.told(
          w.oneGuest([w.page(state, gfn)], [w.spin], { vhost0: [[{ 'kvm-read-guest': { vm: 'vm0', gfn } }]] }),
          mutant,
          to(w.VCPU, 'spin', w.GUEST),
          finish(w.VHOST),
        );
        assert.deepEqual(
          loads.delivered('rmp.hostLoaded').map(({ payload }) => payload.ciphertext),
          [ciphertext],
        );
      }
      const looks = s.told(w.oneGuest([w.page('guest-valid')], [w.read(true)], { vhost0: [[w.kernelWrite()]] }), mutant, finish(w.VHOST));
      const [entry] = looks.delivered('rmp.entry').map(({ payload }) => payload.entry as unknown as RmpEntry);
      assert.deepEqual([entry?.assigned, entry?.validated, looks.delivered('rmp.lock')], [true, true, []]);
      const reads = s.inOrder(w.oneGuest([w.page('guest-valid')], [w.read(false)], {}), mutant);
      assert.deepEqual(w.accesses(reads), ['ok']);
    },
  },
  {
    ...holds,
    id: 'SNP-36',
    says: 'a check that fails is #PF on the host and #NPF in a guest, whose instruction does not change the entry; DMA is dropped',
    shows: [
      breaks(RACE, 'panic-sigbus', 'rmp.host-panic', 'rmp-host-write-unchecked'),
      keeps(PREPARE, 'lock-held', BLANK, 'rmp-guest-unassigned'),
    ],
    why: 'a guest whose page is lent to the firmware is in no shipped scenario',
    not: 'PVALIDATE and RMPADJUST of a page of another guest: a frame belongs to one VM',
    mutants: ['rmp-host-write-unchecked', 'rmp-guest-unassigned', 'rmp-guest-any-owner', 'rmp-access-in-use', 'rmp-dma-unchecked'],
    check: (mutant) => {
      const host = s.told(w.oneGuest([w.page('guest-valid')], [w.hlt], { netd: [[w.dmaWrite()]] }), mutant, s.over(w.NETD));
      assert.equal(microSteps(host, w.NETD).filter((name) => name.endsWith('exc_page_fault.entry')).length, 1);
      const guest = s.inOrder(w.oneGuest([w.page('shared')], [w.pvalidate(), w.write(true)], {}), mutant);
      assert.deepEqual(w.exits(guest), ['NPF', 'SHUTDOWN']);
      const firmware = lent(mutant, [w.pvalidate()], to(w.VCPU, 'svm_vcpu_run.VMEXIT'));
      assert.equal(w.exits(firmware)[0], 'NPF');
      const vmsa = s.inOrder(w.oneGuest([w.page('vmsa', 0x8)], [w.read(true, 0x8)], {}, {}, { bounds: { steps: 400 } }), mutant);
      assert.deepEqual(new Set(w.accesses(vmsa)), new Set(['npf']));
      const dma = { vhost0: [[{ 'device-write': { vm: 'vm0', gfn: w.GFN } } as const]] };
      const drops = s.told(w.oneGuest([w.page('guest-valid')], [w.hlt], dma), mutant, finish(w.VHOST));
      assert.deepEqual(
        drops.delivered('rmp.deviceWritten').map(({ payload }) => payload.dropped),
        [true],
      );
    },
  },
  {
    ...holds,
    id: 'SNP-46',
    says: 'a page that cannot be taken from the RMP stays assigned and is leaked, and its VM is bugged',
    shows: [breaks(ADJUST, 'inuse', BUGGED, 'snp-no-bugged', 'snp-update-retries-inuse')],
    why: 'that the page is leaked shows in the context of `pages:vm0`, for which there is no property',
    not: 'that no guest is given the frame again: there is no allocator',
    mutants: ['snp-no-leak', 'snp-no-bugged', 'snp-update-retries-inuse'],
    check: (mutant) => {
      const played = s.meet('inuse', mutant);
      assert.deepEqual([w.pagesOf(played).leaked, w.deadVm(played)], [[w.PFN], 'bugged']);
      assert.deepEqual([w.entryOf(played).assigned, played.delivered('rmp.writeUpdate')], [true, []]);
    },
  },
  {
    ...holds,
    id: 'SNP-52',
    says: '#NPF with the RMP bit reaches the RMP handler from handle_exit, with interrupts and preemption on, and mmu_lock first',
    shows: [keeps(PREPARE, 'lock-held', 'rmp.guest-page-lost', 'snp-npf-no-mmu-lock')],
    why: 'where the handler stands in the exit path is an order of steps, which no property sees',
    mutants: ['snp-npf-no-mmu-lock', 'snp-npf-no-update'],
    check: (mutant) => {
      const played = s.inOrder(w.oneGuest([w.page('shared')], [w.pvalidate(), w.write(true)], {}), mutant);
      const path = microSteps(played, w.VCPU).map((name) => name.slice('main.KVM_RUN.'.length));
      const handler = path.indexOf('handle_rmp_page_fault.write_lock_mmu_lock.trylock');
      assert.deepEqual(path.slice(handler - 3, handler), [
        'vcpu_enter_guest.OUTSIDE_GUEST_MODE',
        'vcpu_enter_guest.local_irq_enable',
        'vcpu_enter_guest.preempt_enable',
      ]);
      const exit = played.delivered('vmexit')[0]!.payload as unknown as { readonly reason: string; readonly info: object };
      assert.deepEqual([exit.reason, exit.info], ['NPF', { gfn: w.GFN, errorCode: 0x5_8000_0005 }]);
      assert.deepEqual(w.exits(played), ['NPF', 'SHUTDOWN']);
    },
  },
];

export const SNP_RMP_CLAIMS: readonly Claim[] = [...ofTheLock, ...ofChecks];
