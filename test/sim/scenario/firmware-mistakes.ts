/**
 * One mistake of every kind, in commands of the firmware and launches in the run: the changed
 * sample, and the issues (line | path | message).
 */
import { changed } from './sample.ts';

const PROGRAM = '- KVM_RUN: { vcpu: vm0/0 }';

export const FIRMWARE_MISTAKES: readonly (readonly [title: string, text: string, issues: readonly string[]])[] = [
  [
    'a firmware command about a guest beside a panic',
    changed(PROGRAM, `${PROGRAM}\n        - sev-command: { command: SNP_DECOMMISSION, context: 0x2000 }\n        - crash: { pfn: 0x2000 }`),
    [
      '34 | processes.qemu0.threads[0][1].sev-command | found SNP_DECOMMISSION; expected a command that is about no guest: beside crash the firmware keeps no contexts',
    ],
  ],
  [
    'a firmware command without its guest, and without its ASID',
    changed(PROGRAM, `${PROGRAM}\n        - sev-command: { command: SNP_ACTIVATE }`),
    [
      '34 | processes.qemu0.threads[0][1].sev-command.context | found no context; expected a page of firmware: SNP_ACTIVATE is about a guest',
      '34 | processes.qemu0.threads[0][1].sev-command.asid | found no asid; expected one: SNP_ACTIVATE takes it',
    ],
  ],
  [
    'a firmware command with a context that is no page, and an ASID that it does not take',
    changed(PROGRAM, `${PROGRAM}\n        - sev-command: { command: SNP_LAUNCH_START, context: 0x9, asid: 1 }`),
    [
      '34 | processes.qemu0.threads[0][1].sev-command.context | found PFN 0x9; expected a page of firmware: SNP_LAUNCH_START is about a guest',
      '34 | processes.qemu0.threads[0][1].sev-command.asid | found asid; expected none: SNP_LAUNCH_START does not take it',
    ],
  ],
  [
    'a command of the older ABI without the buffer of commands, and with too few of its own',
    changed(PROGRAM, `${PROGRAM}\n        - legacy-command: { command: PDH_CERT_EXPORT, buffer: 0x2000 }`),
    [
      '34 | processes.qemu0.threads[0][1].legacy-command | found legacy-command; expected firmware.commandBuffer to name the frame of its command buffer',
      '34 | processes.qemu0.threads[0][1].legacy-command.chain | found no chain; expected a page of firmware: the command writes it',
    ],
  ],
  [
    'a command of the older ABI whose buffer is no page, and a command buffer that a guest has',
    changed(PROGRAM, `${PROGRAM}\n        - legacy-command: { command: GET_ID, buffer: 0x9 }`).replace(
      'state: INIT',
      'state: INIT\n  commandBuffer: 0x1005',
    ),
    [
      '34 | processes.qemu0.threads[0][1].legacy-command.buffer | found PFN 0x9; expected a page of firmware: the command writes it',
      '43 | firmware.commandBuffer | found PFN 0x1005 of the command buffers; expected another: GFN 0x5 of vm0 has it',
      '43 | firmware.commandBuffer | found PFN 0x1006 of the command buffers; expected another: GFN 0x6 of vm0 has it',
    ],
  ],
  [
    'what only a launch in the run has, of a VM that has none',
    changed(
      '      asid: 1\n',
      '      asid: 1\n      launch: { pages: [{ type: zero, gfn: 0x7, pfn: 0x1007 }], vmsas: [0x1008], policy: 0x30000 }\n',
    ),
    [
      '23 | vms.vm0.options.launch.vmsas | found vmsas; expected none, or context beside it: vm0 is not launched in the run',
      '23 | vms.vm0.options.launch.policy | found policy; expected none, or context beside it: vm0 is not launched in the run',
      '23 | vms.vm0.options.launch.pages[0].pfn | found pfn; expected none, or context beside it: vm0 is not launched in the run',
    ],
  ],
  [
    'a launch in the run without frames of its VMSAs and its pages',
    changed(
      '      asid: 1\n',
      '      asid: 1\n      launch: { context: 0x1900, pages: [{ type: zero, gfn: 0x7 }], vmsas: [0x1007, 0x1008] }\n',
    ),
    [
      '23 | vms.vm0.options.launch.vmsas | found 2 VMSAs; expected 1: one for each vCPU of vm0',
      '23 | vms.vm0.options.launch.pages[0] | found no pfn; expected one: vm0 is launched in the run',
      '23 | vms.vm0.options.launch.context | found the page of a guest context; expected options: { launched: false } of vm0, or no context',
    ],
  ],
  [
    'a launch that takes frames of others',
    changed(
      '      asid: 1\n',
      '      asid: 1\n      launch: { context: 0x1005, pages: [{ type: zero, gfn: 0x7, pfn: 0x1900 }], vmsas: [0x1900] }\n',
    ),
    [
      '23 | vms.vm0.options.launch | found PFN 0x1005 of the launch of vm0; expected another: GFN 0x5 of vm0 has it',
      '23 | vms.vm0.options.launch | found PFN 0x1900 of the launch of vm0; expected another: the launch of vm0 has it',
      '23 | vms.vm0.options.launch.context | found the page of a guest context; expected options: { launched: false } of vm0, or no context',
    ],
  ],
  [
    'a launched page that is refused and no CPUID page, and one without contents',
    changed(
      '      asid: 1\n',
      '      asid: 1\n      launch: { context: 0x1900, pages: [{ type: zero, gfn: 0x7, pfn: 0x1007, refused: true }, { type: normal, gfn: 0x8, pfn: 0x1008 }], vmsas: [0x1009] }\n',
    ),
    [
      '23 | vms.vm0.options.launch.pages[0].refused | found refused of a zero page; expected it of a CPUID page alone',
      '23 | vms.vm0.options.launch.pages[1] | found neither; expected one of fill and sha384',
      '23 | vms.vm0.options.launch.context | found the page of a guest context; expected options: { launched: false } of vm0, or no context',
    ],
  ],
];
