/** The keys of a simulated chip: the same for a seed, and none like another. */
import { createECDH } from 'node:crypto';
import { describe, expect, it } from 'vitest';
import { chipIdOf, chipOf, guestSecrets, vcekOf } from '../../../../actors/sev-snp/firmware/key-hierarchy.ts';
import { publicKeyOf } from '../../../../actors/sev-snp/firmware/p384.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

describe('the keys of a chip', () => {
  it('are the same for a seed on every machine', () => {
    const chip = chipOf(7);
    expect(hex(chipIdOf(chip)).slice(0, 32)).toBe('596ede2f91851880b1f305845d3b6f47');
    expect(hex(vcekOf(chip, 1n)).slice(0, 32)).toBe('668fc018a50387f8205914fef5875653');
    expect(hex(guestSecrets(chip, 1).vmpcks[3]!).slice(0, 32)).toBe('484a3fa805205566d717fd266f7645d9');
  });

  it('differ by seed, TCB, guest and number', () => {
    const all = [1, 2, -1, 2 ** 40].map(chipOf).flatMap((chip) => [
      chipIdOf(chip),
      ...[0n, 1n, 1n << 8n, 1n << 56n].map((tcb) => vcekOf(chip, tcb)),
      ...[1, 2, 256].flatMap((asid) => {
        const { vmpcks, reportId } = guestSecrets(chip, asid);
        return [...vmpcks, reportId];
      }),
    ]);
    expect(new Set(all.map((bytes) => hex(bytes).slice(0, 64))).size).toBe(4 * (1 + 4 + 3 * 5));
  });

  it('have the public key that node:crypto computes', () => {
    const secret = vcekOf(chipOf(7), 0x7308000000000003n);
    const ecdh = createECDH('secp384r1');
    ecdh.setPrivateKey(secret);
    expect(hex(publicKeyOf(secret))).toBe(ecdh.getPublicKey('hex'));
  });
});
