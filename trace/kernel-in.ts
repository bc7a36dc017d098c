/** Which kernel a recording is of, by what it does where its version is not told. */
import type { EventLine, Recording } from './recording.ts';

export const isKvmExit = (line: Recording['lines'][number]): line is EventLine => line.kind === 'event' && line.event?.type === 'kvm_exit';

/** Whether an exit is told after its thread has lost its CPU, and so after the exit. */
function tellsLate({ lines }: Recording): boolean {
  const inGuest = new Set<number>();
  const left = new Set<number>();
  for (const line of lines) {
    if (line.kind !== 'event') continue;
    const { event, pid } = line;
    if (event?.type === 'kvm_entry') {
      inGuest.add(pid);
      left.delete(pid);
    } else if (event?.type === 'sched_switch' && inGuest.has(event.prev.pid)) left.add(event.prev.pid);
    else if (event?.type === 'kvm_exit') {
      if (left.has(pid)) return true;
      inGuest.delete(pid);
    }
  }
  return false;
}

/**
 * Until 6.1 and 6.6 SVM tells an exit in svm_handle_exit(), where interrupts are on again and the
 * thread may have been switched away; later kernels in svm_vcpu_run(), where they are off. Null
 * where nothing tells the two apart.
 */
export function kernelIn(recording: Recording): '6.1' | '6.12' | null {
  const exit = recording.lines.find((line) => isKvmExit(line) && line.flags !== null) as EventLine | undefined;
  if (exit) return exit.flags!.irqsOff ? '6.12' : '6.1';
  return tellsLate(recording) ? '6.1' : null;
}
