/**
 * A report as a Milan chip gives it, after test data of virtee/sev, Apache-2.0
 * (tests/certs_data/report_milan.hex). It was copied by hand, so that it shows where fields stand,
 * and its signature is not checked.
 */

/** What is not zero in it, in hexadecimal by offset. */
const PARTS: readonly (readonly [at: number, hex: string])[] = [
  [0x000, '0200000000000000000003000000000000000000000000000000000000000000'],
  [0x020, '0000000000000000000000000000000000000000010000000300000000000873'],
  [0x040, '01000000000000000000000000000000d447b55d197491bfe15cf298f9de9986'],
  [0x060, 'b7a7c4be2468b4f6e2d53b71d7c645810b0f2cdfca0040433be063fc1a8293f0'],
  [0x080, 'f3f8dae7b79fecb3d1cd82bd6a93ebfd7a1e5c266c0108dbc9bb94fa92695132'],
  [0x0a0, '0940915d0aafb42464bd88b579ea158d3e1a0dc39b2c60bd95b9c480cd81841f'],
  [0x140, '92b3b47d59f0a2a10a74c5678868a80238cf593c01a82f3cffb878e904c28d5b'],
  [0x160, 'ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff'],
  [0x180, '0300000000000873000000000000000000000000000000000000000000000000'],
  [0x1a0, 'd49554ec717f4e5b0fe6b143bcf0405bd7ae304727edf46603f2a76aef6a3abc'],
  [0x1c0, '15d7af38db757039029f0efacfd08e244324884738c72b082e2f87a44d541eb6'],
  [0x1e0, '0300000000000873043401000434010003000000000008730000000000000000'],
  [0x2a0, '61ab4f11aa661997625f233df42a4ad54440eeb7a96ea63de170cbc29c37c005'],
  [0x2c0, 'cb54054881ec7d2bee569b02d07f827200000000000000000000000000000000'],
  [0x2e0, '0000000000000000209d7eb9be919a1d0baf1d57fe6ebfeabbc53b778c6e977e'],
  [0x300, '40b15ca931bb6d44c5ab9e30cfdc7346cb41ac083b90bf490000000000000000'],
];

export const MILAN_REPORT = new Uint8Array(0x4a0);
for (const [at, hex] of PARTS) MILAN_REPORT.set(Buffer.from(hex, 'hex'), at);
