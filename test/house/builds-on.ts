/** Mechanisms that use files of others: one way only, each with its reason. */
export const BUILDS_ON: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'sev-es-debug': {
    'guest-debug': 'its guests use the debug registers that guest debugging models',
    'sev-snp': 'a guest launched by the firmware goes through its mailbox, and an SNP guest has a VMSA as well',
  },
};

/** The mechanisms that the owner of a file builds on. */
export const below = (owner: string | null): readonly string[] => (owner === null ? [] : Object.keys(BUILDS_ON[owner] ?? {}));
