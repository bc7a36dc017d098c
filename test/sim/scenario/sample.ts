/** The scenario that the tests start from, and ways to change it. */
import { parseScenario } from '../../../sim/scenario/load.ts';

export const KNOWN = [
  { id: 'rmp.no-double-owner', kind: 'always' },
  { id: 'rmp.validated-implies-assigned', kind: 'always' },
  { id: 'rmp.entry-lock-is-contended', kind: 'sometimes' },
  { id: 'snp.host-survives', kind: 'always' },
  { id: 'snp.guest-survives', kind: 'always' },
  { id: 'snp.psc-completes', kind: 'eventually' },
] as const;

export const FILE = 'psc-during-host-write.yaml';

/** The mistakes of a text, one a line. */
export function issuesOf(text: string): string[] {
  const parsed = parseScenario(text, FILE, KNOWN);
  return parsed.ok ? [] : parsed.issues.map(({ line, path, message }) => `${line} | ${path} | ${message}`);
}

export const SAMPLE = `# A daemon writes a page while the guest takes it private.
name: psc-during-host-write
summary: A host write meets a page state change
source: SNP host-write discussion
claims: [SNP-29, SNP-31]
params:
  STORES: { type: integer, min: 1, max: 8, default: 2 }
  GFN: { type: integer, default: 0x5 }
  FINAL: { type: string, enum: [private, shared], default: private }
  ENCRYPTED: { type: boolean, default: true }
host:
  arch: amd
  cpus: 2
  preemption: full
  kernel: "6.12"
  features: [sev, sev-es, sev-snp]
  options: { rmp.contention: overlap-2m }
vms:
  vm0:
    type: snp
    options:
      asid: 1
      pages:
        - { gfn: 0x5, pfn: 0x1005, state: shared }
        - { gfn: 0x6, pfn: 0x1006, state: vmsa }
    vcpus:
      - - psc: { gfn: $GFN, to: $FINAL }
        - pvalidate: { gfn: 0x5, validated: true }
        - write: { gfn: 0x5, private: $ENCRYPTED }
processes:
  qemu0:
    threads:
      - - KVM_RUN: { vcpu: vm0/0 }
  netd:
    threads:
      - - repeat:
            times: 3
            do:
              - write: { vm: vm0, gfn: 0x5, stores: $STORES }
firmware:
  state: INIT
  pages:
    - { pfn: 0x2000, state: firmware }
time: untimed
allow: [spurious-exit]
variants:
  panic-sigbus: { kvm.rmpFault: panic-sigbus }
  auto-share: { kvm.rmpFault: auto-share }
  kill-guest: { kvm.rmpFault: kill-guest }
  map-lock-user: { kvm.mapLock: user, rmp.contention: inuse }
properties:
  always: [rmp.*, snp.host-survives]
  sometimes: [rmp.entry-lock-is-contended]
bounds: { steps: 1000, states: 5000 }
expect:
  panic-sigbus: { violates: [snp.host-survives] }
  map-lock-user: clean
`;

/**
 * The sample with one piece of text replaced.
 * @throws Error unless it stands there exactly once.
 */
export function changed(from: string, to: string, text: string = SAMPLE): string {
  if (text.split(from).length !== 2)
    throw new Error(`the sample holds ${JSON.stringify(from)} ${text.split(from).length - 1} times; expected 1`);
  return text.replace(from, () => to);
}

/** The line of a piece of text in a file. */
export const lineOf = (text: string, piece: string): number => text.slice(0, text.indexOf(piece)).split('\n').length;
