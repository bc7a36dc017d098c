/** `attest`: what attestation reports of runs and of real chips say, and who has signed them. */
import { type AttestationReport, decodeReport, isReportSigned, productOf } from '../../actors/sev-snp/firmware/attestation-report.ts';
import { signerOf, type Tcb, tcbOf } from '../../actors/sev-snp/firmware/report-words.ts';
import type { Call, Command } from '../command.ts';
import { CliError, EXIT, usageError } from '../errors.ts';
import { withJournal } from '../journal-file.ts';
import { type Printer, styled, table } from '../output.ts';
import { hexOf } from './bytes.ts';
import { type ReportFile, readReport } from './report-file.ts';
import { reportDocument, reportRows } from './report-view.ts';
import { REPORTS_MAX, type RunReport, reportsIn } from './run-reports.ts';
import { readVcek, type Vcek } from './vcek.ts';

interface Options {
  readonly decode?: string;
  readonly vcek?: string;
}

/** Something that is held against the certificate. */
interface Check {
  readonly name: 'signature' | 'tcb' | 'chipId';
  /** Null where there is nothing to compare. */
  readonly holds: boolean | null;
  readonly says: string;
}

function signatureCheck({ bytes, report }: ReportFile, { publicKey }: Vcek): Check {
  // With MASK_CHIP_KEY the firmware writes zeros, whichever key it names.
  const { signingKey } = signerOf(report.signerInfo, 'signer info');
  if (signingKey === 'none' || report.signature.every((byte) => byte === 0))
    return { name: 'signature', holds: false, says: 'the report is not signed' };
  const holds = isReportSigned(bytes, publicKey);
  return {
    name: 'signature',
    holds,
    says: holds ? "it is of the certificate's key" : `it is not of the certificate's key; the report names a ${signingKey}`,
  };
}

/** A key is that of one TCB, the reported one. */
function tcbCheck(report: AttestationReport, { tcb }: Vcek): Check {
  const layout = productOf(report)?.layout;
  const names = Object.keys(tcb) as (keyof Tcb)[];
  if (names.length === 0) return { name: 'tcb', holds: null, says: 'the certificate does not tell one' };
  if (layout === undefined) return { name: 'tcb', holds: null, says: 'the report does not tell its product' };
  const reported = tcbOf(report.reportedTcb, layout);
  const different = names.filter((name) => tcb[name] !== reported[name]);
  const says = different.map((name) => `${name} ${reported[name] ?? 'is not there'}, certificate ${tcb[name]}`);
  return { name: 'tcb', holds: different.length === 0, says: says.join('; ') || "the certificate's is the reported one" };
}

function chipCheck({ chipId }: AttestationReport, certificate: Vcek): Check {
  const name = 'chipId';
  if (certificate.chipId === null) return { name, holds: null, says: 'the certificate does not tell one' };
  if (chipId.every((byte) => byte === 0)) return { name, holds: null, says: 'masked in the report' };
  const holds = hexOf(chipId) === hexOf(certificate.chipId);
  return { name, holds, says: holds ? "it is the certificate's" : `certificate ${hexOf(certificate.chipId)}` };
}

const checksOf = (file: ReportFile, certificate: Vcek): readonly Check[] => [
  signatureCheck(file, certificate),
  tcbCheck(file.report, certificate),
  chipCheck(file.report, certificate),
];

const TITLES = { signature: 'signature', tcb: 'TCB', chipId: 'chip id' } as const;
const verdictOf = (holds: boolean | null) =>
  holds === null ? styled('yellow', 'unknown') : holds ? styled('green', 'holds') : styled('red', 'fails');

const certificateDocument = ({ subject, tcb, chipId }: Vcek) => ({ subject, tcb, chipId: chipId === null ? null : hexOf(chipId) });

const printReport = (out: Printer, report: AttestationReport): void =>
  table(
    out,
    reportRows(report).map(([name, value]) => [styled('dim', name), value]),
    '',
  );

