/**
 * The part of an XState actor that a machine's pure functions need, and which refuses all that is
 * more than an answer.
 */
import { createActor } from 'xstate';
import type { Outgoing } from '../../events/event.ts';
import type { Kind } from '../store.ts';
import { ModelError } from './port.ts';

export interface Scope {
  readonly emitted: Outgoing[];
  readonly scope: Parameters<Kind['machine']['transition']>[2];
}

/** One scope for each kind, reused: building one is what makes XState's transition() slow. */
export function scopeOf(kind: Kind): Scope {
  const self = createActor(kind.machine, { input: {} as never });
  const emitted: Outgoing[] = [];
  const closed = (what: string) => () => {
    throw new ModelError(`${kind.name} is not closed: it uses ${what}`);
  };
  const scope = {
    self,
    system: (self as unknown as { system: unknown }).system,
    id: '',
    sessionId: '',
    logger: closed('log()'),
    defer: closed('deferred effects'),
    stopChild: closed('children'),
    emit: closed('emit() outside an action'),
    actionExecutor: (action: { readonly type: string; readonly params: unknown }) => {
      if (action.type !== 'xstate.emit') closed(`the action ${action.type}`)();
      emitted.push((action.params as { event: Outgoing }).event);
    },
  };
  return { emitted, scope: scope as unknown as Scope['scope'] };
}
