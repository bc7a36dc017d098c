/**
 * Only a mechanism's own files know it. A folder or a file is a mechanism's if it has its name;
 * what a mechanism declares is read from the registry and from its sources (brought.ts).
 */
import { describe, expect, it } from 'vitest';
import { SHIPPED_MECHANISMS } from '../../sim/mechanisms/index.ts';
import { files, foreignNames, membersAdded, ownerOf, sharedNames } from './brought.ts';
import { BUILDS_ON, below } from './builds-on.ts';
import { importsOf, textOf } from './source.ts';

const NAMES = SHIPPED_MECHANISMS.map(({ name }) => name);

/** The lists of mechanisms. Only they import from others' files, and each has to. */
const LISTS = ['sim/mechanisms/index.ts', 'timeline/mechanisms/shipped.ts', 'api/shipped.ts', 'cli/commands.ts'];

/**
 * Files that use a word which a mechanism declares as well, and mean something else. An entry has
 * to name just what the file uses: a word that is no longer found has to go.
 */
const MEANT_OTHERWISE: Readonly<Record<string, { readonly names: readonly string[]; readonly why: string }>> = {
  'actors/kit/semaphore.ts': { names: ['semaphore'], why: 'a lock of kernel/locking/semaphore.c' },
  'actors/kit/timer.ts': { names: ['hrtimer'], why: 'the timers of kernel/time/hrtimer.c' },
  'actors/kit/workqueue-machine.ts': { names: ['workqueue'], why: 'a queue of kernel/workqueue.c' },
  'actors/kit/workqueue.ts': { names: ['workqueue'], why: 'as that of workqueue-machine.ts' },
  'actors/kvm/guest-program.ts': { names: ['DB'], why: 'a step: the exception that ends KVM_RUN for a debugger' },
  'actors/kvm/kvm-run.ts': { names: ['ioctl'], why: 'a step: the entry into the system call' },
  'actors/kvm/kvm-ioctls.ts': { names: ['ioctl'], why: 'as that of kvm-run.ts' },
  'actors/sev-snp/asid-cycle.ts': { names: ['ioctl'], why: 'as that of kvm-run.ts' },
  'actors/sev-snp/exits.ts': { names: ['ioctl'], why: 'as that of kvm-run.ts' },
  'actors/sev-snp/legacy-command.ts': { names: ['ioctl'], why: 'as that of kvm-run.ts' },
  'actors/sev-snp/rmp-region.ts': { names: ['ready'], why: 'a state of the machine' },
  'actors/sev-snp/sev-command.ts': { names: ['ioctl'], why: 'as that of kvm-run.ts' },
  'actors/sev-snp/vm-pages.ts': { names: ['ready'], why: 'a state of the machine' },
  'actors/sev-snp/wbinvd.ts': { names: ['ioctl'], why: 'as that of kvm-run.ts' },
  'actors/split-lock/clock.ts': { names: ['arm'], why: 'to arm a timer' },
  'actors/split-lock/delayed-work.ts': { names: ['arm'], why: 'to arm a timer' },
  'actors/svm/svm.ts': { names: ['svm'], why: 'the vendor, after which a type of VMs is called' },
  'actors/vmx/vmx.ts': { names: ['vmx'], why: 'the vendor, after which a type of VMs is called' },
  'api/kit.ts': { names: ['hrtimer', 'semaphore', 'workqueue'], why: 'primitives of the kernel' },
  'cli/models.ts': { names: ['update'], why: 'the method of a hash' },
  'cli/sev-snp/key-file.ts': { names: ['d'], why: 'the private number of a JSON Web Key' },
  'replay/dictionary.ts': { names: ['defined'], why: 'a value that the dictionary has' },
  'replay/identity.ts': { names: ['update'], why: 'the method of a hash' },
  'replay/reader.ts': { names: ['defined'], why: 'as that of dictionary.ts' },
  'replay/writer.ts': { names: ['defined'], why: 'as that of dictionary.ts' },
  'sim/mechanisms/sev-snp/lock-model.ts': { names: ['loaded'], why: 'a state of the model' },
  'timeline/serve/server.ts': { names: ['incoming'], why: 'a request' },
};

/**
 * Names that the neutral side declares as well: uses of them tell nothing. A new one is a leak,
 * unless it is a word of both.
 */
