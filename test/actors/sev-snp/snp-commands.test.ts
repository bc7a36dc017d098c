/**
 * Every command of the SNP firmware in every state of the platform and of the guest: the whole
 * table; and each check of each command by itself.
 * @see domain snp f.3 to f.6
 */
import { describe, expect, it } from 'vitest';
import { extendDigest, pageDigest } from '../../../actors/sev-snp/firmware/launch-digest.ts';
import { BEHIND_HEAD, HYPERVISOR_PAGE, isHuge, pageStateOf, smashHead, smashTails } from '../../../actors/sev-snp/rmp-table.ts';
import { hasPolicy, SNP_TCB, type SnpWorld } from '../../../actors/sev-snp/snp-checks.ts';
import { FIRST_SNP_DIGEST, pagesOf, runSnpCommand, SNP_RULES } from '../../../actors/sev-snp/snp-commands.ts';
import type { PspStatus } from '../../../events/sev-snp/psp.ts';
import type { RmpEntry } from '../../../events/sev-snp/rmp.ts';
import { SNP_COMMANDS, type SnpCommand, type SnpGuest } from '../../../events/sev-snp/snp-command.ts';
import {
  ASID,
  CONTEXT,
  CONTEXT_PAGE,
  CPUS,
  DEBUGGED,
  FIRMWARE,
  GFN,
  GOOD,
  GUESTS,
  HUGE_GFN,
  PAGE,
  PRE_GUEST,
  SHA384,
  world,
} from './snp-command-world.ts';

const MEANS: Readonly<Record<string, PspStatus>> = {
  '.': 'SUCCESS',
  pst: 'INVALID_PLATFORM_STATE',
  gst: 'INVALID_GUEST_STATE',
  gst0: 'INVALID_GUEST',
  ina: 'INACTIVE',
  act: 'ACTIVE',
  dff: 'DFFLUSH_REQUIRED',
};

/** Without SNP_INIT, whatever the guest; then with it, by guest as in GUESTS. */
const TABLE = `
SNP_INIT                 | .   | pst  pst pst pst pst pst
SNP_INIT_EX              | .   | pst  pst pst pst pst pst
SNP_SHUTDOWN             | .   | .    .   .   dff .   dff
SNP_SHUTDOWN_EX          | .   | .    .   .   dff .   dff
SNP_PLATFORM_STATUS      | .   | .    .   .   .   .   .
SNP_DF_FLUSH             | pst | .    .   .   .   .   .
SNP_DECOMMISSION         | pst | gst0 .   .   .   .   .
SNP_ACTIVATE             | pst | gst0 gst .   act .   act
SNP_ACTIVATE_EX          | pst | gst0 gst .   act .   act
SNP_GUEST_STATUS         | pst | gst0 .   .   .   .   .
SNP_GCTX_CREATE          | pst | .    .   .   .   .   .
SNP_GUEST_REQUEST        | pst | gst0 gst gst gst .   .
SNP_LAUNCH_START         | pst | gst0 .   gst gst gst gst
SNP_LAUNCH_UPDATE        | pst | gst0 gst ina .   gst gst
SNP_LAUNCH_FINISH        | pst | gst0 gst .   .   gst gst
SNP_DBG_DECRYPT          | pst | gst0 gst .   .   .   .
SNP_DBG_ENCRYPT          | pst | gst0 gst .   .   .   .
SNP_PAGE_SWAP_OUT        | pst | gst0 gst gst gst .   .
SNP_PAGE_SWAP_IN         | pst | gst0 gst gst gst .   .
SNP_PAGE_MOVE            | pst | gst0 gst gst gst .   .
SNP_PAGE_MD_INIT         | pst | gst0 gst gst gst .   .
SNP_PAGE_SET_STATE       | pst | .    .   .   .   .   .
SNP_PAGE_RECLAIM         | pst | .    .   .   .   .   .
SNP_PAGE_UNSMASH         | pst | .    .   .   .   .   .
SNP_CONFIG               | pst | .    .   .   .   .   .
SNP_DOWNLOAD_FIRMWARE_EX | .   | .    .   .   .   .   .
SNP_COMMIT               | .   | .    .   .   .   .   .
SNP_VLEK_LOAD            | pst | .    .   .   .   .   .
SNP_FEATURE_INFO         | .   | .    .   .   .   .   .
`;
const ROWS = TABLE.trim()
  .split('\n')
  .map((row) => row.split('|').map((part) => part.trim().split(/\s+/)))
  .map(([name, before, after]) => ({ command: name![0]! as SnpCommand, before: before![0]!, after: after! }));

