/**
 * What the shipped mechanisms bring to modules of a user: the types that they add to those of
 * others, and the paths that are patched or called. One import for each file that declares such
 * types (`test/house/front-door.test.ts` compares); a new one is one more line.
 */
import '../actors/guest-debug/debug-kvm.ts';
import '../actors/guest-debug/perf-breakpoint.ts';
import '../actors/guest-debug/x86-guest.ts';
import '../actors/kvm/kvm-env.ts';
import '../actors/kvm/kvm-run.ts';
import '../actors/kvm/slots.ts';
import '../actors/kvm/tgkill.ts';
import '../actors/kvm/user-exits.ts';
import '../actors/kvm/x86.ts';
import '../actors/os-lock/arm-env.ts';
import '../actors/os-lock/arm-guest.ts';
import '../actors/sev-es-debug/launch-env.ts';
import '../actors/sev-es-debug/sev-es-kvm.ts';
import '../actors/sev-es-debug/vc-dr7.ts';
import '../actors/sev-snp/snp-env.ts';
import '../actors/sev-snp/snp-guest.ts';
import '../actors/split-lock/account.ts';
import '../actors/split-lock/bus-lock.ts';
import '../actors/split-lock/emulator.ts';
import '../actors/split-lock/hotplug.ts';
import '../actors/split-lock/resume.ts';
import '../actors/split-lock/sld-guest.ts';
import '../actors/split-lock/sld-kvm.ts';
import '../actors/split-lock/virt.ts';
import '../actors/split-lock/vmm.ts';
import '../actors/split-lock/warn-by-work.ts';
import '../actors/split-lock/warn.ts';
import '../actors/svm/svm.ts';
import '../actors/user-vmm/kick.ts';
import '../actors/vmx/vmx.ts';
import '../events/guest-debug/guest-debug.ts';
import '../events/guest-debug/kvm-debug.ts';
import '../events/guest-debug/operations.ts';
import '../events/os-lock/arm-debug.ts';
import '../events/sev-es-debug/host-save-area.ts';
import '../events/sev-es-debug/launch.ts';
import '../events/sev-es-debug/sev-es-debug.ts';
import '../events/sev-snp/ghcb.ts';
import '../events/sev-snp/psp.ts';
import '../events/sev-snp/rmp.ts';
import '../events/sev-snp/sev-snp.ts';
import '../events/sev-snp/vm-pages.ts';
import '../events/split-lock/sld-options.ts';
import '../events/split-lock/split-lock.ts';
import '../events/svm.ts';
import '../events/user-vmm/user-vmm.ts';
import '../events/vmx.ts';
import '../sim/mechanisms/guest-debug/operations.ts';
import '../sim/mechanisms/os-lock/index.ts';
import '../sim/mechanisms/os-lock/operations.ts';
import '../sim/mechanisms/sev-es-debug/launch-operations.ts';
import '../sim/mechanisms/sev-snp/operations.ts';
import '../sim/mechanisms/sev-snp/sections.ts';
import '../sim/mechanisms/split-lock/index.ts';
import '../sim/mechanisms/split-lock/operations.ts';
import '../sim/mechanisms/user-vmm/index.ts';
import '../sim/mechanisms/user-vmm/operations.ts';

export { pageFaultPath } from '../actors/sev-snp/page-fault.ts';
export { rmpupdatePath } from '../actors/sev-snp/rmpupdate.ts';
export { toRmp } from '../actors/sev-snp/snp-env.ts';
export type { RmpEntry, RmpPerms, RmpRequest, RmpResult, RmpUpdate } from '../events/sev-snp/rmp.ts';
