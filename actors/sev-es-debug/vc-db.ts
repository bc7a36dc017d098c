/**
 * The guest's handler of #VC where it stands for an intercepted #DB: it goes on in the handler of
 * #DB, and asks the host for nothing.
 *
 * Linux switches away from the stack of #VC before that. Left out: its look for a safe stack, and
 * the fall-back stack, on which it panics.
 *
 * @see kernel arch/x86/coco/sev/core.c, vc_is_db(), exc_vmm_communication(); arch/x86/kernel/
 * traps.c, vc_switch_off_ist()
 */
import { type GuestParts, guest } from '../kvm/guest-program.ts';

const { path, step, call } = guest;

const handler = path(
  'exc_vmm_communication',
  { source: 'kernel arch/x86/coco/sev/core.c, vc_is_db(), exc_vmm_communication()', grade: 'read' },
  [
    step('vc_is_db', {
      ns: 5,
      local: (_v, l) => ({
        gone: { skipped: false, value: 0, exception: null },
        raises: { vector: 'DB', retired: l.met!.retired, tf: l.met!.tf },
      }),
    }),
  ],
);

/** What the mechanism adds to guests whose intercepted #DB is #VC. */
export const VC_DB_GUEST: GuestParts = { debugExceptionVc: () => [call(handler)] };
