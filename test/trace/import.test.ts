/** How a recorded schedule drives the simulated host, in recordings of a few lines. */
import { describe, expect, it } from 'vitest';
import { type Plan, planOf } from '../../trace/import/plan.ts';
import { entered, left, RESCHEDULE, RUN, recorded, switched, TIMER, type Told } from './traces.ts';

const V0 = 'vcpu0-10';
const HOG = 'hog-20';
const CTL = 'control-30';

const plan = (...lines: readonly Told[]): Plan => planOf(recorded(...lines));
const kinds = ({ drive }: Plan): string[] => [...new Set(drive.choices.map(({ kind }) => kind))].sort();
const labelsFrom = ({ drive }: Plan, first: string): readonly string[] => drive.labels.slice(drive.labels.indexOf(first));

/** A vCPU thread that is preempted as its timer fires, and comes back. */
const PREEMPTED: readonly Told[] = [
  [V0, 0, entered()],
  [V0, 0, left('interrupt')],
  [V0, 0, TIMER, 'd.h1.'],
  [V0, 0, switched(V0, 'R+', HOG), 'd..2.'],
  [HOG, 0, switched(HOG, 'R', V0), 'd..2.'],
  [V0, 0, entered()],
];

describe('the threads of a recording', () => {
  it('run vCPUs if they enter a guest, leave one or call KVM_RUN, whatever their names', () => {
    const { cast, troupe } = plan(['CPU 0/KVM-7', 0, entered(0)], ['qemu-8', 0, RUN], [HOG, 0, TIMER, 'd.h..']);
    expect(cast.threads.map(({ pid, comm }) => `${comm} ${pid}`)).toEqual(['CPU 0/KVM 7', 'qemu 8']);
    expect(troupe.vcpus.map(({ vcpu }) => vcpu)).toEqual(['vcpu:vm0/0', 'vcpu:vm0/1']);
  });

  it('belong to two VMs where two of them run a vCPU of the same number', () => {
    const { scenario } = plan([V0, 0, entered(0)], ['other-12', 1, entered(0)]);
    expect(scenario.vms.map(({ id, vcpus }) => `${id}: ${vcpus.length}`)).toEqual(['vm0: 1', 'vm1: 1']);
  });

  it('are one that stands in for all others on each CPU where a vCPU has run', () => {
    const { scenario, troupe, cast } = plan([V0, 3, entered(0)], ['vcpu1-11', 5, entered(1)], [HOG, 1, TIMER, 'd.h..']);
    expect(cast.cpus).toEqual([3, 5]);
    expect(troupe.rest).toEqual(['thread:rest0/0', 'thread:rest1/0']);
    expect(scenario.processes.find(({ id }) => id === 'rest1')).toMatchObject({ cpu: 1 });
  });

  it('are refused where there are more than a host has', () => {
    const many = Array.from({ length: 1025 }, (_, at): Told => [`v-${at + 1}`, 0, entered(at)]);
    expect(() => plan(...many)).toThrow(/there are 1025 vCPUs of one VM/);
  });

  it('are refused where none runs a vCPU', () => {
    expect(() => plan([HOG, 0, TIMER, 'd.h..'])).toThrow(/no thread runs a vCPU/);
  });
});

describe('the host of a recording', () => {
  it('is of 6.12 where exits are told with interrupts off, and of 6.1 where they are on', () => {
    const of = (flags: string) => plan([V0, 0, entered()], [V0, 0, left('interrupt'), flags]).scenario.host.kernel;
    expect([of('d..1.'), of('.....')]).toEqual(['6.12', '6.1']);
  });

  it('preempts in the kernel where a vCPU thread was told to be preempted', () => {
    const of = (state: string) => plan([V0, 0, entered()], [V0, 0, left('interrupt')], [V0, 0, switched(V0, state, HOG)]).scenario.host;
    expect([of('R+').preemption, of('R').preemption]).toEqual(['full', 'voluntary']);
  });

  it('is of VMX where the names of exits are', () => {
    expect(plan([V0, 0, entered()], [V0, 0, left('EXTERNAL_INTERRUPT')]).scenario.host.arch).toBe('intel');
  });

  it('is assumed, and said to be, where nothing tells', () => {
    expect(plan([V0, 0, entered()]).host?.assumed).toEqual(['kernel 6.12', 'preemption full']);
  });
});

