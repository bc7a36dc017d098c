/** What every timeline has to be, whatever it is made from. */
import type { TimelineEvent } from '../../timeline/event.ts';

/** What is wrong: spans that do not nest, time that goes back, arrows that come from nowhere. */
export function mistakesOf(events: Iterable<TimelineEvent>): string[] {
  const open = new Map<number, string[]>();
  const sent = new Set<number>();
  const found: string[] = [];
  let now = 0;
  for (const event of events) {
    if (event.kind === 'lane') open.set(event.lane.id, []);
    if (!('at' in event)) continue;
    if (event.at < now) found.push(`${event.kind} at ${event.at} after ${now}`);
    now = event.at;
    if (event.kind === 'begin') open.get(event.lane.id)!.push(event.name);
    if (event.kind === 'end' && open.get(event.lane.id)!.pop() === undefined) found.push(`an end that nothing began on ${event.lane.name}`);
    if (event.kind === 'instant' && event.flow?.end === 'out') sent.add(event.flow.id);
    if (event.kind === 'instant' && event.flow?.end === 'in' && !sent.delete(event.flow.id)) found.push(`an arrow from nowhere`);
  }
  for (const [lane, spans] of open) if (spans.length > 0) found.push(`${spans.join(' > ')} stays open on lane ${lane}`);
  return found;
}
