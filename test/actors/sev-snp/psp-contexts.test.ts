/** The PSP with guest contexts: how it sees the pages of a command, and what it writes. */
import { describe, expect, it } from 'vitest';
import { type PspContext, pspMachine } from '../../../actors/sev-snp/psp.ts';
import { HYPERVISOR_PAGE } from '../../../actors/sev-snp/rmp-table.ts';
import { FIRST_SNP_DIGEST } from '../../../actors/sev-snp/snp-commands.ts';
import type { SnpArguments, SnpGuest } from '../../../events/sev-snp/snp-command.ts';
import { Given } from '../given.ts';

const GUEST: SnpGuest = { state: 'LAUNCH', asid: 1, policy: 0x3_0000, digest: FIRST_SNP_DIGEST };
const CONTEXT = 0x1900;
const PAGE = 0x1a00;
const FIRMWARE = { ...HYPERVISOR_PAGE, assigned: true, immutable: true };
const exec = { type: 'exec', from: 'psp' };
const psp = (guests: Readonly<Record<number, SnpGuest>> = { [CONTEXT]: GUEST }, wbinvdNeeded: readonly number[] = []) =>
  Given.start<PspContext>(pspMachine, {
    state: 'INIT',
    errors: true,
    interrupts: false,
    snp: { guests, unflushed: [], wbinvdNeeded },
    cpus: 2,
  });
const send = (command: string, args: SnpArguments) => ({ type: 'psp.command', from: 'thread:a/0', command, pfn: 0, args });
const seen = (pfn: number, entry: object, locked = false) => ({ type: 'rmp.inspected', from: 'rmp:0x1800', pfn, entry, locked });
const output = (given: Given<PspContext>) => given.when({ type: 'psp.output?', from: 'thread:a/0' }).sent[0]!.event;

describe('the PSP with guest contexts', () => {
  const update = send('SNP_LAUNCH_UPDATE', { context: CONTEXT, page: PAGE, launch: { type: 'zero' } });
  const preGuest = { ...FIRMWARE, asid: 1, gfn: 5 };

  it('looks at one page after the other, and writes when it has seen all', () => {
    const first = psp().after(update).when(exec);
    expect(first.sent).toEqual([{ to: 'rmp:0x1800', event: { type: 'rmp.inspect', pfn: CONTEXT } }]);
    const second = first.and.when(seen(CONTEXT, { ...FIRMWARE, vmsa: true }));
    expect(second.sent).toEqual([{ to: 'rmp:0x1a00', event: { type: 'rmp.inspect', pfn: PAGE } }]);
    const last = second.and.when(seen(PAGE, preGuest));
    expect(last.sent).toEqual([
      { to: 'rmp:0x1a00', event: { type: 'rmp.firmware', pfn: PAGE, change: { immutable: false, validated: true, vmsa: false } } },
      { to: 'pcpu:0', event: { type: 'irq.psp' } },
    ]);
    expect(last.context.snp!.guests[CONTEXT]!.digest).not.toBe(FIRST_SNP_DIGEST);
    expect(last.context).toMatchObject({ status: 'SUCCESS', command: null, asking: null });
    expect(last.context.args).toBeUndefined();
  });

  it('begins again when an instruction holds one of the entries', () => {
    const waiting = psp()
      .after(update, exec, seen(CONTEXT, { ...FIRMWARE, vmsa: true }))
      .after(seen(PAGE, preGuest, true));
    expect(waiting.context).toMatchObject({ command: 'SNP_LAUNCH_UPDATE', asking: null });
    expect(waiting.when(exec).sent).toEqual([{ to: 'rmp:0x1800', event: { type: 'rmp.inspect', pfn: CONTEXT } }]);
  });

  it('forgets the arguments of a command that a hardware error ended', () => {
    const failed = psp().after(send('SNP_ACTIVATE', { context: CONTEXT, asid: 2 }), { type: 'psp-error', from: 'psp' });
    const next = failed.after({ type: 'psp.command', from: 'thread:a/0', command: 'SNP_DF_FLUSH', pfn: 0 });
    expect(next.context.args).toBeUndefined();
  });

  it('asks for WBINVD of each CPU before it flushes', () => {
    const flush = { type: 'psp.command', from: 'thread:a/0', command: 'SNP_DF_FLUSH', pfn: 0 };
    const wbinvd = (cpu: number) => ({ type: 'psp.wbinvd', from: 'thread:a/0', cpu });
    const gone = psp({}, [0, 1]);
    expect(gone.after(flush, exec).context.status).toBe('WBINVD_REQUIRED');
    expect(gone.after(wbinvd(0), flush, exec).context.status).toBe('WBINVD_REQUIRED');
    expect(gone.after(wbinvd(1), wbinvd(0), flush, exec).context.status).toBe('SUCCESS');
  });

  it('tells what the last command has written', () => {
    const status = psp().after(
      send('SNP_GUEST_STATUS', { context: CONTEXT, page: PAGE }),
      exec,
      seen(CONTEXT, { ...FIRMWARE, vmsa: true }),
    );
    expect(output(status.after(seen(PAGE, FIRMWARE)))).toEqual({
      type: 'psp.output',
      status: 'SUCCESS',
      output: { state: 'LAUNCH', asid: 1, policy: 0x3_0000 },
    });
    expect(output(status.after(seen(PAGE, HYPERVISOR_PAGE)))).toMatchObject({ status: 'INVALID_PAGE_STATE', output: null });
  });
});
