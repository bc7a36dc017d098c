/**
 * A VMM pauses a vCPU: it sets a flag and sends a signal whose handler is empty. One that lands
 * between the vCPU thread's look at the flag and KVM_RUN is spent in user mode: the guest runs on.
 *
 * @see cloud-hypervisor issue 7427, pull requests 7428, 7455, 7459
 */
import * as kit from 'worldswitch/kit';

const { leavePath, local, loop, note, otherwise, step, tgkill, when } = kit;
const vmm = kit.cell('vmm', { paused: false, immediateExit: false, spent: false });
const acked = kit.completion('acked');
const vcpuLock = kit.mutex('vcpuLock');
const found = local('vmmFound');
const kill = tgkill(kit.threadOf('chv', 'vcpu0'));
const exitOnce = [vmm.store('immediateExit', true)];

/** The loop of a vCPU thread around KVM_RUN. */
const vcpuLoop = (kvmRun, how) => {
  const handler = how === 'handler' ? exitOnce : [];
  const enter = when([found.is(true), [vmm.store('immediateExit', false)]], [otherwise, [kvmRun]]);
  const run = [step('prepare_run'), kit.handleSignal(vmm.store('spent', true), ...handler), vmm.load('immediateExit', found), enter];
  return loop(
    vmm.load('paused', found),
    when([found.is(true), [acked.complete(), leavePath]]),
    ...(how === 'try-lock' ? kit.under(vcpuLock, {}, run) : run),
    kit.handleSignal(...handler),
    when([(_thread, { exit }) => exit?.reason === 'SHUTDOWN', [leavePath]]),
    note(() => ({ exit: undefined, dead: undefined, granted: undefined })),
  );
};
const tryLock = [vcpuLock.trylock(found), when([found.is(true), [...exitOnce, vcpuLock.unlock()]])];
const again = loop(acked.waitTimeout(found), when([found.is(true), [leavePath]]), kill);
const pause = ({ options: { 'vmm.pause': how } }) => {
  return [vmm.store('paused', true), ...(how === 'try-lock' ? tryLock : []), kill, how === 'send-again' ? again : acked.wait()];
};

export const mechanism = kit.race({
  name: 'pause',
  arches: ['amd', 'intel'],
  uses: [vmm, acked, vcpuLock],
  options: { 'vmm.pause': ['off', 'signal', 'handler', 'try-lock', 'send-again'] },
  operations: { 'pause-vm': { summary: 'Pauses vCPU 0 and waits until it has said so.', source: 'vmm/src/cpu.rs', does: pause } },
  paths: { KVM_RUN: (path, { options }) => kit.around(path, (kvmRun) => [vcpuLoop(kvmRun, options['vmm.pause'])]) },
  properties: [kit.happens(vmm, 'pause.signal-is-spent', 'issue 7427', ({ spent }) => spent && 'spent in user mode')],
});
