/**
 * SNP-40 to SNP-42, SNP-53, SNP-63: a host brings SNP up.
 * @see domain snp a.1, f.2
 */
import assert from 'node:assert/strict';
import { pageStateOf } from '../../../actors/sev-snp/rmp-table.ts';
import type { PlatformContext } from '../../../actors/sev-snp/snp-platform.ts';
import type { HostOptions } from '../../../events/options.ts';
import type { HostStep } from '../../../sim/scenario/program.ts';
import { microSteps, type Played } from '../../sim/play.ts';
import { type Claim, keeps } from '../claim.ts';
import * as w from '../world.ts';
import * as s from './snp-worlds.ts';

const holds = { source: 'domain snp g', verdict: 'holds' } as const;
const GATES = 'snp-gates';
const BRING_UP = 'snp-bring-up';
const BOOT = 'thread:boot/0';

const platformOf = (played: Played) => played.context<PlatformContext>('snp-platform');
const boots = (options: Partial<HostOptions>, mutant: s.Mutant, ...more: readonly HostStep[]): Played =>
  s.inOrder(w.world({}, { boot: [[{ 'enable-snp': {} }, { 'init-firmware': {} }, ...more]] }, options), mutant);
const CREATE: HostStep = { 'create-snp-vm': {} };
const enabled = (played: Played) => Object.values(platformOf(played).platform.cpus).map(({ snp }) => snp);
const took = (played: Played, name: string) => microSteps(played, BOOT).some((step) => step.endsWith(`.${name}`));

/** SNP off, firmware not initialized, no VM. */
function staysOff(played: Played): void {
  const { capable, initialized, vms } = platformOf(played);
  assert.deepEqual([capable, initialized, vms, enabled(played)], [false, false, 0, [false]]);
  assert.ok(took(played, 'EINVAL_vm_type'));
}

export const SNP_PLATFORM_CLAIMS: readonly Claim[] = [
  {
    ...holds,
    id: 'SNP-40',
    says: 'SNP stays off where the IOMMU is off or lets devices pass, and KVM creates no SNP VM',
    shows: [keeps(GATES, 'passthrough', 'snp.gates-hold', 'snp-iommu-ungated')],
    mutants: ['snp-iommu-ungated', 'snp-no-mfdm', 'snp-enabled-first'],
    check: (mutant) => {
      staysOff(boots({ 'host.iommu': 'passthrough' }, mutant, CREATE));
      const up = boots({}, mutant, CREATE);
      assert.deepEqual([enabled(up), platformOf(up).vms], [[true], 1]);
      const written = up.delivered('platform.syscfg').map(({ payload }) => payload.set);
      assert.deepEqual(written, ['mfdm', 'snp']);
    },
  },
  {
    ...holds,
    id: 'SNP-41',
    says: 'SNP stays off where the RMP does not cover all RAM; where it does, the table is zero in memory before SNP is enabled',
    shows: [
      keeps(GATES, 'short-table', 'snp.gates-hold', 'snp-coverage-ungated'),
      keeps(BRING_UP, 'all-online', 'snp.enabled-in-order', 'snp-table-not-zeroed', 'snp-zeros-cached', 'snp-no-mfdm', 'snp-enabled-first'),
    ],
    why: 'in the scenario a run ends where SNP is enabled with such a table, before a store meets it',
    mutants: ['snp-coverage-ungated', 'snp-table-not-zeroed', 'snp-zeros-cached'],
    check: (mutant) => {
      staysOff(boots({ 'host.rmpTable': 'short' }, mutant, CREATE));
      const pages = { firmware: { state: 'UNINIT', pages: [{ pfn: s.BUFFER, state: 'firmware' }] } } as const;
      const program: readonly HostStep[] = [
        { 'store-frame': { pfn: s.BUFFER } },
        { 'enable-snp': {} },
        { 'store-frame': { pfn: s.BUFFER } },
      ];
      const up = s.inOrder(w.world({}, { boot: [program] }, {}, pages), mutant);
      assert.deepEqual([w.hostStores(up), w.panicOf(up), platformOf(up).platform.table], [[false], null, 'clear']);
    },
  },
  {
    ...holds,
    id: 'SNP-42',
    says: 'firmware before 1.51 is not initialized for SNP; newer is, once each CPU has cleared VM_HSAVE_PA and written its caches back, and from 1.52 on makes memory HV-Fixed that is reserved',
    shows: [
      keeps(GATES, 'old-firmware', 'snp.gates-hold', 'snp-version-ungated'),
      keeps(BRING_UP, 'all-online', 'snp.firmware-agrees', 'snp-hsave-kept', 'snp-no-init-wbinvd'),
    ],
    mutants: ['snp-version-ungated', 'snp-hsave-kept', 'snp-no-init-wbinvd', 'snp-gctx-unchecked', 'snp-reserved-unlisted'],
    check: (mutant) => {
      const versions = ['1.50', '1.51', '1.55'] as const;
      const up = versions.map((version) => platformOf(boots({ 'host.snpFirmware': version }, mutant, CREATE)));
      assert.deepEqual(
        up.map(({ initialized, vms }) => [initialized, vms]),
        [
          [false, 0],
          [true, 1],
          [true, 1],
        ],
      );
      const memory = { firmware: { state: 'UNINIT', pages: [{ pfn: s.BUFFER, state: 'reserved' }] } } as const;
      const program: readonly HostStep[] = [{ 'enable-snp': {} }, { 'init-firmware': {} }];
      const stateOf = (version: '1.51' | '1.52') =>
        pageStateOf(w.entryOf(s.inOrder(w.world({}, { boot: [program] }, { 'host.snpFirmware': version }, memory), mutant), s.BUFFER));
      assert.deepEqual([stateOf('1.51'), stateOf('1.52')], ['Hypervisor', 'HV-Fixed']);
      const offline = platformOf(boots({ 'host.cpusOnline': 'all-but-one' }, mutant));
      assert.deepEqual([offline.initialized, offline.refused], [false, 'SNP_INIT_EX: INVALID_CONFIG']);
    },
  },
  {
    ...holds,
    id: 'SNP-53',
    says: 'KVM creates no SNP VM where its parameter is off, although the host and the firmware could',
    shows: [
      keeps(GATES, 'module-off', 'snp.gates-hold', 'snp-param-ignored'),
      keeps(GATES, 'old-firmware', 'snp.gates-hold', 'snp-gctx-unchecked'),
    ],
    mutants: ['snp-param-ignored', 'snp-hsave-kept'],
    check: (mutant) => {
      const off = boots({ 'kvm.sevSnp': 'off' }, mutant, CREATE);
      const { initialized, vms } = platformOf(off);
      assert.deepEqual([initialized, vms, took(off, 'EINVAL_vm_type')], [true, 0, true]);
      assert.equal(platformOf(boots({}, mutant, CREATE)).vms, 1);
    },
  },
  {
    ...holds,
    id: 'SNP-63',
    says: 'the trusted memory region is 2 MiB long and aligned where SNP is initialized, and 1 MiB else',
    shows: [keeps(BRING_UP, 'all-online', 'snp.tmr-is-one-entry', 'snp-tmr-first', 'snp-tmr-unaligned')],
    mutants: ['snp-tmr-first', 'snp-tmr-unaligned'],
    check: (mutant) => {
      const tmr = (options: Partial<HostOptions>) => platformOf(boots(options, mutant)).tmr!;
      assert.deepEqual([tmr({}).frames, tmr({}).pfn % 512], [512, 0]);
      assert.equal(tmr({ 'host.iommu': 'passthrough' }).frames, 256);
    },
  },
];
