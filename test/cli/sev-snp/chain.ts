/** The launch digest of a list of pages, computed apart from the product. */
import { createHash } from 'node:crypto';

export const sha384 = (bytes: Uint8Array): Buffer => createHash('sha384').update(bytes).digest();
/** Each digest of a chain, computed here: type code, GPA, contents. */
export function chain(pages: readonly (readonly [code: number, gpa: number, page: Uint8Array | null])[]): string[] {
  let digest: Buffer = Buffer.alloc(48);
  return pages.map(([code, gpa, page]) => {
    const end = Buffer.alloc(16);
    end.set([0x70, 0, code]);
    end.writeBigUInt64LE(BigInt(gpa), 8);
    digest = sha384(Buffer.concat([digest, page ? sha384(page) : Buffer.alloc(48), end]));
    return digest.toString('hex');
  });
}

export const filled = (fill: number): Uint8Array => new Uint8Array(4096).fill(fill);
