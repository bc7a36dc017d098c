/** The version of the model's behaviour, and what each version changed. A changed golden digest without a new version fails the check. */

export interface BehaviourChange {
  readonly version: number;
  readonly change: string;
  readonly source: string;
}

export const BEHAVIOUR_LOG: readonly BehaviourChange[] = [
  {
    version: 1,
    change: 'First model: pCPU, scheduler, host threads on the SVM run loop, RMP regions, PSP mailbox, host-write policies.',
    source: 'Linux 6.12 for the run loop and RMP helpers; series v5 for page-state changes and the map lock; docs/fidelity.md',
  },
];

export const MODEL_VERSION: number = BEHAVIOUR_LOG.at(-1)!.version;
