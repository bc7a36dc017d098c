/** What the firmware makes of each command of bring-up and shutdown, by the state of a platform. */
import { describe, expect, it } from 'vitest';
import { type Platform, platformOf, runCommand, writeBack, writeRegisters, zeroTable } from '../../../actors/sev-snp/platform-rules.ts';

const CPUS = ['pcpu:0', 'pcpu:1'] as const;
const ready = (p: Platform): Platform => CPUS.reduce((one, cpu) => writeRegisters(one, cpu, { snp: true, hsave: false }), p);
const flushed = (p: Platform): Platform => CPUS.reduce((one, cpu) => writeBack(one, cpu).platform, p);

const off = platformOf(CPUS, false, false);
const up = platformOf(CPUS, true, false);
const busy = platformOf(CPUS, true, true);
const gone = runCommand(busy, 'SNP_DECOMMISSION').platform;
const STATES = { off, ready: ready(off), up, busy, gone, written: flushed(gone) };

const ROWS: Readonly<Record<string, readonly string[]>> = {
  SNP_INIT_EX: [
    'INVALID_CONFIG',
    'SUCCESS',
    'INVALID_PLATFORM_STATE',
    'INVALID_PLATFORM_STATE',
    'INVALID_PLATFORM_STATE',
    'INVALID_PLATFORM_STATE',
  ],
  SNP_DF_FLUSH: ['INVALID_PLATFORM_STATE', 'INVALID_PLATFORM_STATE', 'SUCCESS', 'SUCCESS', 'WBINVD_REQUIRED', 'SUCCESS'],
  SNP_DECOMMISSION: ['INVALID_PLATFORM_STATE', 'INVALID_PLATFORM_STATE', 'SUCCESS', 'SUCCESS', 'SUCCESS', 'SUCCESS'],
  SNP_SHUTDOWN_EX: ['SUCCESS', 'SUCCESS', 'SUCCESS', 'DFFLUSH_REQUIRED', 'DFFLUSH_REQUIRED', 'DFFLUSH_REQUIRED'],
  SNP_GCTX_CREATE: ['INVALID_PLATFORM_STATE', 'INVALID_PLATFORM_STATE', 'SUCCESS', 'SUCCESS', 'SUCCESS', 'SUCCESS'],
};

describe('the platform', () => {
  it.each(Object.entries(ROWS))('ends %s by its state, and is as it was where it refuses', (command, row) => {
    const ended = Object.values(STATES).map((state) => ({ state, ...runCommand(state, command as 'SNP_INIT_EX') }));
    expect(ended.map(({ status }) => status)).toEqual(row);
    for (const { status, state, platform } of ended) if (status !== 'SUCCESS') expect(platform).toBe(state);
  });

  it('has its statuses of the table of commands, and every CPU to write back where that has it', () => {
    const started = runCommand(ready(off), 'SNP_INIT_EX').platform;
    expect([started.unflushed, started.flushNeeded]).toEqual([CPUS, true]);
    expect(['SNP_DF_FLUSH', 'SNP_SHUTDOWN_EX'].map((command) => runCommand(started, command as 'SNP_DF_FLUSH').status)).toEqual([
      'WBINVD_REQUIRED',
      'DFFLUSH_REQUIRED',
    ]);
    const { platform } = runCommand(flushed(started), 'SNP_DF_FLUSH');
    expect([platform.flushNeeded, runCommand(platform, 'SNP_SHUTDOWN_EX').status]).toEqual([false, 'SUCCESS']);
  });

  it('has zeros of the table in memory once the CPU that wrote them has executed WBINVD, and no other', () => {
    const zeroed = zeroTable(off, 'pcpu:0');
    expect(writeBack(zeroed, 'pcpu:1')).toMatchObject({ table: null, platform: { table: 'cached' } });
    expect(writeBack(zeroed, 'pcpu:0')).toMatchObject({ table: 'clear', platform: { table: 'clear' } });
  });

  it('ends the checks of all CPUs by a shutdown that is asked for it', () => {
    const { platform, table } = runCommand(up, 'SNP_SHUTDOWN_EX', true);
    expect(Object.values(platform.cpus).some(({ snp }) => snp)).toBe(false);
    expect([table, runCommand(up, 'SNP_SHUTDOWN_EX').table]).toEqual(['clear', 'release']);
    expect(runCommand(ready(off), 'SNP_INIT_EX').table).toBe('init');
  });
});
