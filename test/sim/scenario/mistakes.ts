/**
 * One mistake of every kind, in the host, VMs, programs: the changed sample, and the issues (line |
 * path | message) that come of it.
 */
import { amongGuestOperations, amongHostOperations, amongOptions, FEATURES, VM_TYPES } from './known-names.ts';
import { changed, SAMPLE } from './sample.ts';

const PROGRAM = '- KVM_RUN: { vcpu: vm0/0 }';
const PSC = '- psc: { gfn: $GFN, to: $FINAL }';
const WRITE = '- write: { vm: vm0, gfn: 0x5, stores: $STORES }';
const PVALIDATE = '- pvalidate: { gfn: 0x5, validated: true }';

export const MISTAKES: readonly (readonly [title: string, text: string, issues: readonly string[]])[] = [
  [
    'an unknown key',
    changed('summary: A', 'sumary: A'),
    [
      '2 | summary | required and missing; expected text',
      '3 | sumary | found the key "sumary"; expected one of name, summary, source, claims, params, model, host, vms, processes, firmware, mappings, time, allow, variants, properties, bounds, expect, uncovered; did you mean "summary"?',
    ],
  ],
  [
    'a name that is not kebab-case',
    changed('name: psc-during-host-write', 'name: PSC_during'),
    ['2 | name | found "PSC_during"; expected a kebab-case name such as "vm0" or "map-lock"'],
  ],
  [
    'a model that is not there',
    `name: x\nsummary: s\nmodel: rmp-lok\nhost: { arch: amd }\n`,
    ['3 | model | found "rmp-lok"; expected a model ("rmp-lock"); did you mean "rmp-lock"?'],
  ],
  [
    'a missing map',
    SAMPLE.replace(/processes:[\s\S]*firmware:/, 'firmware:'),
    ["2 | processes | required and missing; expected a map, unless a model other than the host's is named"],
  ],
  [
    'no process',
    SAMPLE.replace(/processes:[\s\S]*firmware:/, 'processes: {}\nfirmware:'),
    ['30 | processes | found an empty map; expected at least one process'],
  ],
  [
    'an operation of another architecture',
    'name: x\nsummary: s\nhost: { arch: arm64 }\nprocesses: { p: { threads: [[{ sev-command: { command: SNP_DF_FLUSH } }]] } }\n',
    [
      '4 | processes.p.threads[0][0].sev-command | found sev-command, an operation of amd hosts; expected an operation of arm64 hosts (KVM_RUN, KVM_CREATE_VM, KVM_CREATE_VCPU, KVM_SET_GUEST_DEBUG, KVM_GET_MP_STATE, KVM_SET_MP_STATE, madvise, compute, pthread_create, tgkill, KVM_GET_REG_LIST, KVM_GET_ONE_REG, KVM_SET_ONE_REG, migrate, incoming, user-work, pause-vcpu, resume-vcpu, store-immediate-exit, KVM_CREATE_DEVICE, close)',
    ],
  ],
  [
    'an unknown architecture',
    changed('arch: amd', 'arch: and'),
    ['12 | host.arch | found "and"; expected one of "amd", "intel", "arm64"; did you mean "amd"?'],
  ],
  ['too many CPUs', changed('cpus: 2', 'cpus: 1025'), ['13 | host.cpus | found 1025; expected an integer from 1 to 1024']],
  ['CPUs that are no number', changed('cpus: 2', 'cpus: two'), ['13 | host.cpus | found "two"; expected an integer from 1 to 1024']],
  [
    'a kernel without quotes',
    changed('kernel: "6.12"', 'kernel: 6.12'),
    ['15 | host.kernel | found 6.12; expected one of "6.1", "6.6", "6.12", "6.14"; write text in quotes'],
  ],
  [
    'an unknown kernel',
    changed('kernel: "6.12"', 'kernel: "6.21"'),
    ['15 | host.kernel | found "6.21"; expected one of "6.1", "6.6", "6.12", "6.14"; did you mean "6.1"?'],
  ],
  [
    'a kernel without SNP',
    changed('kernel: "6.12"', 'kernel: "6.6"'),
    [
      '15 | host.kernel | found "6.6"; expected one of "6.12", "6.14": vm0 is an SNP VM, and KVM\'s SNP host support is in mainline since 6.11',
    ],
  ],
  [
    'an unknown preemption model',
    changed('preemption: full', 'preemption: ful'),
    ['14 | host.preemption | found "ful"; expected one of "none", "voluntary", "lazy", "full", "rt"; did you mean "full"?'],
  ],
  [
    'SMT with an odd CPU',
    changed('cpus: 2', 'cpus: 3\n  smt: true'),
    ['13 | host.cpus | found 3; expected an even number: with smt, each two CPUs share a core'],
  ],
  ['SMT that is text', changed('cpus: 2', 'cpus: 2\n  smt: "yes"'), ['14 | host.smt | found "yes"; expected true or false']],
  [
    'an unknown feature',
    changed('sev-snp]', 'sev-sn]'),
    [`16 | host.features[2] | found "sev-sn"; expected one of ${FEATURES}; did you mean "sev-snp"?`],
  ],
  [
    'a feature twice',
    changed('sev-es, sev-snp]', 'sev-snp, sev-snp]'),
    ['16 | host.features[2] | found "sev-snp" twice; expected it once'],
  ],
  [
    'a missing feature',
    changed(', sev-snp]', ']'),
    ['16 | host.features | found features "sev", "sev-es"; expected sev-snp among them: vm0 is an SNP VM'],
  ],
  [
    'an unknown host option',
    changed('options: { rmp.contention', 'options: { rmp.contension'),
    [
      `17 | host.options["rmp.contension"] | found the key "rmp.contension"; did you mean "rmp.contention"? Expected ${amongOptions('rmp.contension')}`,
    ],
  ],
  [
    'a wrong value of a host option',
    changed('overlap-2m }', 'overlap }'),
    ['17 | host.options["rmp.contention"] | found "overlap"; expected one of "inuse", "overlap-2m"'],
  ],
  [
    'an unknown offer',
    changed('[spurious-exit]', '[spurious-exits]'),
    [
      '45 | allow[0] | found "spurious-exits"; expected one of "spurious-exit", "interrupt", "psp-error", "psp-interrupt", "psp-stuck", "psp-slow"; did you mean "spurious-exit"?',
    ],
  ],
  ['an unknown VM type', changed('type: snp', 'type: sev'), [`20 | vms.vm0.type | found "sev"; expected ${VM_TYPES}`]],
  [
    'a page state that does not exist',
    changed('state: shared', 'state: guest'),
    [
      '24 | vms.vm0.options.pages[0].state | found "guest"; expected one of "shared", "guest-invalid", "guest-valid", "vmsa", "alias", "moved"',
    ],
  ],
  [
    'a frame number out of range',
    changed('pfn: 0x1005', 'pfn: 0x10000000000'),
    ['24 | vms.vm0.options.pages[0].pfn | found 0x10000000000; expected an integer from 0 to 0xffffffffff'],
  ],
  [
    'a missing frame number',
    changed('gfn: 0x5, pfn: 0x1005', 'pfn: 0x1005'),
    ['24 | vms.vm0.options.pages[0].gfn | required and missing; expected an integer from 0 to 0xffffffffff'],
  ],
  [
    'a PFN twice',
    changed('pfn: 0x1006', 'pfn: 0x1005'),
    ['25 | vms.vm0.options.pages[1].pfn | found PFN 0x1005 of GFN 0x6 of vm0; expected another: GFN 0x5 of vm0 has it'],
  ],
  [
    'a 2M entry that is not aligned, with a page behind its head',
    changed('pfn: 0x1005, state: shared', 'pfn: 0x1005, state: guest-valid, frames: 2'),
    [
      '24 | vms.vm0.options.pages[0].gfn | found 0x5; expected a multiple of 0x200: the page is a 2M entry',
      '24 | vms.vm0.options.pages[0].pfn | found 0x1005; expected a multiple of 0x200: the page is a 2M entry',
      '25 | vms.vm0.options.pages[1].gfn | found GFN 0x6 of page 1; expected another: page 0 has it',
      '25 | vms.vm0.options.pages[1].pfn | found PFN 0x1006 of GFN 0x6 of vm0; expected another: GFN 0x6 of vm0 has it',
      '25 | vms.vm0.options.pages[1].pfn | found PFN 0x1006; expected it outside of the 2M entry at PFN 0x1005',
    ],
  ],
  [
    'an alias of no page',
    changed('pfn: 0x1006, state: vmsa', 'pfn: 0x1007, state: alias'),
    ['25 | vms.vm0.options.pages[1].pfn | found PFN 0x1007; expected that of another page of vm0: the page is an alias'],
  ],
  [
    'an alias of several frames',
    changed('pfn: 0x1006, state: vmsa', 'pfn: 0x1005, state: moved, frames: 2'),
    ['25 | vms.vm0.options.pages[1].frames | found 2; expected none: an alias is of one frame'],
  ],
  [
    'VMPLs of vCPUs that there are not',
    changed('asid: 1', 'asid: 1\n      vmpls: [0, 1, 2, 3]'),
    ['23 | vms.vm0.options.vmpls | found 4 VMPLs; expected at most 1: vm0 has no more vCPUs'],
  ],
  [
    'what is expected of a shared page',
    changed(PVALIDATE, '- read: { gfn: 0x5, private: false, expects: own }'),
    ['28 | vms.vm0.vcpus[0][1].read.expects | found "own" of a shared page; expected it of a private one: others may store there'],
  ],
  [
    'a PFN in a VM and in firmware',
    changed('pfn: 0x2000', 'pfn: 0x1006'),
    ['43 | firmware.pages[0].pfn | found PFN 0x1006 of page 0 of firmware; expected another: GFN 0x6 of vm0 has it'],
  ],
  [
    'a GFN twice',
    changed('gfn: 0x6', 'gfn: 0x5'),
    ['25 | vms.vm0.options.pages[1].gfn | found GFN 0x5 of page 1; expected another: page 0 has it'],
  ],
  [
    'an unknown guest operation',
    changed(PVALIDATE, '- pvalidat: { gfn: 0x5, validated: true }'),
    [
      `28 | vms.vm0.vcpus[0][1].pvalidat | found the key "pvalidat"; did you mean "pvalidate"? Expected ${amongGuestOperations('pvalidat')}`,
    ],
  ],
  [
    "a host's operation in a guest",
    changed(PVALIDATE, '- make-shared: { vm: vm0, gfn: 0x5 }'),
    [
      `28 | vms.vm0.vcpus[0][1].make-shared | found the key "make-shared", an operation of host threads; expected ${amongGuestOperations('make-shared')}`,
    ],
  ],
  [
    "a guest's operation in a host thread",
    changed(PROGRAM, '- psc: { gfn: 0x5, to: private }'),
    [`33 | processes.qemu0.threads[0][0].psc | found the key "psc", an operation of guests; expected ${amongHostOperations('psc')}`],
  ],
  [
    'an operation that is no map',
    changed(PVALIDATE, '- hlt'),
    ['28 | vms.vm0.vcpus[0][1] | found "hlt"; expected a map with exactly one operation, such as { hlt: {} }'],
  ],
  [
    'two operations in one map',
    changed(PVALIDATE, `${PVALIDATE}\n          hlt: {}`),
    ['28 | vms.vm0.vcpus[0][1] | found a map; expected a map with exactly one operation, such as { hlt: {} }'],
  ],
  ['an empty program', changed(PROGRAM, '[]'), ['33 | processes.qemu0.threads[0] | found an empty list; expected at least 1 entry']],
  [
    'a missing argument',
    changed(PVALIDATE, '- pvalidate: { gfn: 0x5 }'),
    ['28 | vms.vm0.vcpus[0][1].pvalidate.validated | required and missing; expected true or false'],
  ],
  [
    'an unknown argument',
    changed(PVALIDATE, '- pvalidate: { gfn: 0x5, valid: true }'),
    [
      '28 | vms.vm0.vcpus[0][1].pvalidate.validated | required and missing; expected true or false',
      '28 | vms.vm0.vcpus[0][1].pvalidate.valid | found the key "valid"; expected one of gfn, validated, size',
    ],
  ],
  [
    'an argument of a wrong type',
    changed(PVALIDATE, '- pvalidate: { gfn: 0x5, validated: 1 }'),
    ['28 | vms.vm0.vcpus[0][1].pvalidate.validated | found 1; expected true or false'],
  ],
  [
    'an argument out of range',
    changed(WRITE, '- write: { vm: vm0, gfn: 0x5, stores: 0 }'),
    ['39 | processes.netd.threads[0][0].repeat.do[0].write.stores | found 0; expected an integer from 1 to 1024'],
  ],
  [
    'a wrong word as argument',
    changed(PSC, '- psc: { gfn: $GFN, to: privat }'),
    ['27 | vms.vm0.vcpus[0][0].psc.to | found "privat"; expected one of "private", "shared"; did you mean "private"?'],
  ],
  [
    'an unknown parameter',
    changed(PSC, '- psc: { gfn: $GNF, to: $FINAL }'),
    [
      '27 | vms.vm0.vcpus[0][0].psc.gfn | found "$GNF"; expected a parameter of the scenario ("$STORES", "$GFN", "$FINAL", "$ENCRYPTED"); did you mean "$GFN"?',
    ],
  ],
  [
    'a reference that is none',
    changed(PSC, '- psc: { gfn: $, to: $FINAL }'),
    ['27 | vms.vm0.vcpus[0][0].psc.gfn | found "$"; expected $NAME of a parameter'],
  ],
  [
    'a parameter of a wrong type',
    changed(PSC, '- psc: { gfn: $FINAL, to: $FINAL }'),
    ['27 | vms.vm0.vcpus[0][0].psc.gfn | found $FINAL = "private"; expected an integer from 0 to 0xffffffffff'],
  ],
  [
    'a mapping of a process that is not there',
    changed('firmware:\n', 'mappings: [{ of: netdd, pfn: 0x1000, size: 2M }]\nfirmware:\n'),
    ['40 | mappings[0].of | found "netdd"; expected `kernel` or a process ("kernel", "qemu0", "netd"); did you mean "netd"?'],
  ],
  [
    'mappings at a wrong place',
    changed('firmware:\n', 'mappings: [{ of: netd, pfn: 0x1001, size: 2M }, { of: kernel, pfn: 0x4000, size: 4K }]\nfirmware:\n'),
    [
      '40 | mappings[0].pfn | found 0x1001; expected a multiple of 0x200',
      '40 | mappings[1].pfn | found 0x4000; expected the 2 MiB around a page of a VM',
    ],
  ],
  [
    'two mappings of one owner at one place',
    changed('firmware:\n', 'mappings: [{ of: kernel, pfn: 0x1000, size: 2M }, { of: kernel, pfn: 0x1000, size: 4K }]\nfirmware:\n'),
    ['40 | mappings[1].pfn | found a second mapping of kernel at 0x1000; expected one'],
  ],
  [
    'a process that gives up a mapping it has not',
    changed('write: { vm: vm0, gfn: 0x5, stores: $STORES }', 'zap-mapping: { vm: vm0, gfn: 0x5 }'),
    [
      '7 | params.STORES | found no argument $STORES; expected one: the parameter changes nothing',
      '39 | processes.netd.threads[0][0].repeat.do[0].zap-mapping | found zap-mapping in "netd"; expected a mapping of it at PFN 0x1000 in mappings',
    ],
  ],
  [
    'a VMCB in a page of the guest, and a TLB of no CPU',
    changed('      asid: 1\n', '      asid: 1\n      vmcbs: [0x1005]\n      keptOn: [2]\n'),
    [
      '23 | vms.vm0.options.vmcbs[0] | found PFN 0x1005 of VMCB 0 of vm0; expected another: GFN 0x5 of vm0 has it',
      '23 | vms.vm0.options.vmcbs[0] | found PFN 0x1006 of VMCB 0 of vm0; expected another: GFN 0x6 of vm0 has it',
      "24 | vms.vm0.options.keptOn[0] | found 2; expected a CPU below 2, the host's cpus",
    ],
  ],
  [
    'more VMCBs than vCPUs',
    changed('      asid: 1\n', '      asid: 1\n      vmcbs: [0x3000, 0x3002]\n'),
    ['23 | vms.vm0.options.vmcbs | found 2 VMCBs; expected one for each of 1 vCPUs'],
  ],
];