/** Without SNP_INIT a firmware has an ASID in no context. */
const RUNS_BEFORE = ['none', 'init'];

describe('the commands of the SNP firmware', () => {
  it('are all in the table', () => {
    expect(ROWS.map(({ command }) => command).sort()).toEqual([...SNP_COMMANDS].sort());
  });

  it.each(ROWS)('$command ends with its status in every state, and a failure changes nothing', ({ command, before, after }) => {
    const names = Object.keys(GUESTS);
    const cases = [
      ...RUNS_BEFORE.map((guest) => ['UNINIT', guest, before] as const),
      ...names.map((guest, i) => ['INIT', guest, after[i]!] as const),
    ];
    for (const [platform, guest, expected] of cases) {
      const { status, ...changes } = runSnpCommand(command, world(command, platform, GUESTS[guest]), CPUS);
      expect([platform, guest, status]).toEqual([platform, guest, MEANS[expected]]);
      if (status !== 'SUCCESS') expect(changes).toEqual({});
    }
  });
});

const base = (command: SnpCommand): SnpWorld => {
  const { guest } = SNP_RULES[command];
  const name =
    guest === null
      ? 'none'
      : guest.includes('LAUNCH') && command !== 'SNP_ACTIVATE'
        ? 'active'
        : guest.includes('INIT')
          ? 'init'
          : 'running';
  return world(
    command,
    SNP_RULES[command].platform.includes('INIT') ? 'INIT' : 'UNINIT',
    GUESTS[command === 'SNP_ACTIVATE' ? 'launch' : name],
  );
};
const pageIs = (entry: RmpEntry) => (w: SnpWorld) => ({ ...w, entries: { ...w.entries, [PAGE]: entry } });
const behindIs = (change: Partial<RmpEntry>) => (w: SnpWorld) => ({
  ...w,
  entries: { ...w.entries, [PAGE + 1]: { ...w.entries[PAGE + 1]!, ...change } },
});
const gfnsFrom = (gfn: number) => (w: SnpWorld) => behindIs({ gfn: gfn + 1 })(pageIs({ ...PRE_GUEST, gfn })(w));
const argsAre = (args: Partial<SnpWorld['args']>) => (w: SnpWorld) => ({ ...w, args: { ...w.args, ...args } });
const firmwareIs = (firmware: Partial<SnpWorld['firmware']>) => (w: SnpWorld) => ({ ...w, firmware: { ...w.firmware, ...firmware } });
const guestIs = (change: Partial<SnpGuest>) => (w: SnpWorld) =>
  firmwareIs({ guests: { ...w.firmware.guests, [CONTEXT]: { ...w.firmware.guests[CONTEXT]!, ...change } } })(w);
const another = (w: SnpWorld) => firmwareIs({ guests: { ...w.firmware.guests, 6401: GUESTS.running! } })(w);
const idBlock = (change: object) => argsAre({ idBlock: { digest: FIRST_SNP_DIGEST, policy: DEBUGGED, signed: true, ...change } });

