/**
 * Requests to all vCPUs of a VM that another thread has made: kvm_make_all_cpus_request(), as the
 * memory behind a guest was taken away.
 */
import type { EventLine, TraceLine } from '../recording.ts';
import type { Cast } from './cast.ts';

/** Lines between the unmapping and the interrupt of a vCPU's CPU. */
const NEAR = 16;

const isEvent = (line: TraceLine): line is EventLine => line.kind === 'event';
const isCall = ({ event }: EventLine): boolean =>
  event?.type === 'irq_entry' && (event.vector === 'call_function' || event.vector === 'call_function_single');

/** 6.12 tells the IPI, with the function that sends it. */
const sends = ({ event }: EventLine): boolean => event?.type === 'ipi_send' && event.callsite.startsWith('kvm_make_all_cpus_request');

/** Until 6.1 no line tells the IPI: the unmapping and the interrupt stand for it. */
function unmaps(lines: readonly TraceLine[], at: number, { threadOf }: Cast): boolean {
  const first = lines[at] as EventLine;
  if (first.name !== 'kvm_unmap_hva_range') return false;
  for (const line of lines.slice(at + 1, at + 1 + NEAR)) {
    if (!isEvent(line)) continue;
    if (isCall(line) && line.cpu !== first.cpu && threadOf.has(line.pid)) return true;
    if (line.pid === first.pid && line.event?.type !== 'irq_entry' && line.event?.type !== 'irq_exit') return false;
  }
  return false;
}

/**
 * Lines that stand for such a request. Which VM it is for is not told: a recording of several has
 * none.
 */
export function flushLines(lines: readonly TraceLine[], cast: Cast): ReadonlySet<TraceLine> {
  if (cast.threads.some(({ vm }) => vm > 0)) return new Set();
  const tellsIpis = lines.some((line) => isEvent(line) && line.event?.type === 'ipi_send');
  return new Set(
    lines.filter((line, at) => {
      if (!isEvent(line) || cast.threadOf.has(line.pid) || !cast.cpus.includes(line.cpu)) return false;
      return tellsIpis ? sends(line) : unmaps(lines, at, cast);
    }),
  );
}