describe('a recorded schedule', () => {
  it('is followed to its last line', () => {
    const found = plan(...PREEMPTED);
    expect(found.drive.stop).toBeNull();
    expect(Object.fromEntries(found.drive.met)).toEqual({ entry: 2, exit: 1, irq: 1, switch: 2 });
  });

  it('says after which step each line was met', () => {
    const { anchors, labels } = plan(...PREEMPTED).drive;
    expect(anchors.map(({ line }) => line)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(anchors.at(-1)!.step).toBe(labels.length);
  });

  it('lets another CPU go ahead where the next line cannot be yet', () => {
    const { drive } = plan(
      [V0, 0, entered()],
      [V0, 0, left('interrupt')],
      [CTL, 1, switched(CTL, 'S', V0), 'd..2.'],
      [V0, 0, switched(V0, 'R+', HOG), 'd..2.'],
      [V0, 1, entered()],
    );
    expect(drive.stop).toBeNull();
    expect(drive.anchors.map(({ line }) => line)).toEqual([1, 2, 4, 3, 5]);
  });

  it('loses a CPU at the first place where the model lets it, and says so', () => {
    const { drive } = plan(...PREEMPTED);
    expect(drive.choices.filter(({ kind }) => kind === 'preempted-at')).toEqual([
      { kind: 'preempted-at', line: 4, what: 'thread:vmm0/vcpu0@KVM_RUN.handle_external_interrupt' },
    ]);
  });

  it('loses it in the function that the stack names', () => {
    const stack = ['=> __schedule', '=> preempt_schedule', '=> vcpu_put', '=> kvm_arch_vcpu_ioctl_run'].map((line) => ` ${line}`);
    const lines = recorded(
      [V0, 0, entered()],
      [V0, 0, left('io')],
      [V0, 0, 'kvm_pio: pio_write at 0x10 size 1 count 1 val 0x0', '.....'],
      [V0, 0, switched(V0, 'R+', HOG), 'd..2.'],
    );
    const { lines: told } = lines;
    const withStack = { ...lines, lines: told.map((line, at) => (at === 3 ? { ...line, stack: stack.map((one) => one.slice(4)) } : line)) };
    const { drive } = planOf({
      ...withStack,
      lines: [
        ...withStack.lines,
        ...recorded([HOG, 0, switched(HOG, 'R', V0)], [V0, 0, 'kvm_userspace_exit: reason KVM_EXIT_IO (2)']).lines,
      ],
    });
    expect(drive.stop).toBeNull();
    expect(drive.choices.some(({ kind }) => kind === 'preempted-at' || kind === 'stack-not-met')).toBe(false);
  });

  it('takes an exit that 6.1 tells behind the switch that it caused, on another CPU', () => {
    const found = plan(
      [V0, 0, entered()],
      [V0, 0, switched(V0, 'R+', HOG), 'd..2.'],
      [CTL, 1, 'sched_migrate_task: comm=vcpu0 pid=10 prio=120 orig_cpu=0 dest_cpu=1'],
      [CTL, 1, switched(CTL, 'S', V0), 'd..2.'],
      [V0, 1, left('interrupt'), '.....'],
      [V0, 1, entered()],
    );
    expect(found.drive.stop).toBeNull();
    expect(kinds(found)).toContain('told-late');
    expect(kinds(found)).not.toContain('moved-at-switch');
    expect(found.drive.labels).toContain('migrate(sched, thread:vmm0/vcpu0, pcpu:1)');
  });

  it('sends a signal that is told behind its effect before the exit that it causes', () => {
    const found = plan(
      [V0, 0, entered()],
      [CTL, 1, 'ipi_send_cpu: cpu=0 callsite=__send_signal_locked+0x2ab/0x410 callback=0x0'],
      [V0, 0, left('interrupt')],
      [V0, 0, RESCHEDULE, 'd.h1.'],
      [CTL, 1, 'signal_generate: sig=10 errno=0 code=-6 comm=vcpu0 pid=10 grp=0 res=0'],
      [V0, 0, 'kvm_userspace_exit: reason restart (4)', '.....'],
    );
    expect(found.drive.stop).toBeNull();
    expect(kinds(found)).not.toContain('outside-interrupt');
    expect(labelsFrom(found, 'deliver(irq.reschedule, thread:vmm0/vcpu0, pcpu:0)').length).toBeGreaterThan(4);
  });

  it('sends a signal from another CPU where the recording has none, and KVM_RUN ends with EINTR', () => {
    const found = plan(
      [V0, 0, entered()],
      [CTL, 1, TIMER, 'd.h..'],
      [V0, 0, left('interrupt')],
      [V0, 0, 'kvm_userspace_exit: reason restart (4)', '.....'],
    );
    expect(found.drive.stop).toBeNull();
    expect(kinds(found)).toContain('signal-not-recorded');
  });

  it('sets immediate_exit where EINTR comes before the signal that is recorded', () => {
    const found = plan(
      [V0, 0, entered()],
      [V0, 0, left('interrupt')],
      [V0, 0, 'kvm_userspace_exit: reason KVM_EXIT_INTR (10)', '.....'],
      [V0, 0, 'sys_ioctl -> 0x0', '.....'],
      [V0, 0, RUN, '.....'],
      [V0, 0, 'kvm_userspace_exit: reason restart (4)', '.....'],
      [CTL, 1, 'signal_generate: sig=10 errno=0 code=-6 comm=vcpu0 pid=10 grp=0 res=0'],
    );
    expect(found.needs.needs.map(({ act }) => act.type)).toContain('store');
  });

  it('gives a CPU to who tells something, where no switches are recorded', () => {
    const found = plan([V0, 0, entered()], [V0, 0, left('interrupt')], [V0, 1, entered()], [V0, 1, left('interrupt')]);
    expect(found.drive.stop).toBeNull();
    expect(kinds(found)).toContain('switch-not-recorded');
  });

  it('halts a vCPU in its HLT, and wakes it by an interrupt of its own', () => {
    const found = plan(
      [V0, 0, entered()],
      [V0, 0, left('hlt')],
      [V0, 0, switched(V0, 'S', HOG), 'd..2.'],
      [CTL, 1, 'sched_wakeup: comm=vcpu0 pid=10 prio=120 target_cpu=000', 'd..3.'],
      [HOG, 0, switched(HOG, 'R', V0), 'd..2.'],
      [V0, 0, entered()],
    );
    expect(found.drive.stop).toBeNull();
    expect(found.drive.labels).toContain('interrupt(vcpu:vm0/0)');
  });

  it('has a guest that leaves guest mode as recorded', () => {
    const { scenario, drive } = plan(
      [V0, 0, entered()],
      ...['npf', 'npf', 'cpuid', 'io'].flatMap((reason): Told[] => [
        [V0, 0, left(reason)],
        [V0, 0, entered()],
      ]),
    );
    expect(drive.stop).toBeNull();
    expect(scenario.vms[0]!.vcpus[0]!.ops.map(({ op }) => op)).toEqual(['touch', 'next', 'intercept', 'intercept', 'compute', 'end']);
  });
});

describe('a line that the model cannot follow', () => {
  const asleep = plan([V0, 0, entered()], [V0, 0, switched(V0, 'S', HOG), 'd..2.'], [HOG, 0, switched(HOG, 'R', V0)]);

  it('ends the import, with its line and what was asked', () => {
    expect(asleep.drive.stop).toMatchObject({
      need: { line: 2 },
      why: expect.stringMatching(/^pcpu:0 cannot switch from thread:vmm0\/vcpu0@/),
    });
  });

  it('takes back what other CPUs have done ahead of it', () => {
    const first: readonly Told[] = [
      [V0, 0, entered()],
      ['vcpu1-11', 1, entered(1)],
    ];
    const { drive } = plan(...first, [V0, 0, switched(V0, 'S', HOG), 'd..2.'], ['vcpu1-11', 1, left('interrupt', 1)]);
    expect(drive.stop).toMatchObject({ need: { line: 3 } });
    expect(drive.anchors.map(({ line }) => line)).toEqual([1, 2]);
    expect(drive.labels).toEqual(plan(...first).drive.labels);
  });

  it('is told with how KVM_RUN ended, where no guest leaves in that way', () => {
    const { drive } = plan([V0, 0, entered()], [V0, 0, left('npf')], [V0, 0, 'kvm_userspace_exit: reason KVM_EXIT_HYPERV (27)', '.....']);
    expect(drive.stop?.why).toBe('no operation of a guest exits with npf and ends KVM_RUN with KVM_EXIT_HYPERV');
  });

  it('is told with what each CPU ran, where, and what it offered', () => {
    expect(asleep.atStop).toEqual([
      {
        cpu: 'pcpu:0',
        runs: 'thread:vmm0/vcpu0@svm_vcpu_run.guest',
        letter: 'G',
        waiting: ['thread:rest0/0'],
        offers: ['exec(pcpu:0)', 'preempt(pcpu:0)', 'interrupt(pcpu:0)'],
      },
    ]);
  });

  it('leaves the schedule up to there', () => {
    expect(asleep.drive.labels.length).toBeGreaterThan(10);
    expect(asleep.drive.labels.at(-1)).toBe('exec(pcpu:0)');
  });
});

describe('a recording with a gap', () => {
  it('is followed up to the events that were lost', () => {
    const whole = recorded(...PREEMPTED);
    const { needs, drive } = planOf({
      ...whole,
      lines: [...whole.lines.slice(0, 2), { kind: 'lost', line: 3, cpu: 1, events: 7 }, ...whole.lines.slice(2)],
    });
    expect(needs.gap).toEqual({ line: 3, why: 'CPU 1 has lost 7 events' });
    expect(Object.fromEntries(drive.met)).toEqual({ entry: 1, exit: 1 });
  });

  it('is followed up to a line that is not understood', () => {
    const { needs } = planOf(recorded(...PREEMPTED.slice(0, 3), [HOG, 0, 'sched_switch: what is this']));
    expect(needs.gap).toMatchObject({ line: 4, why: expect.stringMatching(/^the line is not understood/) });
  });
});
