/**
 * Resolving: parameters, presets, variants, programs and property names become what a run depends
 * on.
 */
import { describe, expect, it } from 'vitest';
import { ParameterValueError, ScenarioError, UnknownParameterError, UnknownVariantError } from '../../../sim/scenario/issues.ts';
import { loadScenario } from '../../../sim/scenario/load.ts';
import type { HostStep } from '../../../sim/scenario/program.ts';
import { resolveScenario } from '../../../sim/scenario/resolve.ts';
import type { ResolvedScenario } from '../../../sim/scenario/types.ts';
import { changed, FILE, KNOWN, SAMPLE } from './sample.ts';
import { small } from './small.ts';

const sample = loadScenario(SAMPLE, FILE, KNOWN);
const resolve = (options: { variant?: string; set?: Record<string, string> } = {}): ResolvedScenario =>
  resolveScenario(sample, { ...options, knownProperties: KNOWN });

describe('resolving a scenario', () => {
  it('compiles each program, with an end', () => {
    expect(resolve().vms[0]?.vcpus[0]).toEqual({
      ops: [
        { op: 'psc', gfn: 5, to: 'private' },
        { op: 'pvalidate', gfn: 5, validated: true },
        { op: 'write', gfn: 5, private: true },
        { op: 'end' },
      ],
      loops: [],
    });
  });

  it('turns repeat into a jump back', () => {
    expect(resolve().processes[1]?.threads[0]?.program).toEqual({
      ops: [{ op: 'write', vm: 'vm0', gfn: 5, stores: 2 }, { op: 'next', loop: 0, to: 0 }, { op: 'end' }],
      loops: [3],
    });
  });

  it('numbers loops from the outside', () => {
    const inner: HostStep = { repeat: { times: 3, do: [{ 'make-shared': { vm: 'vm0', gfn: 5 } }] } };
    const thread: HostStep[] = [{ 'kvm-write-guest': { vm: 'vm0', gfn: 5 } }, { repeat: { times: 2, do: [inner, inner] } }];
    const built = small({ processes: { qemu0: { threads: [[{ KVM_RUN: { vcpu: 'vm0/0' } }], thread] } } });
    const { program } = resolveScenario(built, { knownProperties: [] }).processes[0]!.threads[1]!;
    expect(program.loops).toEqual([2, 3, 3]);
    expect(program.ops.map((op) => (op.op === 'next' ? `next ${op.loop} ${op.to}` : op.op))).toEqual([
      'kvm-write-guest',
      'make-shared',
      'next 1 1',
      'make-shared',
      'next 2 3',
      'next 0 1',
      'end',
    ]);
  });

  it('names a thread after the vCPU it runs first, and others by index', () => {
    const threads: HostStep[][] = [
      [{ 'make-shared': { vm: 'vm0', gfn: 5 } }],
      [{ repeat: { times: 2, do: [{ KVM_RUN: { vcpu: 'vm0/0' } }] } }],
      [{ 'make-shared': { vm: 'vm0', gfn: 5 } }],
    ];
    const resolved = resolveScenario(small({ processes: { qemu0: { threads } } }), { knownProperties: [] });
    expect(resolved.processes[0]?.threads.map(({ id }) => id)).toEqual(['0', 'vcpu0', '2']);
  });

  it('fills in what a scenario does not say', () => {
    const {
      host,
      sections,
      time,
      bounds,
      variant,
      expect: expected,
      vms,
      allow,
      properties,
    } = resolveScenario(small(), { knownProperties: KNOWN });
    expect({ ...host, options: undefined }).toEqual({
      arch: 'amd',
      cpus: 2,
      smt: false,
      preemption: 'full',
      kernel: '6.12',
      ticks: 'direct',
      features: ['sev-snp'],
      options: undefined,
    });
    expect(sections).toEqual({ firmware: { state: 'INIT', pages: [] } });
    expect({ time, bounds, variant, expected, allow }).toEqual({
      time: 'untimed',
      bounds: { steps: 1_000_000, states: 200_000 },
      variant: 'default',
      expected: null,
      allow: [],
    });
    expect(vms[0]?.settings).toEqual({ asid: 1, pages: [{ gfn: 5, pfn: 0x1005, state: 'shared' }] });
    expect(properties).toEqual({ always: [], sometimes: [], eventually: [] });
  });

  it("puts the variant's options over the host's, and those over the preset's and the defaults", () => {
    expect(resolve().host.options).toEqual({
      memory: 'sc',
      'kvm.rmpFault': 'panic-sigbus',
      'kvm.mapLock': 'none',
      'kvm.privateMemory': 'mapped',
      'kvm.teardownLookup': 'assigned',
      'vmm.convert': 'ordered',
      'kvm.rmpupdateRetry': 'overlap',
      'kvm.vmsaKick': 'kick-and-block',
      'kvm.npfLock': 'dropped',
      'kvm.deactivateLock': 'rwsem',
      'guest.notValidated': 'terminate',
      'guest.unchanged': 'ignore',
      'guest.validatedPage': 'as-found',
      'svsm.pvalidateLock': 'instruction',
      'rmp.contention': 'overlap-2m',
      'kvm.ghcbMap': 'until-entry',
      'kvm.ghcbFetch': 'checked-index',
      'kvm.pscCodes': 'specification',
      'kvm.apRefusal': 'unchanged',
      'kvm.apUpdate': 'reset',
      'kvm.apNoMemory': 'runnable',
      'kvm.noVmsa': 'entered',
      'kvm.guestCerts': 'empty-table',
      'kvm.guestRequestLimit': 'none',
      'guest.requestError': 'retried',
      'kvm.directMap': 'split',
      'kvm.memoryBacking': 'thp',
      'kvm.vmcbPage': 'unaligned',
      'rmp.inUseErratum': 'absent',
      'rmp.tlb': 'coherent',
      'kvm.gmemZap': 'before',
      'kvm.preSevRun': 'flush-if-moved',
      'sev.creationCheck': 'unchecked',
      'sev.featuresWrite': 'sync',
      'sev.guestDebug': 'reject-launch',
      'sev.guestFpu': 'confidential-at-launch',
      'sev.launchCheck': 'each-vcpu',
      'sev.launchLock': 'one-by-one',
      'sev.lbrvOrder': 'after-protected',
      'sev.moveFeatures': 'before-vmcb',
      'sev.moveLbrv': 'left',
      'sev.snpFinishLock': 'none',
      'sev.sregsKey': 'vmsa-encrypted',
      'sev.syncCheck': 'protected',
      'sev.vmTypes': 'explicit',
      'sev.vmsaFeatures': 'as-asked',
      'vmm.kick': 'clear-then-look',
      'kvm.immediateExit': 'wants-to-run',
      'kvm.saveDebug': 'if-possible',
      'guest.cr4De': 'clear',
      'kvm.vectoringIntercepts': 'db-and-ac',
      'kvm.gmemSplit': 'psmash',
      'kvm.gmemOrder': 'folio',
      'kvm.guestDr6': 'once',
      'kvm.fillSaveArea': 'per-load',
      'kvm.debugSwap': 'gated',
      'kvm.hostBreakpoints': 'restored',
      'kvm.dr7Exit': 'resumed',
      'kvm.dr7Intercept': 'dropped',
      'kvm.dbIntercept': 'dropped',
      'kvm.deviceReference': 'before-fd',
      'kvm.eachVcpu': 'range',
      'kvm.vcpuOnline': 'xa-store',
      'sev.interceptedDb': 'exit',
      'guest.vcDr7': 'linux',
      'host.cpusOnline': 'all',
      'host.iommu': 'enforcing',
      'host.rmpEnd': 'reserved',
      'host.rmpTable': 'covers-ram',
      'host.sevCmdBuf': 'kept',
      'host.snpDecommission': 'never',
      'host.snpFirmware': '1.55',
      'host.snpTeardown': 'firmware',
      'kvm.ksm': 'unmergeable',
      'kvm.sevSnp': 'on',
    });
    expect(resolve({ variant: 'map-lock-user' }).host.options).toMatchObject({ 'kvm.mapLock': 'user', 'rmp.contention': 'inuse' });
  });

  it('takes the first variant, or the one asked for, with its expectation', () => {
    expect(resolve()).toMatchObject({ variant: 'panic-sigbus', expect: { violates: ['snp.host-survives'] } });
    expect(resolve({ variant: 'map-lock-user' })).toMatchObject({ variant: 'map-lock-user', expect: 'clean' });
    expect(resolve({ variant: 'kill-guest' }).expect).toBeNull();
  });

  it('expands a topic to the properties of the kind', () => {
    const { properties } = resolve();
    expect(properties.always).toEqual(['rmp.no-double-owner', 'rmp.validated-implies-assigned', 'snp.host-survives']);
    expect(properties.sometimes).toEqual(['rmp.entry-lock-is-contended']);
  });

  it('expands a topic to all that no other kind names, where kinds are not known', () => {
    const { properties } = resolveScenario(sample, { knownProperties: KNOWN.map(({ id }) => id) });
    expect(properties.always).toEqual(['rmp.no-double-owner', 'rmp.validated-implies-assigned', 'snp.host-survives']);
  });
});

