/**
 * The clock of a host whose VMM has a timer send signals: what is due first fires first, and time
 * passes in sleeps.
 */
import { describe, expect, it } from 'vitest';
import { type ClockContext, clockMachine } from '../../../actors/split-lock/clock.ts';
import { Given, told } from '../given.ts';

const [VMM, APP] = ['thread:vmm/vcpu0', 'thread:app/0'] as const;
const by = (from: string, type: string, rest: object = {}) => ({ type, from, ...rest });
const tick = by('hrtimer', 'timer.tick');
const leftOf = ({ context }: { readonly context: ClockContext }) => Object.fromEntries(context.armed.map(({ kind, left }) => [kind, left]));

/** A thread in a sleep of 10 ms, with a timer of some period. */
const asleep = (ms: number) =>
  Given.start<ClockContext>(clockMachine).after(by(VMM, 'timer.settime', { ms }), by(VMM, 'timer.arm', { ms: 10 }));

describe('the clock', () => {
  it('lets a timer of 1 ms end a sleep of 10 ms, and says how much of it was left', () => {
    const fired = asleep(1).when(tick);
    expect(told(fired.sent)).toEqual([`${VMM} process.signal`]);
    const woken = fired.and.when(by(VMM, 'signal.sent', { wakes: true }));
    expect(woken.sent).toEqual([{ to: 'sched', event: { type: 'sched.wake', thread: VMM } }]);
    expect(woken.and.when(by(VMM, 'timer.cancel')).sent).toEqual([{ to: VMM, event: { type: 'timer.left', ms: 9 } }]);
  });

  it('lets the sleep end before a timer of 20 ms, which runs on', () => {
    const fired = asleep(20).when(tick);
    expect(told(fired.sent)).toEqual(['sched sched.wake']);
    expect(leftOf(fired)).toEqual({ signal: 10, sleep: 0 });
    expect(fired.and.when(by(VMM, 'timer.cancel')).sent).toEqual([{ to: VMM, event: { type: 'timer.left', ms: 0 } }]);
  });

  it('wakes a sleeper once where sleep and signal are due together', () => {
    const fired = asleep(10).when(tick);
    expect(told(fired.sent)).toEqual(['sched sched.wake', `${VMM} process.signal`]);
    expect(fired.and.when(by(VMM, 'signal.sent', { wakes: true })).sent).toEqual([]);
  });

  it('lets no more than a millisecond pass where no thread sleeps', () => {
    const running = Given.start<ClockContext>(clockMachine).after(by(VMM, 'timer.settime', { ms: 20 }));
    expect(told(running.when(by(VMM, 'timer.elapse')).sent)).toEqual(['hrtimer timer.tick']);
    const later = running.when(tick);
    expect(leftOf(later)).toEqual({ signal: 19 });
    expect(later.sent).toEqual([]);
  });

  it('goes on while another thread sleeps, and not for a sleep that is over', () => {
    const two = asleep(1).after(by(APP, 'timer.arm', { ms: 10 }));
    const fired = two.after(tick).when(by(VMM, 'signal.sent', { wakes: true }));
    expect(told(fired.sent)).toEqual(['sched sched.wake', 'hrtimer timer.tick']);
    expect(
      told(
        asleep(1)
          .after(tick)
          .when(by(VMM, 'signal.sent', { wakes: true })).sent,
      ),
    ).toEqual(['sched sched.wake']);
  });

  it('says of a thread that did not sleep that nothing was armed, and forgets a timer that is deleted', () => {
    const running = Given.start<ClockContext>(clockMachine).after(by(VMM, 'timer.settime', { ms: 1 }));
    expect(running.when(by(VMM, 'timer.cancel')).sent).toEqual([{ to: VMM, event: { type: 'timer.left', ms: null } }]);
    expect(running.after(by(VMM, 'timer.delete')).context.armed).toEqual([]);
  });
});