describe('a command that is in the right state', () => {
  const CASES: readonly (readonly [SnpCommand, string, (w: SnpWorld) => SnpWorld, PspStatus])[] = [
    ['SNP_INIT_EX', 'a CPU is not ready', (w) => ({ ...w, cpusReady: false }), 'INVALID_CONFIG'],
    ['SNP_SHUTDOWN_EX', 'an ASID is not flushed', firmwareIs({ unflushed: [ASID] }), 'DFFLUSH_REQUIRED'],
    ['SNP_PLATFORM_STATUS', 'the buffer is shared', pageIs(HYPERVISOR_PAGE), 'INVALID_PAGE_STATE'],
    ['SNP_DF_FLUSH', 'a CPU has not executed WBINVD', firmwareIs({ wbinvdNeeded: [1] }), 'WBINVD_REQUIRED'],
    ['SNP_GCTX_CREATE', 'the page is shared', pageIs(HYPERVISOR_PAGE), 'INVALID_PAGE_STATE'],
    ['SNP_ACTIVATE', 'there is no such ASID', argsAre({ asid: 0 }), 'INVALID_ASID'],
    ['SNP_ACTIVATE', 'the ASID is too large', argsAre({ asid: 0x1_0000 }), 'INVALID_ASID'],
    ['SNP_ACTIVATE', 'another guest has the ASID', another, 'ASID_OWNED'],
    ['SNP_ACTIVATE', 'the ASID is not flushed', firmwareIs({ unflushed: [ASID] }), 'DFFLUSH_REQUIRED'],
    ['SNP_GUEST_STATUS', 'the buffer is shared', pageIs(HYPERVISOR_PAGE), 'INVALID_PAGE_STATE'],
    ['SNP_GUEST_REQUEST', 'the response page is shared', pageIs(HYPERVISOR_PAGE), 'INVALID_PAGE_STATE'],
    ['SNP_LAUNCH_START', 'the policy lacks bit 17', argsAre({ policy: 0x1_0000 }), 'POLICY_FAILURE'],
    ['SNP_LAUNCH_START', 'the policy has a reserved bit', argsAre({ policy: 0x3_0000 + 2 ** 26 }), 'POLICY_FAILURE'],
    ['SNP_LAUNCH_START', 'the policy asks for a newer ABI', argsAre({ policy: 0x3_0200 }), 'POLICY_FAILURE'],
    ['SNP_LAUNCH_UPDATE', 'the page is shared', pageIs(HYPERVISOR_PAGE), 'INVALID_PAGE_STATE'],
    ['SNP_LAUNCH_UPDATE', 'the guest owns the page already', pageIs({ ...PRE_GUEST, immutable: false }), 'INVALID_PAGE_STATE'],
    ['SNP_LAUNCH_UPDATE', 'another guest owns the page', pageIs({ ...PRE_GUEST, asid: 9 }), 'INVALID_PAGE_OWNER'],
    ['SNP_LAUNCH_UPDATE', 'the page is of 2M', pageIs({ ...PRE_GUEST, pageSize: '2M' }), 'INVALID_PAGE_SIZE'],
    ['SNP_LAUNCH_UPDATE', 'a leaf is refused', argsAre({ launch: { type: 'cpuid', refused: true } }), 'INVALID_PARAM'],
    ['SNP_LAUNCH_FINISH', 'a signature does not hold', idBlock({ signed: false, digest: SHA384 }), 'BAD_SIGNATURE'],
    ['SNP_LAUNCH_FINISH', 'the digest is another', idBlock({ digest: SHA384, policy: 0 }), 'BAD_MEASUREMENT'],
    ['SNP_LAUNCH_FINISH', 'the policy is another', idBlock({ policy: 0x3_0000 }), 'POLICY_FAILURE'],
    ['SNP_DBG_DECRYPT', 'the policy forbids it', guestIs({ policy: 0x3_0000 }), 'POLICY_FAILURE'],
    ['SNP_DBG_ENCRYPT', 'the page is shared', pageIs(HYPERVISOR_PAGE), 'INVALID_PAGE_STATE'],
    ['SNP_PAGE_MOVE', 'the policy forbids it', guestIs({ policy: 0x3_0000 + 2 ** 25 }), 'POLICY_FAILURE'],
    ['SNP_PAGE_MD_INIT', 'the page is shared', pageIs(HYPERVISOR_PAGE), 'INVALID_PAGE_STATE'],
    ['SNP_PAGE_SET_STATE', 'the page is shared', pageIs(HYPERVISOR_PAGE), 'INVALID_PAGE_STATE'],
    ['SNP_PAGE_RECLAIM', 'the page is a context', pageIs(CONTEXT_PAGE), 'INVALID_PAGE_STATE'],
    ['SNP_PAGE_RECLAIM', 'the page is shared', pageIs(HYPERVISOR_PAGE), 'INVALID_PAGE_STATE'],
    ['SNP_PAGE_UNSMASH', 'the page is not aligned', argsAre({ page: PAGE + 1 }), 'INVALID_PARAM'],
    ['SNP_PAGE_UNSMASH', "other frames of the 2 MiB are the hypervisor's", argsAre({ frames: [] }), 'INVALID_PAGE_STATE'],
    ['SNP_PAGE_UNSMASH', 'the page is a 2M entry already', behindIs({ pageSize: '2M' }), 'INVALID_PAGE_STATE'],
    ['SNP_PAGE_UNSMASH', 'the host may change a frame', behindIs({ immutable: false }), 'INVALID_PAGE_STATE'],
    ['SNP_PAGE_UNSMASH', 'a frame is a VMSA', behindIs({ vmsa: true }), 'INVALID_PAGE_STATE'],
    ['SNP_PAGE_UNSMASH', 'a frame is of no guest', behindIs({ asid: 0 }), 'INVALID_PAGE_STATE'],
    ['SNP_PAGE_UNSMASH', 'a frame is of another guest', behindIs({ asid: 9 }), 'INVALID_PAGE_STATE'],
    ['SNP_PAGE_UNSMASH', 'a frame is in another state', behindIs({ validated: true }), 'INVALID_PAGE_STATE'],
    ['SNP_PAGE_UNSMASH', 'a frame has other permissions', behindIs({ perms: [0xf, 1, 0, 0] }), 'INVALID_PAGE_STATE'],
    ['SNP_PAGE_UNSMASH', 'the GPAs are not consecutive', behindIs({ gfn: HUGE_GFN + 2 }), 'INVALID_PAGE_STATE'],
    ['SNP_PAGE_UNSMASH', 'the GPAs are not aligned', gfnsFrom(HUGE_GFN + 1), 'INVALID_PAGE_STATE'],
    [
      'SNP_CONFIG',
      'the TCB is above that of the chip',
      argsAre({ config: { ...GOOD.config, reportedTcb: '0xdb18000000000005' } }),
      'INVALID_PARAM',
    ],
  ];
  it.each(CASES)('%s where %s', (command, _why, change, expected) => {
    expect(runSnpCommand(command, base(command), CPUS).status).toBe('SUCCESS');
    expect(runSnpCommand(command, change(base(command)), CPUS)).toEqual({ status: expected });
  });

  it('meets each check that it has', () => {
    const met = new Map<string, Set<string>>();
    for (const [command, , change] of CASES) {
      const broken = change(base(command));
      const check = SNP_RULES[command].checks.find(({ applies }) => applies(broken))!;
      met.set(command, (met.get(command) ?? new Set()).add(check.name));
    }
    const same: Readonly<Partial<Record<SnpCommand, SnpCommand>>> = {
      SNP_INIT: 'SNP_INIT_EX',
      SNP_SHUTDOWN: 'SNP_SHUTDOWN_EX',
      SNP_ACTIVATE_EX: 'SNP_ACTIVATE',
      SNP_PAGE_SWAP_OUT: 'SNP_PAGE_MOVE',
      SNP_PAGE_SWAP_IN: 'SNP_PAGE_MOVE',
    };
    // The guest of the whole table meets these.
    const byState = ['the guest has an ASID', 'the guest has no ASID'];
    for (const command of SNP_COMMANDS) {
      const names = SNP_RULES[command].checks.map(({ name }) => name).filter((name) => !byState.includes(name));
      if (command === 'SNP_DBG_DECRYPT' || command === 'SNP_DBG_ENCRYPT' || command === 'SNP_PAGE_MD_INIT') continue;
      expect([command, [...(met.get(same[command] ?? command) ?? [])].sort()]).toEqual([command, [...names].sort()]);
    }
  });
});

