/**
 * What the words of an attestation report say: guest policy, platform and signer information, and
 * the security versions of a TCB, whose places depend on the product.
 *
 * @see SEV-SNP firmware ABI, "Guest policy", "ATTESTATION_REPORT", "TCB_VERSION"; domain snp f.8,
 * f.9
 */
import { checkBits, FirmwareFormatError, hexOf } from './layout.ts';

/** Names of single bits, by number. */
type Bits = Readonly<Record<string, number>>;

const POLICY_BITS = {
  smt: 16,
  migrationAgent: 18,
  debugging: 19,
  singleSocket: 20,
  cxl: 21,
  aes256Xts: 22,
  raplDisabled: 23,
  ciphertextHiding: 24,
  pageSwapDisabled: 25,
} as const satisfies Bits;
const POLICY_ONE = 1n << 17n;

const PLATFORM_BITS = {
  smt: 0,
  tsme: 1,
  ecc: 2,
  raplDisabled: 3,
  ciphertextHiding: 4,
  aliasCheck: 5,
  tio: 7,
} as const satisfies Bits;

type Flags<B extends Bits> = { readonly [K in keyof B]: boolean };

const maskOf = (bits: Bits): bigint => Object.values(bits).reduce((mask, bit) => mask | (1n << BigInt(bit)), 0n);
const isSet = (value: bigint, bit: number): boolean => ((value >> BigInt(bit)) & 1n) === 1n;
const flagsOf = <B extends Bits>(bits: B, value: bigint): Flags<B> =>
  Object.fromEntries(Object.entries(bits).map(([name, bit]) => [name, isSet(value, bit)])) as Flags<B>;

export type GuestPolicy = Flags<typeof POLICY_BITS> & { readonly abiMajor: number; readonly abiMinor: number };

export const policyOf = (value: bigint): GuestPolicy => ({
  abiMajor: Number((value >> 8n) & 0xffn),
  abiMinor: Number(value & 0xffn),
  ...flagsOf(POLICY_BITS, value),
});

/** @throws FirmwareFormatError if a bit is not as every policy has it */
export function checkPolicy(value: bigint, field: string): void {
  if ((value & POLICY_ONE) === 0n) throw new FirmwareFormatError(field, `found ${hexOf(value)}; expected bit 17 set, which is always one`);
  checkBits(value, ~(maskOf(POLICY_BITS) | POLICY_ONE | 0xffffn) & (2n ** 64n - 1n), field);
}

export type PlatformInfo = Flags<typeof PLATFORM_BITS>;
export const platformOf = (value: bigint): PlatformInfo => flagsOf(PLATFORM_BITS, value);
export const checkPlatform = (value: bigint, field: string): void => checkBits(value, ~maskOf(PLATFORM_BITS) & (2n ** 64n - 1n), field);

const SIGNING_KEYS = { 0: 'VCEK', 1: 'VLEK', 7: 'none' } as const;
export type SigningKey = (typeof SIGNING_KEYS)[keyof typeof SIGNING_KEYS];

export interface SignerInfo {
  readonly authorKey: boolean;
  readonly maskChipKey: boolean;
  readonly signingKey: SigningKey;
}

const isKey = (key: number): key is keyof typeof SIGNING_KEYS => Object.hasOwn(SIGNING_KEYS, key);

/** @throws FirmwareFormatError for reserved bits and keys */
export function signerOf(value: number, field: string): SignerInfo {
  checkBits(BigInt(value), 0xffffffe0n, field);
  const key = (value >> 2) & 7;
  if (!isKey(key)) throw new FirmwareFormatError(field, `signing key ${key} is reserved; expected 0 (VCEK), 1 (VLEK) or 7 (none)`);
  return { authorKey: (value & 1) !== 0, maskChipKey: (value & 2) !== 0, signingKey: SIGNING_KEYS[key] };
}

/** Which byte of a TCB has which security version. */
const TCB_LAYOUTS = {
  milan: { bootloader: 0, tee: 1, snp: 6, microcode: 7 },
  turin: { fmc: 0, bootloader: 1, tee: 2, snp: 3, microcode: 7 },
} as const;
/** Called after the first product that has it; Genoa has that of Milan. */
export type TcbLayout = keyof typeof TCB_LAYOUTS;

/** Security versions by component. */
export interface Tcb {
  readonly bootloader: number;
  readonly tee: number;
  readonly snp: number;
  readonly microcode: number;
  /** Only in the layout of Turin. */
  readonly fmc?: number;
}

const byteOf = (value: bigint, at: number): number => Number((value >> BigInt(8 * at)) & 0xffn);

/** The security versions of a TCB. */
export const tcbOf = (value: bigint, layout: TcbLayout): Tcb => {
  const { fmc, ...rest } = { fmc: undefined, ...TCB_LAYOUTS[layout] };
  const { bootloader, tee, snp, microcode } = rest;
  const parts = {
    bootloader: byteOf(value, bootloader),
    tee: byteOf(value, tee),
    snp: byteOf(value, snp),
    microcode: byteOf(value, microcode),
  };
  return fmc === undefined ? parts : { fmc: byteOf(value, fmc), ...parts };
};

/** @throws FirmwareFormatError if a byte is set that has no security version */
export function checkTcb(value: bigint, layout: TcbLayout, field: string): void {
  const known: readonly number[] = Object.values(TCB_LAYOUTS[layout]);
  for (let at = 0; at < 8; at++)
    if (!known.includes(at) && byteOf(value, at) !== 0)
      throw new FirmwareFormatError(field, `reserved byte ${at} is ${hexOf(byteOf(value, at))} in ${hexOf(value)}; expected 0`);
}

/** Models of a family that have SEV-SNP, each from one to another. */
const PRODUCTS: readonly {
  readonly name: string;
  readonly layout: TcbLayout;
  readonly family: number;
  readonly models: readonly (readonly [number, number])[];
}[] = [
  { name: 'Milan', layout: 'milan', family: 0x19, models: [[0x00, 0x0f]] },
  {
    name: 'Genoa',
    layout: 'milan',
    family: 0x19,
    models: [
      [0x10, 0x1f],
      [0xa0, 0xaf],
    ],
  },
  { name: 'Turin', layout: 'turin', family: 0x1a, models: [[0x00, 0x11]] },
];

export interface Product {
  /** Null where a report does not tell more than the layout. */
  readonly name: string | null;
  readonly layout: TcbLayout;
}

/** The product with this CPUID; null if it is none that is known. */
export function productByCpuid(family: number, model: number): Product | null {
  const found = PRODUCTS.find((one) => one.family === family && one.models.some(([from, to]) => from <= model && model <= to));
  return found === undefined ? null : { name: found.name, layout: found.layout };
}

/** Of a chip id of Turin, which is shorter. */
const SHORT_ID_BYTES = 8;

/**
 * What a report before version 3 tells of its product: chip ids of Turin have 8 bytes, those of
 * others 64. A masked chip id tells nothing.
 */
export function productByChipId(chipId: Uint8Array): Product | null {
  const ends = chipId.findLastIndex((byte) => byte !== 0);
  if (ends < 0) return null;
  return { name: ends < SHORT_ID_BYTES ? 'Turin' : null, layout: ends < SHORT_ID_BYTES ? 'turin' : 'milan' };
}