describe('parameters', () => {
  it('get their types from text', () => {
    const { params, vms, processes } = resolve({ set: { STORES: '0x3', FINAL: 'shared', ENCRYPTED: 'false' } });
    expect(params).toEqual({ STORES: 3, GFN: 5, FINAL: 'shared', ENCRYPTED: false });
    expect(vms[0]?.vcpus[0]?.ops[0]).toMatchObject({ to: 'shared' });
    expect(vms[0]?.vcpus[0]?.ops[2]).toMatchObject({ private: false });
    expect(processes[1]?.threads[0]?.program.ops[0]).toMatchObject({ stores: 3 });
  });

  it.each([
    [{ STORE: '2' }, UnknownParameterError, /found "STORE"; expected a parameter of the scenario .*; did you mean "STORES"\?$/],
    [{ toString: '2' }, UnknownParameterError, /found "toString"/],
    [{ STORES: '9' }, ParameterValueError, /params\.STORES: found "9"; expected an integer from 1 to 8$/],
    [{ STORES: '1.5' }, ParameterValueError, /found "1\.5"; expected an integer from 1 to 8$/],
    [{ STORES: '' }, ParameterValueError, /found ""; expected an integer/],
    [{ GFN: '99999999999999999999' }, ParameterValueError, /expected an integer$/],
    [{ ENCRYPTED: 'yes' }, ParameterValueError, /found "yes"; expected true or false$/],
    [{ FINAL: 'open' }, ParameterValueError, /found "open"; expected one of "private", "shared"$/],
    [{ GFN: '-1' }, ScenarioError, /psc\.gfn: found \$GFN = -1; expected an integer from 0 to/],
    [{ GFN: '0x7' }, ScenarioError, /psc\.gfn: found GFN 0x7; expected a page of vm0 \(0x5, 0x6\)$/],
  ])('refuse %j', (set, type, message) => {
    const attempt = () => resolve({ set: set as unknown as Record<string, string> });
    expect(attempt).toThrow(type);
    expect(attempt).toThrow(message);
  });

  it('may repeat an operation', () => {
    const text = changed('times: 3', 'times: $STORES');
    const { processes } = resolveScenario(loadScenario(text, FILE, KNOWN), { set: { STORES: '7' }, knownProperties: KNOWN });
    expect(processes[1]?.threads[0]?.program.loops).toEqual([7]);
  });
});

describe('what cannot be resolved', () => {
  it.each(['auto-shared', 'toString', ''])('a variant %j', (variant) => {
    expect(() => resolve({ variant })).toThrow(UnknownVariantError);
  });

  it('names the nearest variant', () => {
    expect(() => resolve({ variant: 'autoshare' })).toThrow(/did you mean "auto-share"\?/);
  });

  it('a property that this version does not know', () => {
    expect(() => resolveScenario(sample, { knownProperties: ['snp.host-survives'] })).toThrow(/properties\.always\[0\]: found "rmp\.\*"/);
  });
});
