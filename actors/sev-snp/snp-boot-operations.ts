/** Operations of host programs that bring SNP up, or end it: the path that carries each out. */
import { type HostEnv, type HostItem, host, kernelSource } from '../host/host-env.ts';
import { type KexecSetup, kexecOperations } from './kexec.ts';
import { bindStore, createVmPath, platformInitPath, rmptableInitPath, storePath } from './snp-boot.ts';

const { path, step, call } = host;

export const snpBootOperations =
  (setup: KexecSetup) =>
  (env: HostEnv): readonly (readonly [string, HostItem])[] => [
    [
      'enable-snp',
      call(
        path('do_initcalls', kernelSource('arch/x86/virt/svm/sev.c, device_initcall() (6.12; iommu_snp_enable() in 6.12.117)'), [
          step('initcall', { mode: 'kernel' }),
          call(rmptableInitPath(setup.cpus)),
          step('sysret', { mode: 'user' }),
        ]),
      ),
    ],
    ['init-firmware', call(platformInitPath(setup.cpus, setup.reserved))],
    ['create-snp-vm', call(createVmPath)],
    ...kexecOperations(env, setup),
    ['store-frame', call(storePath(env), bindStore(env))],
  ];
