/** An attestation report for people and for programs: every field, and what its words say. */
import {
  type AttestationReport,
  hasField,
  productOf,
  REPORT_FIELDS,
  type ReportField,
  TCBS,
} from '../../actors/sev-snp/firmware/attestation-report.ts';
import { signatureParts } from '../../actors/sev-snp/firmware/p384.ts';
import { platformOf, policyOf, signerOf, type TcbLayout, tcbOf } from '../../actors/sev-snp/firmware/report-words.ts';
import { hexOf } from './bytes.ts';

/** A word of 64 bits, whole: a program that reads JSON may have no such numbers. */
const word = (value: bigint): string => `0x${value.toString(16).padStart(16, '0')}`;

const isTcb = (field: ReportField): field is (typeof TCBS)[number] => (TCBS as readonly string[]).includes(field);

/** What the bits or bytes of a field say; null for a field that is one value. */
function partsOf(report: AttestationReport, field: ReportField, layout: TcbLayout | null) {
  if (isTcb(field)) return layout === null ? {} : { ...tcbOf(report[field], layout) };
  if (field === 'policy') return { ...policyOf(report.policy) };
  if (field === 'platformInfo') return { ...platformOf(report.platformInfo) };
  return field === 'signerInfo' ? { ...signerOf(report.signerInfo, field) } : null;
}

function documentOf(report: AttestationReport, field: ReportField, layout: TcbLayout | null): unknown {
  const value = report[field];
  const parts = partsOf(report, field, layout);
  if (field === 'signature') {
    const { r, s } = signatureParts(report.signature);
    return { r: hexOf(r), s: hexOf(s) };
  }
  const plain = typeof value === 'bigint' ? word(value) : typeof value === 'number' ? value : hexOf(value);
  return parts === null ? plain : { raw: plain, ...parts };
}

const fieldsOf = ({ version }: AttestationReport) => REPORT_FIELDS.filter(([field]) => hasField(field, version));

/**
 * Every field that the report's version has: numbers, words of 64 bits and bytes in hexadecimal,
 * and what consists of parts as an object with its `raw` value.
 */
export function reportDocument(report: AttestationReport): Readonly<Record<string, unknown>> {
  const product = productOf(report);
  const layout = product?.layout ?? null;
  const fields = fieldsOf(report).map(([field]) => [field, documentOf(report, field, layout)]);
  return { ...Object.fromEntries(fields), product: product?.name ?? null, tcbLayout: layout };
}

/** A flag that is not set is not told. */
function partText([name, value]: readonly [string, unknown]): string[] {
  const words = name.replace(/[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`);
  if (typeof value !== 'boolean') return [`${words} ${value}`];
  return value ? [words] : [];
}

/** What manuals write in hexadecimal. */
const isHex = (field: ReportField, value: number): boolean => field.startsWith('cpuid') || value > 0xffff;

function textOf(report: AttestationReport, field: ReportField, layout: TcbLayout | null): string {
  const value = report[field];
  const parts = partsOf(report, field, layout);
  if (typeof value === 'object') return value.every((byte) => byte === 0) ? `zeros (${value.length} bytes)` : hexOf(value);
  const plain = typeof value === 'bigint' ? word(value) : isHex(field, value) ? `0x${value.toString(16)}` : `${value}`;
  const said = Object.entries(parts ?? {}).flatMap(partText);
  return said.length === 0 ? plain : `${plain}: ${said.join(', ')}`;
}

/** A row for each field: its name, and its value. */
export function reportRows(report: AttestationReport): readonly (readonly [name: string, value: string])[] {
  const product = productOf(report);
  const layout = product?.layout ?? null;
  const fields = fieldsOf(report).filter(([field]) => field !== 'signature');
  const [version, ...rows] = fields.map(([field, { says }]) => [says, textOf(report, field, layout)] as const);
  const family = layout === null ? 'not told' : (product!.name ?? 'Milan or Genoa');
  const { r, s } = signatureParts(report.signature);
  return [version!, ['product', family], ...rows, ['signature, R', hexOf(r)], ['signature, S', hexOf(s)]];
}