/** A report of a run, and whether its chip has signed it. */
function runDocument({ step, message, answer, signed }: RunReport) {
  const { request, response, report } = answer;
  const sealed = { request: hexOf(request), response: hexOf(response), bytes: hexOf(report) };
  return { step, ...message, signed, report: reportDocument(decodeReport(report)), ...sealed };
}

const isNoJournal = (error: unknown): error is CliError => error instanceof CliError && error.failure.code === 'not_a_journal';

async function attestRun(file: string, { io, out, err, json }: Call): Promise<number> {
  const reports = await withJournal(file, io, (journal) => reportsIn(journal, file)).catch((error: unknown) => {
    throw isNoJournal(error)
      ? new CliError({ ...error.failure, attempt: 'worldswitch attest --decode FILE, for a report in a file' })
      : error;
  });
  if (reports.length === REPORTS_MAX) err.line(`note: no more than ${REPORTS_MAX} reports are looked at`);
  const ok = reports.every(({ signed }) => signed);
  if (json) out.json({ ok, reports: reports.map(runDocument) });
  else
    for (const { step, message, answer, signed } of reports) {
      out.line(styled('bold', `step ${step}: ${message.vm}, response ${message.sequence}`));
      printReport(out, decodeReport(answer.report));
      table(out, [['signature', verdictOf(signed), "of the VCEK of the run's chip"]]);
    }
  return ok ? EXIT.ok : EXIT.broken;
}

function run(call: Call): number | Promise<number> {
  const { options, args } = call;
  const { decode, vcek } = options as Options;
  const [file] = args;
  if (file !== undefined) {
    if (decode === undefined && vcek === undefined) return attestRun(file, call);
    throw usageError('a run and a report in a file are looked at one by one', { expected: 'a journal alone, or --decode FILE' });
  }
  if (decode === undefined) throw usageError('there is no report to look at', { expected: 'a journal, or --decode FILE' });
  return attestFile(decode, vcek, call);
}

function attestFile(decode: string, vcek: string | undefined, { io, out, json }: Call): number {
  if (decode === '-' && vcek === '-') throw usageError('--decode and --vcek both read standard input; expected a file for one of them');
  const file = readReport(decode, io);
  const certificate = vcek === undefined ? null : readVcek(vcek, io);
  const checks = certificate === null ? [] : checksOf(file, certificate);
  const ok = checks.every(({ holds }) => holds !== false);
  if (json) {
    const report = reportDocument(file.report);
    out.json({ ok, report, certificate: certificate && certificateDocument(certificate), checks });
  } else {
    printReport(out, file.report);
    if (certificate !== null) out.line(`certificate of ${certificate.subject}; who has issued it is not checked`);
    table(
      out,
      checks.map(({ name, holds, says }) => [TITLES[name], verdictOf(holds), says]),
    );
  }
  return ok ? EXIT.ok : EXIT.broken;
}

export const COMMAND: Command = {
  operands: '[journal]',
  details: [
    "The reports that guests of a run were given (operation `request-report`) are made again from the run's seed, and their signatures verified; `latest` is the newest run.",
    'A report in a file is the 1184 bytes that firmware gives a guest, as they are, in hexadecimal or base64, or inside the answer to a guest request; of version 2, 3, 4 or 5. A byte or bit that its version does not have is refused, with the field. `-` is standard input.',
    'With --vcek the signature is verified with the key of a certificate, and the reported TCB and the chip id are compared with what the certificate says. Whether AMD has issued the certificate is not checked.',
    'Exit code 0, or 1 if the signature, the TCB or the chip id is not that of the certificate.',
  ],
  options: [
    { flags: '--decode <file>', description: 'print every field of a report' },
    { flags: '--vcek <file>', description: 'the certificate of the key that should have signed it, DER or PEM' },
  ],
  examples: [
    ['attest latest', 'the reports of the newest run'],
    ['attest --decode report.bin', 'every field'],
    ['attest --decode report.hex --vcek vcek.der', 'and whether the chip of the certificate has signed it'],
    ['attest --decode - --json < report.bin', 'for programs'],
  ],
  run,
};
