/** The mechanisms that are shipped. A new one is a line here, and files of its own. */
import type { Mechanism } from '../host/mechanism.ts';
import { guestDebug } from './guest-debug/index.ts';
import { lifecycle } from './lifecycle/index.ts';
import { osLock } from './os-lock/index.ts';
import { SEV_ES_GUESTS, sevEsDebug } from './sev-es-debug/index.ts';
import { sevSnp } from './sev-snp/index.ts';
import { splitLock } from './split-lock/index.ts';
import { userVmm } from './user-vmm/index.ts';

export const SHIPPED_MECHANISMS: readonly Mechanism[] = [
  sevSnp,
  splitLock,
  osLock,
  userVmm,
  lifecycle,
  guestDebug(SEV_ES_GUESTS),
  sevEsDebug,
];
