/** Requests to vCPUs as races make them: who is told, who waits, and what is left. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createActor } from 'xstate';
import type { HostEnv, HostItem } from '../../../../actors/host/host-env.ts';
import { cell } from '../../../../actors/kit/cell.ts';
import { local } from '../../../../actors/kit/local.ts';
import { under } from '../../../../actors/kit/section.ts';
import { vcpu } from '../../../../actors/kvm/kit-here.ts';
import { kvmLock } from '../../../../actors/kvm/kit-locks.ts';
import { kick, request } from '../../../../actors/kvm/kit-requests.ts';
import { mmuLock } from '../../../../actors/kvm/mmu-lock.ts';
import { vcpuMachine } from '../../../../actors/kvm/vcpu.ts';
import type { RequestFlags, VcpuEvent, VcpuRequest } from '../../../../events/kvm.ts';
import { progress } from '../../../../sim/properties/liveness.ts';
import { calls, comes, kvmRaced, TEST, when, wrong } from './kvm-raced.ts';

const CLEAN = { verdict: 'clean', exhausted: true };
const at = vcpu('vm0/0');
const req = request('KVM_REQ_TEST');
const state = cell('state', { inGuest: false, returned: false, handled: 0, on: false });
interface State {
  readonly inGuest: boolean;
  readonly returned: boolean;
  readonly handled: number;
  readonly on: boolean;
}
const stale = wrong<State>(state, ({ inGuest, returned, handled }) => returned && inGuest && handled === 0);
const handledOnce = comes<State>(state, ({ handled }) => handled === 1);

interface Made {
  readonly by: (env: HostEnv) => readonly HostItem[];
  readonly flags?: RequestFlags;
  readonly endsHalt?: true;
  readonly guest?: object;
  readonly properties: Parameters<typeof kvmRaced>[0]['properties'];
}
/** One thread makes the request while the other runs the vCPU. */
const made = ({ by, flags, endsHalt, guest = { intercept: { name: 'cpuid' } }, properties }: Made) =>
  kvmRaced({
    guest: [guest as never, { on: {} }],
    beside: [[{ asks: {} }]],
    ...(properties && { properties }),
    race: {
      uses: [state],
      requests: {
        KVM_REQ_TEST: { source: TEST, ...(flags && { flags }), ...(endsHalt && { endsHalt }), does: () => [state.addReturn('handled', 1)] },
      },
      operations: { asks: calls((env) => [...by(env), state.store('returned', true)]) },
      guestOperations: { on: { summary: TEST, source: TEST, does: () => [state.store('on', true)] } },
      onEntry: () => [state.store('inGuest', true)],
      onExit: () => [state.store('inGuest', false)],
    },
  });

describe('a request', () => {
  it('KIT-80 that is made alone leaves a vCPU in guest mode', () =>
    expect(made({ by: () => [req.make({ at })], properties: [stale] }).broken).toEqual(['t.wrong']));
  it('KIT-81 of all vCPUs, with KVM_REQUEST_WAIT, is made when no vCPU is in guest mode that has not seen it', () =>
    expect(made({ by: (env) => [req.makeAll(env, { at })], flags: { wait: true }, properties: [stale, handledOnce] })).toMatchObject(
      CLEAN,
    ));
  it('KIT-81 without KVM_REQUEST_WAIT is made while one may still be there', () =>
    expect(made({ by: (env) => [req.makeAll(env, { at })], properties: [stale] }).broken).toEqual(['t.wrong']));
  it('KIT-83 with KVM_REQUEST_NO_ACTION leaves no bit: nothing handles it', () => {
    const none = wrong<State>(state, ({ handled }) => handled > 0);
    expect(made({ by: (env) => [req.makeAll(env, { at })], flags: { wait: true, noAction: true }, properties: [none] })).toMatchObject(
      CLEAN,
    );
    expect(made({ by: (env) => [req.makeAll(env, { at })], flags: { wait: true }, properties: [none] }).broken).toEqual(['t.wrong']);
  });
  it('KIT-84 that is made twice may be handled once, and never more than twice', () => {
    const twice = () => [req.make({ at }), req.make({ at, as: 'again' })];
    const over = wrong<State>(state, ({ handled }) => handled > 2);
    expect(made({ by: twice, properties: [handledOnce, over] })).toMatchObject(CLEAN);
  });
  it('KIT-84 is taken by who checks it', () => {
    const found = local<boolean>('found');
    const by = () => [
      req.make({ at }),
      ...req.check([state.store('on', true)], { at }),
      req.test(found, { at }),
      when([found.is(true), [state.addReturn('handled', 9)]]),
    ];
    expect(
      made({ by, guest: { on: {} }, properties: [comes<State>(state, ({ handled, returned }) => returned && handled === 0)] }),
    ).toMatchObject(CLEAN);
  });
});

