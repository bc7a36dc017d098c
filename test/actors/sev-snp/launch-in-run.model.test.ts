/**
 * A launch in the run: its digest is that of the scenario's pages, an ID block is compared byte for
 * byte, KVM filters policies, and a refused CPUID page is rewritten.
 */
import { describe, expect, it } from 'vitest';
import type { HostThread } from '../../../actors/host/host-env.ts';
import { extendDigest, FIRST_DIGEST } from '../../../actors/sev-snp/firmware/launch-digest.ts';
import type { PspContext } from '../../../actors/sev-snp/psp.ts';
import { launchPagesOf } from '../../../sim/mechanisms/sev-snp/launch-pages.ts';
import type { LaunchSetup } from '../../../sim/mechanisms/sev-snp/launch-sections.ts';
import type { ResolvedScenario } from '../../../sim/scenario/types.ts';
import { CONTEXT, launching, PAGES, toldBy, update } from '../../claims/sev-snp/snp-launches.ts';
import { inOrder } from '../../claims/sev-snp/snp-worlds.ts';
import { entryOf } from '../../claims/world.ts';
import type { Played } from '../../sim/play.ts';

const ALL = [update(0x10, 3)];
const digestOf = (scenario: ResolvedScenario) =>
  Buffer.from(launchPagesOf(scenario, scenario.vms[0]!)!.reduce(extendDigest, FIRST_DIGEST)).toString('hex');
const launched = (launch: Partial<LaunchSetup> = {}, program = ALL): Played => inOrder(launching(program, launch), undefined);
const guestIn = (played: Played) => played.context<PspContext>('psp').snp!.guests[CONTEXT];
const ioctls = (played: Played) => played.context<HostThread>('thread:qemu0/0').ioctlReturned;
const DIGEST = digestOf(launching(ALL));
const OTHER = '1'.repeat(96);

describe('a launch in the run', () => {
  it('has the digest that launch-digest computes of the scenario', () => {
    expect(guestIn(launched())).toEqual({ state: 'RUNNING', asid: 1, policy: 0x3_0000, digest: DIGEST });
    expect(DIGEST).toBe('edb7a11462a92f1ff0f0a522248ce384e34d18d01923c6b63ecd312bafdd9d917acfbd8e524b509c28de51f2b007f5a6');
  });

  it('has another digest in another order', () => {
    const { digest } = guestIn(launched({}, [update(0x11, 2), update(0x10)]))!;
    expect(digest).not.toBe(DIGEST);
  });

  it.each([
    [{ digest: DIGEST }, 'SUCCESS', 'ok'],
    [{ digest: OTHER }, 'BAD_MEASUREMENT', 'EIO'],
    [{ digest: DIGEST, signedDigest: OTHER }, 'BAD_SIGNATURE', 'EIO'],
    [{ digest: DIGEST, policy: 0x3_0001 }, 'POLICY_FAILURE', 'EIO'],
  ])('with the ID block %o ends with %s', (idBlock, status, result) => {
    const scenario = launching(ALL, { idBlock });
    const played = inOrder({ ...scenario, vms: scenario.vms }, undefined);
    expect(toldBy(played)).toMatchObject({ command: 'SNP_LAUNCH_FINISH', status });
    expect(ioctls(played)).toMatchObject({ op: 'KVM_SEV_SNP_LAUNCH_FINISH', result });
    expect(guestIn(played)!.state).toBe(status === 'SUCCESS' ? 'RUNNING' : 'LAUNCH');
  });

  it.each([
    ['bit 17 is 0', 0x1_0000],
    ['SMT is not allowed', 0x2_0000],
    ['there is a migration agent', 0x7_0000],
    ['it asks for a single socket', 0x13_0000],
    ['KVM does not know a bit', 0x23_0000],
  ])('is refused by KVM where %s', (_why, policy) => {
    const played = launched({ policy });
    expect(played.delivered('psp.command')).toEqual([]);
    expect(entryOf(played, CONTEXT).assigned).toBe(false);
  });

  it('is refused by the firmware where the policy asks for a newer ABI, and its context is given back', () => {
    const played = launched({ policy: 0x3_0200 });
    const commands = played.delivered('psp.command').map(({ payload }) => payload.command);
    expect(commands).toEqual(['SNP_GCTX_CREATE', 'SNP_LAUNCH_START', 'SNP_DECOMMISSION', 'SNP_PAGE_RECLAIM']);
    expect(entryOf(played, CONTEXT)).toMatchObject({ assigned: false, immutable: false });
  });

  it('goes on with the CPUID page that the firmware has rewritten', () => {
    const pages = [...PAGES, { type: 'cpuid', gfn: 0x20, pfn: 0x1020, refused: true }] as const;
    const once = launched({ pages }, [...ALL, update(0x20)]);
    expect(entryOf(once, 0x1020)).toMatchObject({ assigned: false });
    const twice = launched({ pages }, [...ALL, update(0x20), update(0x20)]);
    expect(entryOf(twice, 0x1020)).toMatchObject({ assigned: true, validated: true, gfn: 0x20 });
    expect(guestIn(twice)!.digest).toBe(digestOf(launching(ALL, { pages })));
  });
});
