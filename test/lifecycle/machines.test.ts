/** struct kvm and the list of notifiers, message by message. */
import { expect, it } from 'vitest';
import { kvmVmMachine } from '../../actors/lifecycle/kvm-vm.ts';
import { notifierMachine } from '../../actors/lifecycle/mmu-notifier-list.ts';
import { Given } from '../actors/given.ts';

const FROM = 'thread:vmm/0';

it('a vCPU of one number is made once, from before it stands in the array until it is gone', () => {
  const of = (type: string) => ({ type: `kvm.${type}`, vcpu: 0, id: 'vcpu:vm0/0', from: FROM });
  const made = (given: Given<object>): unknown => given.when(of('makeVcpu')).sent.map(({ event }) => [event.type, event.done]);
  const start = Given.start<object>(kvmVmMachine('online'), { online: 0 });
  const NEW = [
    ['kvm.madeVcpu', true],
    ['object.create', undefined],
  ];
  const KNOWN = [['kvm.madeVcpu', false]];
  const making = start.after(of('makeVcpu'));
  const inserted = making.after(of('insertVcpu'));
  const erased = inserted.after(of('eraseVcpu'));
  expect([start, making, inserted, erased, erased.after(of('unmakeVcpu'))].map(made)).toEqual([NEW, KNOWN, KNOWN, KNOWN, NEW]);
});

it('a notifier is off the list when the calls of it have returned', () => {
  const of = (type: string) => ({ type: `mn.${type}`, from: FROM });
  const done = (given: Given<object>): unknown => given.when(of('unregister')).sent[0]!.event.done;
  const listed = Given.start<object>(notifierMachine, { registered: true });
  const twice = listed.after(of('enter'), of('enter'));
  expect([listed, twice, twice.after(of('leave')), twice.after(of('leave'), of('leave'))].map(done)).toEqual([true, false, false, true]);
  const off = listed.after(of('unregister')).when(of('enter'));
  expect(off.sent[0]!.event).toMatchObject({ type: 'mn.entered', registered: false });
  expect(off.and.context).toMatchObject({ running: 0 });
});
