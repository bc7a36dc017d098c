/** Waiting for more of a run. */
import type { Observable } from 'rxjs';

/** Resolves after something came, when nothing more will, or when `signal` says so. */
export function growth(grown: Observable<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      subscription.unsubscribe();
      signal.removeEventListener('abort', done);
      resolve();
    };
    signal.addEventListener('abort', done);
    const subscription = grown.subscribe({ next: () => queueMicrotask(done), complete: () => queueMicrotask(done) });
  });
}
