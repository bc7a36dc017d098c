/**
 * Contents of pages: what stores leave, what loads find of it, as pure functions. No instruction on
 * an RMP entry changes them: a page that changes hands keeps its bytes, and who reads them under
 * another key finds ciphertext.
 *
 * @see APM vol. 2, "Secure Encrypted Virtualization"; domain snp c 4, d.1, h I7
 */
import { type ActorId, type Outgoing, outgoing } from '../../events/event.ts';
import { AT_START, type Content, type Loaded } from '../../events/sev-snp/contents.ts';
import type { GuestAccess } from '../../events/sev-snp/rmp.ts';

/** By PFN; of a frame that is not named nothing is known. */
export type Contents = Readonly<Record<number, Content>>;

/** A store of a host, whose mappings of guest memory are in plain. */
export const hostStores = (contents: Contents, pfn: number, by: string, n: number): Contents =>
  pfn in contents ? { ...contents, [pfn]: { by, n } } : contents;

/** A store of a guest: under its key if the C-bit says so. */
const guestStores = (contents: Contents, access: GuestAccess, by: string, n: number): Contents => ({
  ...contents,
  [access.pfn]: { by, n, gfn: access.gfn, ...(access.private && { asid: access.asid }) },
});

/** What a load of a guest finds. */
export function guestLoads(contents: Contents, access: GuestAccess): Loaded {
  const { asid, ...found } = contents[access.pfn]!;
  return asid === (access.private ? access.asid : undefined) ? found : { ...found, ciphertext: true };
}

/**
 * What an access of a guest that the RMP allows leaves, and what the actor of the guest's pages is
 * told of it: of private memory alone, which no other party may store to.
 */
export function movedBy(
  contents: Contents,
  access: GuestAccess,
  by: ActorId,
  { n, tell }: { readonly n: number; readonly tell: ActorId },
  loads = guestLoads,
): { readonly contents: Contents; readonly told: Outgoing | null } {
  const after = access.write ? guestStores(contents, access, by, n) : contents;
  const type = access.write ? 'guest.stored' : 'guest.loaded';
  return { contents: after, told: access.private ? outgoing(tell, { type, gfn: access.gfn, content: loads(after, access) }) : null };
}

/**
 * Whether a guest that loads this from one of its private pages has its own there: what it stored
 * there last. Where it has stored nothing, what it cannot read tells it nothing.
 */
export const isOwn = (stored: Loaded | undefined, found: Loaded): boolean =>
  stored === undefined
    ? found.ciphertext === true
    : found.ciphertext === undefined && found.by === stored.by && found.n === stored.n && found.gfn === stored.gfn;

/** What a page holds when the run starts: the guest's own if it has validated it. */
export const contentAtStart = (gfn: number, asid: number, validated: boolean): Content =>
  validated ? { by: AT_START, n: 0, gfn, asid } : { by: AT_START, n: 0 };

/** In words, for people. */
export function contentInWords({ by, gfn, ciphertext }: Loaded): string {
  const where = gfn === undefined ? '' : ` at GFN 0x${gfn.toString(16)}`;
  const what = by === AT_START ? `what was there at the start${where}` : `what ${by} stored${where}`;
  return ciphertext ? `ciphertext of ${what}` : what;
}