describe('the pages of a command', () => {
  const changed = (command: SnpCommand, w = base(command)) => runSnpCommand(command, w, CPUS);
  const stateAfter = (entry: RmpEntry, change: Partial<RmpEntry>) => pageStateOf({ ...entry, ...change });

  it('go through the states of the firmware ABI', () => {
    const becomes = (command: SnpCommand, entry: RmpEntry, pfn: number) => stateAfter(entry, changed(command).entries![pfn]!);
    expect(becomes('SNP_GCTX_CREATE', FIRMWARE, PAGE)).toBe('Context');
    expect(becomes('SNP_DECOMMISSION', CONTEXT_PAGE, CONTEXT)).toBe('Firmware');
    expect(becomes('SNP_LAUNCH_UPDATE', PRE_GUEST, PAGE)).toBe('Guest-Valid');
    expect(becomes('SNP_PAGE_MD_INIT', FIRMWARE, PAGE)).toBe('Metadata');
    expect(becomes('SNP_PAGE_SET_STATE', FIRMWARE, PAGE)).toBe('HV-Fixed');
    for (const entry of [FIRMWARE, PRE_GUEST, { ...FIRMWARE, gfn: 1 }, { ...PRE_GUEST, validated: true }]) {
      const { entries } = changed('SNP_PAGE_RECLAIM', pageIs(entry)(base('SNP_PAGE_RECLAIM')));
      expect(stateAfter(entry, entries![PAGE]!)).toBe('Reclaim');
    }
  });

  it('become one 2M entry by SNP_PAGE_UNSMASH, which PSMASH splits into the same', () => {
    const { entries } = base('SNP_PAGE_UNSMASH');
    const { entries: changes } = changed('SNP_PAGE_UNSMASH');
    const frames = [PAGE, PAGE + 1];
    const after = Object.fromEntries(frames.map((pfn) => [pfn, { ...entries[pfn]!, ...changes![pfn]! }]));
    expect([isHuge(after, PAGE + 1), after[PAGE], after[PAGE + 1]]).toEqual([true, { ...entries[PAGE], pageSize: '2M' }, BEHIND_HEAD]);
    const split = smashHead(smashTails({ entries: after, frames, subCount: 0, inUse: [] }, PAGE), PAGE);
    expect(split.entries).toEqual({ [PAGE]: entries[PAGE], [PAGE + 1]: entries[PAGE + 1] });
  });

  it('are those that the RMP is asked about', () => {
    const asked = (command: SnpCommand, platform: SnpWorld['platform'] = 'INIT') =>
      pagesOf(command, { context: CONTEXT, page: PAGE, frames: [PAGE, PAGE + 1] }, platform);
    expect(asked('SNP_LAUNCH_UPDATE')).toEqual([CONTEXT, PAGE]);
    expect(asked('SNP_DECOMMISSION')).toEqual([CONTEXT, PAGE]);
    expect(asked('SNP_GCTX_CREATE')).toEqual([PAGE]);
    expect(asked('SNP_COMMIT')).toEqual([]);
    expect(asked('SNP_PAGE_UNSMASH')).toEqual([PAGE, PAGE + 1]);
    expect([asked('SNP_PLATFORM_STATUS'), asked('SNP_PLATFORM_STATUS', 'UNINIT')]).toEqual([[PAGE], []]);
  });
});