const SHARED: Readonly<Record<string, readonly string[]>> = {
  'a word that means what it means everywhere': [
    ...[
      'at',
      'clock',
      'context',
      'cpu',
      'dr7',
      'ended',
      'errno',
      'exec',
      'features',
      'flags',
      'frames',
      'from',
      'kernel',
      'known',
      'left',
      'length',
      'line',
      'lost',
      'met',
      'mutex',
      'next',
      'on',
      'op',
      'outcome',
      'read',
      'reads',
      'result',
      'resume',
      'slot',
    ],
    ...['taken', 'thread', 'type', 'value', 'vcpu', 'vector', 'to', 'verdict', 'vm', 'work', 'write', 'writes'],
  ],
  'the offer `migrate` of the scheduler, and an operation of the VMM': ['migrate'],
  'the command and its option, and what a VMM does': ['inject'],
  'the system call, and what streams have': ['close'],
  'the architecture, and the type of its VMs': ['arm64'],
  'an instruction, in words and as an operation': ['insn'],
  'the context switch tells the actor of a core, if a mechanism brings one': ['core', 'core.switchTo'],
  'frame numbers of panics and signals': ['pfn'],
};

/** The files of mechanisms that a file imports and may not. */
function wrongImports(file: string, text: string): string[] {
  const owner = ownerOf(file);
  return importsOf(file, text).flatMap(({ to }) => {
    const other = ownerOf(to);
    return other === null || other === owner || below(owner).includes(other) || LISTS.includes(file) ? [] : [to];
  });
}

describe('files of the product', () => {
  it('import from the folders of a mechanism only in the lists and in these folders', () => {
    expect(files.flatMap((file) => wrongImports(file, textOf(file)).map((to) => `${file} -> ${to}`))).toEqual([]);
  });

  it('use no name that only a mechanism declares, but for words that mean something else there', () => {
    const found = files
      .filter((file) => !LISTS.includes(file))
      .map((file) => [file, foreignNames(file, textOf(file))] as const)
      .filter(([, names]) => names.length > 0);
    expect(Object.fromEntries(found)).toEqual(
      Object.fromEntries(Object.entries(MEANT_OTHERWISE).map(([file, { names }]) => [file, names])),
    );
  });

  it('declare no name that a mechanism brings, but for those that both have', () => {
    const shared = new Set(NAMES.flatMap(sharedNames));
    expect([...shared].sort()).toEqual(Object.values(SHARED).flat().sort());
  });
});

describe('a mechanism that builds on others', () => {
  it('names mechanisms that are shipped, and none that builds on others in its turn', () => {
    for (const name of Object.keys(BUILDS_ON)) {
      expect(NAMES).toEqual(expect.arrayContaining([name, ...below(name)]));
      expect(below(name).flatMap(below)).toEqual([]);
    }
  });
});

describe('the lists of mechanisms', () => {
  it.each(LISTS)('%s imports from them', (list) => {
    expect(importsOf(list, textOf(list)).filter(({ to }) => ownerOf(to) !== null)).not.toEqual([]);
  });
});

describe('a mechanism that is shipped', () => {
  it.each(NAMES)('%s has a folder in actors/, events/ and sim/mechanisms/, and stands in the list', (name) => {
    const own = files.filter((file) => ownerOf(file) === name);
    for (const folder of [`actors/${name}/`, `events/${name}/`, `sim/mechanisms/${name}/`])
      expect(own.filter((file) => file.startsWith(folder))).not.toEqual([]);
    expect(importsOf(LISTS[0]!, textOf(LISTS[0]!)).map(({ to }) => ownerOf(to))).toContain(name);
  });
});

