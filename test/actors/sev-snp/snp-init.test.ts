/** What SNP_INIT_EX leaves for the host to do before a guest can have an ASID. */
import { describe, expect, it } from 'vitest';
import { runSnpCommand } from '../../../actors/sev-snp/snp-commands.ts';
import type { SnpCommand } from '../../../events/sev-snp/snp-command.ts';
import { CPUS, GUESTS, world } from './snp-command-world.ts';

const launching = (command: SnpCommand, change: object) => {
  const { firmware, ...rest } = world(command, 'INIT', GUESTS.launch);
  return { ...rest, firmware: { ...firmware, ...change } };
};

describe('SNP_INIT_EX', () => {
  it('leaves every ASID for SNP_DF_FLUSH, and that for WBINVD on every CPU', () => {
    const started = runSnpCommand('SNP_INIT_EX', world('SNP_INIT_EX', 'UNINIT', undefined), CPUS);
    const after = (command: SnpCommand, change = started.firmware!) => launching(command, change);
    const ends = (command: SnpCommand, change?: typeof started.firmware) => runSnpCommand(command, after(command, change), CPUS);
    expect([started.platform, started.firmware]).toEqual(['INIT', { wbinvdNeeded: CPUS, flushNeeded: true }]);
    expect(['SNP_ACTIVATE', 'SNP_SHUTDOWN_EX', 'SNP_DF_FLUSH'].map((command) => ends(command as SnpCommand).status)).toEqual([
      'DFFLUSH_REQUIRED',
      'DFFLUSH_REQUIRED',
      'WBINVD_REQUIRED',
    ]);
    const flushed = { ...started.firmware, ...ends('SNP_DF_FLUSH', { ...started.firmware, wbinvdNeeded: [] }).firmware, wbinvdNeeded: [] };
    expect(ends('SNP_ACTIVATE', flushed).status).toBe('SUCCESS');
  });
});
