/**
 * One world with everything a scenario of this model can ask for at once: every operation, page,
 * offer and kind of wait.
 */
import type { HostOptions } from '../../events/options.ts';
import type { ResolvedScenario, Scenario } from '../../sim/scenario/types.ts';
import * as w from '../claims/world.ts';

const FIRMWARE_PAGE = 0x1800;

export const crowded = (options: Partial<HostOptions>, host: Partial<Scenario['host']> = {}): ResolvedScenario =>
  w.world(
    {
      vm0: w.vm(
        [w.page('shared'), w.page('guest-valid', 6), w.page('vmsa', 8)],
        [w.psc('private'), w.pvalidate(), w.write(true), { repeat: { times: 2, do: [w.spin, w.rmpadjust(true, 6)] } }, w.read(true), w.hlt],
      ),
    },
    {
      qemu0: [[w.run()]],
      netd: [[{ repeat: { times: 2, do: [w.dmaWrite(2), w.dmaWrite(1, 8)] } }], [w.makeShared(6)]],
      vhost0: [[w.kernelWrite()]],
      sevctl: [
        [
          { 'sev-command': { command: 'SNP_PLATFORM_STATUS', pfn: FIRMWARE_PAGE } },
          { 'sev-command': { command: 'SNP_DF_FLUSH' } },
          { 'sev-command': { command: 'SNP_SHUTDOWN_EX' } },
          { 'sev-command': { command: 'SNP_INIT_EX' } },
        ],
      ],
    },
    options,
    {
      host: { arch: 'amd', cpus: 2, features: ['sev-snp'], options, ...host },
      allow: ['interrupt', 'psp-error', 'spurious-exit'],
      firmware: { state: 'INIT', pages: [{ pfn: FIRMWARE_PAGE, state: 'hypervisor' }] },
    },
  );
