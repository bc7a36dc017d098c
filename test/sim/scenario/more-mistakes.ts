/**
 * One mistake of every kind, in parameters, references, names, YAML: the changed sample, and the
 * issues (line | path | message).
 */
import { amongOptions } from './known-names.ts';
import { changed, SAMPLE } from './sample.ts';

const PROGRAM = '- KVM_RUN: { vcpu: vm0/0 }';
const WRITE = '- write: { vm: vm0, gfn: 0x5, stores: $STORES }';
const PVALIDATE = '- pvalidate: { gfn: 0x5, validated: true }';

export const MORE_MISTAKES: readonly (readonly [title: string, text: string, issues: readonly string[]])[] = [
  [
    'a parameter out of the range of its argument',
    changed('min: 1, max: 8, default: 2', 'default: 5000'),
    ['39 | processes.netd.threads[0][0].repeat.do[0].write.stores | found $STORES = 5000; expected an integer from 1 to 1024'],
  ],
  [
    'a hole of 2M where no 2M entry is',
    changed(WRITE, `${WRITE}\n              - punch-hole: { vm: vm0, gfn: 0x5, size: 2M }`),
    [
      '40 | processes.netd.threads[0][0].repeat.do[1].punch-hole.gfn | found GFN 0x5; expected the first page of a 2M entry of vm0: size is 2M',
      '53 | properties.always[0] | found rmp.freed-frame-is-hypervisors beside punch-hole and KVM_RUN of vm0; expected kvm.privateMemory guest-memfd, or neither: the guest can take the frame again, and without a guest_memfd it counts as free all the same',
    ],
  ],
  [
    'a parameter that nothing uses',
    changed('private: $ENCRYPTED', 'private: true'),
    ['10 | params.ENCRYPTED | found no argument $ENCRYPTED; expected one: the parameter changes nothing'],
  ],
  [
    'an unknown type of parameter',
    changed('GFN: { type: integer', 'GFN: { type: int'),
    ['8 | params.GFN.type | found "int"; expected one of "integer", "boolean", "string"'],
  ],
  [
    'a default below the minimum',
    changed('max: 8, default: 2', 'max: 8, default: 0'),
    ['7 | params.STORES.default | found 0; expected an integer from 1 to 8'],
  ],
  [
    'a default that is not in the list',
    changed('default: private', 'default: secret'),
    ['9 | params.FINAL.default | found "secret"; expected one of "private", "shared"'],
  ],
  [
    'a minimum above the maximum',
    changed('min: 1, max: 8', 'min: 9, max: 8'),
    ['7 | params.STORES.min | found 9; expected at most the max, 8'],
  ],
  [
    'a parameter name with a dash',
    changed('  STORES: {', '  THE-STORES: {'),
    ['7 | params.THE-STORES | found the key "THE-STORES"; expected a parameter name: letters, digits and _, first a letter'],
  ],
  [
    'a page that the VM does not have',
    changed(PVALIDATE, '- pvalidate: { gfn: 0x7, validated: true }'),
    ['28 | vms.vm0.vcpus[0][1].pvalidate.gfn | found GFN 0x7; expected a page of vm0 (0x5, 0x6)'],
  ],
  [
    'a VM that does not exist',
    changed(WRITE, '- write: { vm: vm1, gfn: 0x5, stores: $STORES }'),
    ['39 | processes.netd.threads[0][0].repeat.do[0].write.vm | found "vm1"; expected a VM of the scenario ("vm0"); did you mean "vm0"?'],
  ],
  [
    'a vCPU that does not exist',
    changed(PROGRAM, '- KVM_RUN: { vcpu: vm0/1 }'),
    [
      '27 | vms.vm0.vcpus[0] | found no thread that runs vm0/0; expected one whose program has KVM_RUN: { vcpu: vm0/0 }, or an empty program',
      '33 | processes.qemu0.threads[0][0].KVM_RUN.vcpu | found "vm0/1"; expected a vCPU of the scenario; did you mean "vm0/0"?',
    ],
  ],
  [
    'a vCPU that is no name',
    changed(PROGRAM, '- KVM_RUN: { vcpu: 0 }'),
    ['33 | processes.qemu0.threads[0][0].KVM_RUN.vcpu | found 0; expected a vCPU such as "vm0/0"; write text in quotes'],
  ],
  [
    'a vCPU with two threads',
    changed(PROGRAM, `${PROGRAM}\n      ${PROGRAM.replace('-', '- -')}`),
    ['34 | processes.qemu0.threads[1][0].KVM_RUN.vcpu | found a second thread that runs vm0/0; expected one thread for each vCPU'],
  ],
  [
    'a vCPU in two processes',
    changed(WRITE, '- KVM_RUN: { vcpu: vm0/0 }').replace('  STORES: { type: integer, min: 1, max: 8, default: 2 }\n', ''),
    [
      '38 | processes.netd.threads[0][0].repeat.do[0].KVM_RUN.vcpu | found "vm0/0" in netd; expected it in qemu0: a VM belongs to the process that made it',
    ],
  ],
  [
    'a repeat without an end',
    changed('times: 3', 'times: 1000000000'),
    ['37 | processes.netd.threads[0][0].repeat.times | found 1000000000; expected an integer from 1 to 65536'],
  ],
  [
    'a firmware command without its page',
    changed(PROGRAM, `${PROGRAM}\n        - sev-command: { command: SNP_PAGE_RECLAIM }`),
    [
      '34 | processes.qemu0.threads[0][1].sev-command.pfn | found no PFN; expected a page of a VM or of firmware: SNP_PAGE_RECLAIM takes one',
    ],
  ],
  [
    'a firmware command with an unknown page',
    changed(PROGRAM, `${PROGRAM}\n        - sev-command: { command: SNP_PAGE_RECLAIM, pfn: 0x9 }`),
    [
      '34 | processes.qemu0.threads[0][1].sev-command.pfn | found PFN 0x9; expected a page of a VM or of firmware: SNP_PAGE_RECLAIM takes one',
    ],
  ],
  [
    'a firmware command with a page too many',
    changed(PROGRAM, `${PROGRAM}\n        - sev-command: { command: SNP_DF_FLUSH, pfn: 0x2000 }`),
    ['34 | processes.qemu0.threads[0][1].sev-command.pfn | found PFN 0x2000; expected none: SNP_DF_FLUSH takes no page'],
  ],
  [
    'an unknown firmware command',
    changed(PROGRAM, `${PROGRAM}\n        - sev-command: { command: SNP_FLUSH }`),
    [
      '34 | processes.qemu0.threads[0][1].sev-command.command | found "SNP_FLUSH"; expected one of "SNP_INIT", "SNP_SHUTDOWN", "SNP_PLATFORM_STATUS", "SNP_DF_FLUSH", "SNP_INIT_EX", "SNP_SHUTDOWN_EX", "SNP_DECOMMISSION", "SNP_ACTIVATE", "SNP_GUEST_STATUS", "SNP_GCTX_CREATE", "SNP_GUEST_REQUEST", "SNP_ACTIVATE_EX", "SNP_LAUNCH_START", "SNP_LAUNCH_UPDATE", "SNP_LAUNCH_FINISH", "SNP_DBG_DECRYPT", "SNP_DBG_ENCRYPT", "SNP_PAGE_SWAP_OUT", "SNP_PAGE_SWAP_IN", "SNP_PAGE_MOVE", "SNP_PAGE_MD_INIT", "SNP_PAGE_SET_STATE", "SNP_PAGE_RECLAIM", "SNP_PAGE_UNSMASH", "SNP_CONFIG", "SNP_DOWNLOAD_FIRMWARE_EX", "SNP_COMMIT", "SNP_VLEK_LOAD", "SNP_FEATURE_INFO"; did you mean "SNP_DF_FLUSH"?',
    ],
  ],
  [
    'a host that enables SNP beside an SNP VM',
    changed(PROGRAM, `${PROGRAM}\n        - enable-snp: {}`),
    ['34 | processes.qemu0.threads[0][1].enable-snp | found enable-snp; expected no SNP VM: vm0 has been launched, so SNP is enabled'],
  ],
  [
    'a firmware command beside a kexec',
    changed(PROGRAM, `${PROGRAM}\n        - sev-command: { command: SNP_DF_FLUSH }\n        - kexec: { pfn: 0x2000 }`),
    ['34 | processes.qemu0.threads[0][1].sev-command | found sev-command; expected none beside kexec: its firmware has no mailbox'],
  ],
  [
    'a page that is prepared where no frame is free',
    changed(PROGRAM, `${PROGRAM}\n        - prepare-page: { vm: vm0 }`),
    ['34 | processes.qemu0.threads[0][1].prepare-page | found prepare-page; expected firmware.memory to have frames that are free'],
  ],
  [
    'a store to a frame that nothing has',
    changed(PROGRAM, `${PROGRAM}\n        - store-frame: { pfn: 0x9 }`),
    ['34 | processes.qemu0.threads[0][1].store-frame.pfn | found PFN 0x9; expected a page of a VM or of firmware'],
  ],
  [
    'an SNP VM on firmware that is not up',
    changed('state: INIT', 'state: UNINIT'),
    ['41 | firmware.state | found "UNINIT"; expected "INIT": vm0 is an SNP VM that has been launched'],
  ],
  [
    'an option of a variant that does not exist',
    changed('{ kvm.rmpFault: auto-share }', '{ kvm.rmpfault: auto-share }'),
    [
      `48 | variants.auto-share["kvm.rmpfault"] | found the key "kvm.rmpfault"; did you mean "kvm.rmpFault"? Expected ${amongOptions('kvm.rmpfault')}`,
    ],
  ],
  [
    'a wrong value in a variant',
    changed('{ kvm.rmpFault: auto-share }', '{ kvm.rmpFault: autoshare }'),
    [
      '48 | variants.auto-share["kvm.rmpFault"] | found "autoshare"; expected one of "panic-sigbus", "auto-share", "kill-guest", "auto-share-kernel", "export"; did you mean "auto-share"?',
    ],
  ],
  [
    'a variant name that is none',
    changed('auto-share: {', 'Auto: {'),
    [
      '48 | variants.Auto | found the key "Auto"; expected a kebab-case name, with dots where it has a version, such as "my-fix" or "linux-6.12"',
    ],
  ],
  [
    'an expectation of an unknown variant',
    changed('map-lock-user: clean', 'map-lock: clean'),
    [
      '57 | expect.map-lock | found "map-lock"; expected a variant of the scenario ("panic-sigbus", "auto-share", "kill-guest", "map-lock-user")',
    ],
  ],
  [
    'an expectation that is no word',
    changed('map-lock-user: clean', 'map-lock-user: clear'),
    ['57 | expect.map-lock-user | found "clear"; expected "clean"; did you mean "clean"?'],
  ],
  [
    'an expectation with an unknown key',
    changed('{ violates: [snp', '{ violate: [snp'),
    [
      '56 | expect.panic-sigbus.violates | required and missing; expected a list',
      '56 | expect.panic-sigbus.violate | found the key "violate"; expected one of violates; did you mean "violates"?',
    ],
  ],
  [
    'an expectation of an unknown property',
    changed('violates: [snp.host-survives]', 'violates: [snp.host-survive]'),
    [
      '56 | expect.panic-sigbus.violates[0] | found "snp.host-survive"; expected the id of a property, or one of deadlock, hang, livelock, unbounded-retry, endless; did you mean "snp.host-survives"?',
    ],
  ],
  [
    'an unknown property',
    changed('always: [rmp.*, snp.host-survives]', 'always: [rmp.*, snp.hots-survives]'),
    ['52 | properties.always[1] | found "snp.hots-survives"; expected the id of a property; did you mean "snp.host-survives"?'],
  ],
  [
    'a setting of a VM that does not stand under its options',
    changed('    type: snp\n', '    type: snp\n    launched: false\n'),
    ['21 | vms.vm0.launched | found the key "launched", which stands under options; expected one of type, options, vcpus'],
  ],
  [
    'a property that is near to none of its topic',
    changed('always: [rmp.*, snp.host-survives]', 'always: [rmp.*, snp.all-is-well]'),
    ['52 | properties.always[1] | found "snp.all-is-well"; expected the id of a property, such as snp.host-survives, snp.guest-survives'],
  ],
  [
    'an unknown topic',
    changed('always: [rmp.*', 'always: [rpm.*'),
    ['52 | properties.always[0] | found "rpm.*"; expected a topic of always properties ("rmp.*", "snp.*"); did you mean "rmp.*"?'],
  ],
  [
    'a property of another kind',
    changed('sometimes: [rmp.entry-lock-is-contended]', 'sometimes: [snp.host-survives]'),
    ['53 | properties.sometimes[0] | found "snp.host-survives", which belongs under always; expected a property of the kind sometimes'],
  ],
  [
    'a property twice',
    changed('always: [rmp.*, snp.host-survives]', 'always: [snp.host-survives, snp.host-survives]'),
    ['52 | properties.always[1] | found "snp.host-survives" twice; expected it once'],
  ],
  [
    'a property that is no id',
    changed('always: [rmp.*', 'always: [rmp'),
    ['52 | properties.always[0] | found "rmp"; expected a property id, or "topic.*" for all of a topic'],
  ],
  ['a bound of nothing', changed('steps: 1000', 'steps: 0'), ['54 | bounds.steps | found 0; expected an integer from 1 to 1000000000']],
  [
    'an order of timers that do not exist',
    changed('time: untimed', 'time: ordered'),
    [
      '44 | time | found "ordered"; expected "untimed": the order in which armed timers fire is not simulated: each may fire at any later step',
    ],
  ],
  [
    'a key twice',
    changed('time: untimed', 'time: untimed\ntime: ordered'),
    ['45 | time | found the key "time" twice (first in line 44); expected it once'],
  ],
  [
    'an anchor and an alias',
    changed('[spurious-exit]', '&offers [spurious-exit]').replace('claims: [SNP-29, SNP-31]', 'claims: *offers'),
    [
      '5 | claims | found the alias "*offers"; expected its value written out',
      '45 | allow | found the anchor "&offers"; expected none: write the value out',
    ],
  ],
  ['a tag', changed('cpus: 2', 'cpus: !!int 2'), ['13 | host.cpus | found the tag "!!int"; expected none']],
  ['a directive', `%YAML 1.1\n---\n${SAMPLE}`, ['1 |  | found the directive "%YAML 1.1"; expected none']],
  ['a second document', `${SAMPLE}---\nname: other\n`, ['59 |  | found a second document; expected one']],
  [
    'a TSC that is neither stable nor unstable',
    changed('cpus: 2', 'tsc: broken'),
    ['13 | host.tsc | found "broken"; expected one of "stable", "unstable"'],
  ],
  [
    'a merge key',
    changed('  arch: amd', '  <<: { arch: amd }'),
    [
      '11 | host.arch | required and missing; expected one of "amd", "intel", "arm64"',
      '12 | host["<<"] | found the key "<<"; expected one of arch, cpus, smt, preemption, kernel, ticks, haltPolling, rseq, tsc, features, options',
    ],
  ],
  [
    'text that is not YAML',
    changed('cpus: 2', 'cpus: [2'),
    ['14 |  | found text that is not YAML: Flow sequence in block collection must be sufficiently indented and end with a ]'],
  ],
  ['a number that is none', changed('cpus: 2', 'cpus: .nan'), ['13 | host.cpus | found NaN; expected a finite number']],
  [
    'a control character',
    changed('summary: A host write meets a page state change', 'summary: "A \\e[31m write"'),
    ['3 | summary | found "A \\u001b[31m write"; expected text without control characters and halves of surrogate pairs'],
  ],
];
