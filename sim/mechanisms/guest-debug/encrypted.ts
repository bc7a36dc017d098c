/**
 * Guests whose registers KVM cannot read or write. Another mechanism brings them, with KVM's half
 * of each vCPU, which takes the messages of this one's.
 */
export interface EncryptedGuests {
  /** Of a type of VMs. */
  readonly has: (type: string | undefined) => boolean;
  /** VMs that do not exist when the run begins: plain, and debugged, until they are launched. */
  readonly launchedInRun: (vm: { readonly settings?: object }) => boolean;
  /** Guest operations that such guests lack, as they are no exits of their own. */
  readonly lacks: readonly string[];
}