describe('a vCPU that is halted', () => {
  const halted = (by: Made['by'], rest: Partial<Made>) =>
    made({ by, guest: { hlt: {} }, properties: [wrong<State>(state, ({ on }) => on)], ...rest });

  it('KIT-82 runs on for a request that ends its halt', () => {
    expect(halted(() => [req.makeAndKick({ at })], { endsHalt: true }).broken).toEqual(['t.wrong']);
    expect(
      halted(() => [req.make({ at }), kick({ at })], { endsHalt: true, properties: [comes<State>(state, ({ on }) => on)] }),
    ).toMatchObject(CLEAN);
  });
  it('KIT-82 is halted still after any other', () => expect(halted(() => [req.makeAndKick({ at })], {})).toMatchObject(CLEAN));
  it('KIT-82 sleeps on with KVM_REQUEST_NO_WAKEUP in its flags, and is woken without', () => {
    interface Asleep {
      readonly blockedUntil: unknown;
      readonly requests: readonly string[];
    }
    const sleepsOn = ({ blockedUntil, requests }: Asleep) => blockedUntil === 'request' && requests.length > 0;
    const by: Made['by'] = (env) => [req.makeAll(env, { at })];
    const ends = { endsHalt: true } as const;
    expect(halted(by, { ...ends, flags: { noWakeup: true }, properties: [comes<Asleep>({ kind: 'vcpu' }, sleepsOn)] })).toMatchObject(
      CLEAN,
    );
    expect(halted(by, { ...ends, properties: [wrong<Asleep>({ kind: 'vcpu' }, sleepsOn)] })).toMatchObject(CLEAN);
  });
});

describe('the bits of vcpu->requests', () => {
  const REQUESTS = ['KVM_REQ_A', 'KVM_REQ_B'] as unknown as readonly VcpuRequest[];
  const one = fc.constantFrom(...REQUESTS);
  const event: fc.Arbitrary<VcpuEvent> = fc.oneof(
    fc.record({ type: fc.constant('vcpu.setRequest' as const), request: one }),
    fc.record({ type: fc.constant('vcpu.clearRequest' as const), request: one }),
  );
  it('are a set', () => {
    const vm = { id: 'vm:vm0', vcpus: ['vcpu:vm0/0'], threads: ['thread:p/0'] } as never;
    const env = { images: [{ vm, program: { ops: [{ op: 'end' }], loops: [] } }], parts: [], patches: {} } as never;
    fc.assert(
      fc.property(fc.array(event, { maxLength: 12 }), (events) => {
        const actor = createActor(vcpuMachine(env), { input: { thread: 'thread:p/0', image: 0, loops: null, interrupts: false } }).start();
        const bits = new Set<string>();
        for (const each of events) {
          if (each.type === 'vcpu.setRequest') bits.add(each.request);
          if (each.type === 'vcpu.clearRequest') bits.delete(each.request);
          actor.send({ ...each, from: 'thread:p/1' });
        }
        expect(actor.getSnapshot().context.requests).toEqual([...bits].sort());
      }),
    );
  });
});

describe('the locks of a VM', () => {
  const inside = cell('inside', { writers: 0, readers: 0 }, { per: 'vm' });
  interface Inside {
    readonly writers: number;
    readonly readers: number;
  }
  const section = (field: 'writers' | 'readers', vm: () => string) => [
    inside.addReturn(field, 1, undefined, { at: vm }),
    inside.addReturn(field, -1, undefined, { at: vm }),
  ];
  const vm0 = () => 'vm0';
  const locked = (first: readonly HostItem[], second: readonly HostItem[], properties: Made['properties']) =>
    kvmRaced({
      guest: [{ intercept: { name: 'cpuid' } }],
      runner: [{ first: {} }, { KVM_RUN: { vcpu: 'vm0/0' } }],
      beside: [[{ second: {} }]],
      ...(properties && { properties }),
      race: { uses: [inside, kvmLock], operations: { first: calls(() => first), second: calls(() => second) } },
    });
  const write = under(mmuLock.write, { at: vm0 }, section('writers', vm0));
  const read = under(mmuLock.read, { at: vm0 }, section('readers', vm0));
  const alone = wrong<Inside>(inside, ({ writers, readers }) => writers > 1 || (writers > 0 && readers > 0));

  it('KIT-92 mmu_lock has one writer and no reader beside it, or any readers', () => {
    expect(locked(write, read, [alone])).toMatchObject(CLEAN);
    expect(locked(read, read, [comes<Inside>(inside, ({ readers }) => readers === 2)])).toMatchObject(CLEAN);
    expect(locked(section('writers', vm0), read, [alone]).broken).toEqual(['t.wrong']);
  });
  it('KIT-93 kvm->lock of a VM is held by one', () => {
    const mine = under(kvmLock, { at: vm0 }, section('writers', vm0));
    expect(locked(mine, mine, [alone, progress])).toMatchObject(CLEAN);
  });
});