describe('a guest context', () => {
  it('has the digest of its pages, at the GPAs that the RMP has', () => {
    const sha384 = pageDigest(new Uint8Array(4096).fill(7));
    const hex = Buffer.from(sha384).toString('hex');
    const { firmware } = runSnpCommand(
      'SNP_LAUNCH_UPDATE',
      argsAre({ launch: { type: 'normal', sha384: hex } })(base('SNP_LAUNCH_UPDATE')),
      CPUS,
    );
    const expected = extendDigest(new Uint8Array(48), { type: 'normal', gpa: BigInt(GFN) << 12n, sha384 });
    expect(firmware!.guests![CONTEXT]!.digest).toBe(Buffer.from(expected).toString('hex'));
  });

  it('leaves its ASID unflushed, and every CPU with WBINVD to execute', () => {
    const { firmware } = runSnpCommand('SNP_DECOMMISSION', world('SNP_DECOMMISSION', 'INIT', GUESTS.running), CPUS);
    expect(firmware).toEqual({ guests: {}, unflushed: [ASID], wbinvdNeeded: CPUS });
    expect(runSnpCommand('SNP_DECOMMISSION', world('SNP_DECOMMISSION', 'INIT', GUESTS.init), CPUS).firmware).toEqual({ guests: {} });
  });

  it('is told by SNP_GUEST_STATUS, and counted by SNP_PLATFORM_STATUS with the configuration', () => {
    expect(runSnpCommand('SNP_GUEST_STATUS', world('SNP_GUEST_STATUS', 'INIT', GUESTS.running), CPUS).output).toEqual({
      state: 'RUNNING',
      asid: ASID,
      policy: DEBUGGED,
    });
    const configured = runSnpCommand('SNP_CONFIG', base('SNP_CONFIG'), CPUS).firmware!;
    const asked = firmwareIs(configured)(world('SNP_PLATFORM_STATUS', 'INIT', GUESTS.init));
    expect(runSnpCommand('SNP_PLATFORM_STATUS', asked, CPUS).output).toEqual({
      major: 1,
      minor: 55,
      build: 29,
      state: 1,
      rmpInitialized: true,
      guestCount: 1,
      tcb: SNP_TCB,
      reportedTcb: SNP_TCB,
      maskChipId: true,
      maskChipKey: false,
    });
  });

  it('has a policy of named bits', () => {
    expect([hasPolicy(0x3_0000, 'smt'), hasPolicy(0x3_0000, 'debugging'), hasPolicy(2 ** 25, 'noPageSwap')]).toEqual([true, false, true]);
  });
});
