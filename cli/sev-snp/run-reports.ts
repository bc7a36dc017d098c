/** The attestation reports of a run, made again from its seed and what its guests asked. */
import { isReportSigned } from '../../actors/sev-snp/firmware/attestation-report.ts';
import { extendDigest, FIRST_DIGEST } from '../../actors/sev-snp/firmware/launch-digest.ts';
import { answerRequest, type SimulatedAnswer } from '../../actors/sev-snp/firmware/simulated-report.ts';
import type { GuestMessage } from '../../events/sev-snp/psp.ts';
import { scenarioOf } from '../../replay/model.ts';
import type { Journal } from '../../replay/reader.ts';
import { launchPagesOf } from '../../sim/mechanisms/sev-snp/launch-pages.ts';
import { CliError, EXIT } from '../errors.ts';

export interface RunReport {
  readonly step: number;
  readonly message: GuestMessage;
  readonly answer: SimulatedAnswer;
  /** Whether the VCEK of the run's chip has signed it. */
  readonly signed: boolean;
}

/** ECDSA takes a few milliseconds. */
export const REPORTS_MAX = 1000;

const isNumber = (value: unknown): value is number => Number.isSafeInteger(value) && (value as number) >= 0;

/** A value of a journal, which may hold anything. */
const fieldOf = (value: unknown, name: string): unknown =>
  typeof value === 'object' && value !== null ? (value as Readonly<Record<string, unknown>>)[name] : undefined;

/** ASIDs by the actor of the VM. */
function asidsOf({ start }: Journal): ReadonlyMap<string, number> {
  const vms = fieldOf(start.scenario, 'vms');
  const known = (Array.isArray(vms) ? vms : []).flatMap((vm: unknown) => {
    const asid = fieldOf(fieldOf(vm, 'settings'), 'asid');
    return isNumber(asid) ? [[`vm:${fieldOf(vm, 'id')}`, asid] as const] : [];
  });
  return new Map(known);
}

/** The launch digest of each VM, by its actor: zeros where no page was measured. */
function measurementsOf(journal: Journal): ReadonlyMap<string, Uint8Array> {
  const scenario = scenarioOf(journal);
  return new Map(scenario.vms.map((vm) => [`vm:${vm.id}`, (launchPagesOf(scenario, vm) ?? []).reduce(extendDigest, FIRST_DIGEST)]));
}

/** A message in a record; null where the firmware has given none. */
function messageIn(value: unknown): GuestMessage | null {
  const [vm, sequence, data, vmpl] = ['vm', 'sequence', 'data', 'vmpl'].map((name) => fieldOf(value, name));
  const isOne = typeof vm === 'string' && isNumber(sequence) && sequence > 1 && isNumber(data) && isNumber(vmpl) && vmpl <= 3;
  return isOne ? { vm, sequence, data, vmpl } : null;
}

/**
 * The reports that guests of a run were given, in order, up to `REPORTS_MAX`.
 * @param measured the launch digests of the run's VMs
 * @throws CliError if the run has none
 * @throws ResolvedScenarioError if the scenario in the journal is not one
 */
export function reportsIn(
  journal: Journal,
  file: string,
  measured: (journal: Journal) => ReadonlyMap<string, Uint8Array> = measurementsOf,
): readonly RunReport[] {
  const { seed } = journal.start;
  const asids = asidsOf(journal);
  let measurements: ReadonlyMap<string, Uint8Array> | null = null;
  const found: RunReport[] = [];
  /** The last number of each VM: after an error the page has the response of before. */
  const last = new Map<string, number>();
  for (const { kind, type, step, payload } of journal.recordsFrom(1)) {
    if (found.length === REPORTS_MAX) break;
    if (kind !== 'deliver' || type !== 'psp.response') continue;
    const message = messageIn(payload.response);
    const asid = message === null ? undefined : asids.get(message.vm);
    if (message === null || asid === undefined || message.sequence <= (last.get(message.vm) ?? 0)) continue;
    last.set(message.vm, message.sequence);
    const { sequence, data, vmpl } = message;
    measurements ??= measured(journal);
    const measurement = measurements.get(message.vm) ?? FIRST_DIGEST;
    const answer = answerRequest({ seed, asid, sequence: sequence - 1, data, vmpl, measurement });
    found.push({ step, message, answer, signed: isReportSigned(answer.report, answer.publicKey) });
  }
  if (found.length > 0) return found;
  throw new CliError({
    code: 'no_report',
    exit: EXIT.usage,
    message: `${file === '-' ? 'stdin' : file}: no guest of this run was given an attestation report`,
    expected: 'a run whose guest has the operation request-report',
    attempt: 'worldswitch run attestation-report',
  });
}