describe('the check of imports', () => {
  it.each([
    ['sim/host/topology.ts', "import { regionOf } from '../../events/sev-snp/rmp.ts';", 'events/sev-snp/rmp.ts'],
    ['actors/host/pcpu.ts', "import type { Core } from '../split-lock/core.ts';", 'actors/split-lock/core.ts'],
    ['actors/sev-snp/exits.ts', "import { kdbOf } from '../guest-debug/vcpu-debug.ts';", 'actors/guest-debug/vcpu-debug.ts'],
    ['actors/sev-es-debug/sev-es-kvm.ts', "import { clock } from '../split-lock/clock.ts';", 'actors/split-lock/clock.ts'],
    ['actors/guest-debug/debug-kvm.ts', "import { sevEsKvm } from '../sev-es-debug/sev-es-kvm.ts';", 'actors/sev-es-debug/sev-es-kvm.ts'],
    ['actors/svm/exits.ts', "export { psp } from '../sev-snp/psp.ts';", 'actors/sev-snp/psp.ts'],
    ['actors/os-lock/arm-run.ts', "import { clock } from '../split-lock/clock.ts';", 'actors/split-lock/clock.ts'],
    ['events/index.ts', "import { RMP_EVENTS } from './sev-snp/rmp.ts';", 'events/sev-snp/rmp.ts'],
    ['timeline/views.ts', "const { sevSnpViews } = await import('./mechanisms/sev-snp.ts');", 'timeline/mechanisms/sev-snp.ts'],
  ])('refuses in %s: %s', (file, text, to) => {
    expect(wrongImports(file, text)).toEqual([to]);
  });

  it.each([
    ['sim/mechanisms/index.ts', "import { sevSnp } from './sev-snp/index.ts';"],
    [LISTS[1]!, "import { sevSnpViews } from './sev-snp.ts';"],
    ['sim/mechanisms/sev-snp/index.ts', "import { RMP_EVENTS } from '../../../events/sev-snp/rmp.ts';"],
    ['actors/sev-es-debug/sev-es-kvm.ts', "import { kdbOf } from '../guest-debug/vcpu-debug.ts';"],
    ['actors/host/pcpu.ts', "// import { core } from '../split-lock/core.ts';\nimport { path } from '../path/path.ts';"],
  ])('accepts in %s: %s', (file, text) => {
    expect(wrongImports(file, text)).toEqual([]);
  });
});

describe('the check of names', () => {
  it.each([
    ['actors/host/pcpu.ts', "const irr = ['psp'];", ['psp']],
    ['actors/host/pcpu.ts', "const driver = world.actors('sevDevice');", ['sevDevice']],
    ['actors/host/pcpu.ts', "const handler = { psp_irq_handler: 'irq.psp' };", ['irq.psp', 'psp_irq_handler']],
    ['sim/host/topology.ts', 'const id = `rmp:0x${pfn}`;', ['rmp']],
    ['sim/host/topology.ts', "if (actor.kind === 'rmpRegion') count(actor);", ['rmpRegion']],
    ['sim/scenario/schema.ts', "const types = z.enum(['snp']);", ['snp']],
    ['sim/scenario/schema.ts', 'const { splitLockDetect } = vm.settings;', ['splitLockDetect']],
    ['sim/scenario/checks.ts', "const flag = options['host.sldFlag'];", ['host.sldFlag']],
    ['sim/properties/index.ts', "const first = propertyOf('rmp.host-panic');", ['rmp.host-panic']],
    ['actors/host/host-thread.ts', 'const isSplitter = ({ splitter }: HostThread) => splitter === true;', ['splitter']],
    ['actors/host/switchable.ts', 'const { vmsaCheck } = locals;', ['vmsaCheck']],
    ['actors/svm/exits.ts', 'const first = locals.vmsas[0];', ['vmsas']],
    ['actors/os-lock/arm-run.ts', "toRmp({ type: 'rmp.lock' });", ['rmp.lock']],
  ])('refuses in %s: %s', (file, text, names) => {
    expect(foreignNames(file, text)).toEqual(names);
  });

  it.each([
    ['actors/host/pcpu.ts', "/** As 'psp' has it. */ const several = 1; // rmpRegion"],
    ['actors/sev-snp/psp.ts', "const irr = ['psp'];"],
    ['actors/host/switchable.ts', 'const ioctl = (left: number) => left; ioctl(1);'],
    ['actors/host/switchable.ts', 'interface Local { readonly splitter: true }\nconst of = ({ splitter }: Local) => splitter;'],
    ['cli/run.ts', "const examples = ['run rmp-lock', 'a psp'];"],
    ['cli/demo.ts', "const SCENARIO = 'rmp-lock';"],
    ['sim/host/outcomes.ts', 'const title = `${count} entries of the rmp`;'],
    ['sim/host/topology.ts', "const vm = { value: options['at'], kind: 'vcpu', id: `mutex:${vcpu}` };"],
  ])('accepts in %s: %s', (file, text) => {
    expect(foreignNames(file, text)).toEqual([]);
  });

  it('reads the members that a mechanism adds to the types of others', () => {
    const text =
      "declare module '../host/host-env.ts' {\n  interface HostLocals {\n    readonly a?: { b: number };\n    'c-d': E;\n  }\n}\nconst f = { g: 1 };";
    expect(membersAdded(text)).toEqual(['a', 'b', 'c-d']);
  });
});
