/**
 * Values of 64 bits with high bits, in every register that a program can name: whole from the
 * scenario to the journal, its replay and everything that is printed of it, or refused.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, describe, expect, it } from 'vitest';
import type { GuestDebugView } from '../../actors/os-lock/arm-guest-account.ts';
import type { JournalRecord } from '../../events/journal.ts';
import { SYSREG_RULES, SYSREGS } from '../../events/os-lock/sysregs.ts';
import type { U64 } from '../../events/u64.ts';
import { openJournal } from '../../replay/open.ts';
import { memorySource } from '../../replay/source.ts';
import { hex } from '../../sim/view.ts';
import { Bench } from './run-cli.ts';

const bench = new Bench();
afterAll(() => bench.clear());

/** As written, and the one form that everything else has. */
const WIDE: readonly (readonly [written: string, form: U64])[] = [
  ['0xFFFF000000002000', '0xffff000000002000'],
  ['"0x8000000000000001"', '0x8000000000000001'],
  ['18446744073709551615', '0xffffffffffffffff'],
  ['9007199254740993', '0x20000000000001'],
  ['0x1FFFFFFFFFFFFF', 9007199254740991],
  ['0x80000000', 2147483648],
  ['"0x000000010000a000"', 4295008256],
];

const head = (arch: string, vm: string, guest: string, thread: string): string => `name: wide
summary: Values of 64 bits
host: { arch: ${arch}, cpus: 1, preemption: none }
vms: { vm0: { type: ${vm}, vcpus: [[${guest}]] } }
processes: { qemu0: { threads: [[${thread}{ KVM_RUN: { vcpu: vm0/0 } }]] } }
`;
const arm = (guest: string, thread = '') => head('arm64', 'arm64', guest, thread);
const intel = (guest: string, thread = '') => head('intel', 'vmx', guest, thread);

interface Shown {
  readonly state: Readonly<Record<string, { readonly context: { readonly arm: GuestDebugView } }>>;
}

let runs = 0;
/**
 * A run of the scenario that both ways of replay repeat: all its records as text, what `export`
 * makes of it, and what the guest has read last by `show --json`.
 */
async function journalOf(written: string, options: readonly string[] = []) {
  const file = `${++runs}.wsj`;
  writeFileSync(bench.path('wide.yaml'), written);
  const ran = await bench.run(['run', 'wide.yaml', '-o', file, '--json', ...options]);
  expect([ran.code, ran.err]).toEqual([0, '']);
  const { digest } = ran.json<{ digest: string }>();
  for (const how of [[], ['--fold']]) {
    const { json } = await bench.run(['replay', file, '--json', ...how]);
    expect(json()).toMatchObject({ identical: true, digest });
  }
  const journal = openJournal(memorySource(readFileSync(bench.path(file))));
  const records = [...journal.recordsFrom(1)];
  const text = records.map((record) => JSON.stringify(record)).join('\n');
  const { out: exported } = await bench.run(['export', file, '--format', 'chrome', '-o', '-']);
  const { state } = (await bench.run(['show', file, '--json'])).json<Shown>();
  return { records, text, exported, read: state['vcpu:vm0/0']!.context.arm?.read };
}

/** What was delivered as events of a type, in order. */
const payloadsOf = (records: readonly JournalRecord[], type: string) =>
  records.flatMap((record) => (record.kind === 'deliver' && record.type === type ? [record.payload] : []));

const A64 = SYSREGS.filter((reg) => !SYSREG_RULES[reg].aarch32);
const stored = SYSREGS.filter((reg) => SYSREG_RULES[reg].readFrom !== null && SYSREG_RULES[reg].writeFrom !== null && reg !== 'osdlr_el1');

describe.each(WIDE)('%s', (written, form) => {
  const quoted = JSON.stringify(form);

  it.each(['6.12', '6.14'])('is what a guest writes to each register, and reads from those that keep it, on kernel %s', async (kernel) => {
    const guest = A64.flatMap((reg) => [
      `{ msr: { reg: ${reg}, value: ${written} } }`,
      ...(stored.includes(reg) ? [`{ mrs: { reg: ${reg} } }`] : []),
    ]);
    const { records, text, exported, read } = await journalOf(arm(guest.join(', ')).replace('cpus: 1', `cpus: 1, kernel: "${kernel}"`));
    const accesses = payloadsOf(records, 'dbg.access?').filter((payload) => (payload as { readonly write: boolean }).write);
    expect(accesses).toEqual(A64.map((reg) => ({ reg, write: true, value: form })));
    expect(read).toEqual({ reg: 'dbgwcr0_el1', value: form, expected: form });
    const reads = text.match(new RegExp(`"read":\\{"expected":${quoted},"reg":"[a-z0-9_]+","value":${quoted}\\}`, 'g'));
    expect(new Set(reads).size).toBe(A64.filter((reg) => stored.includes(reg)).length);
    expect(exported).toContain(hex(form));
  });

  it('goes to each register by KVM_SET_ONE_REG, and comes back from those that take it', async () => {
    const ioctls = SYSREGS.map(
      (reg) => `{ KVM_SET_ONE_REG: { vcpu: vm0/0, reg: ${reg}, value: ${written} } }, { KVM_GET_ONE_REG: { vcpu: vm0/0, reg: ${reg} } }, `,
    );
    const { records } = await journalOf(arm('{ hlt: {} }', ioctls.join('')));
    expect(payloadsOf(records, 'arm.setReg')).toEqual(SYSREGS.map((reg) => ({ reg, value: form })));
    expect(payloadsOf(records, 'arm.reg')).toEqual(
      SYSREGS.map((reg) => {
        if (stored.includes(reg)) return { value: form, error: null };
        return reg === 'oslsr_el1' ? { value: 8, error: null } : { value: 0, error: 'ENOENT' };
      }),
    );
  });

  it('is written whole to MSR_TEST_CTRL by WRMSR and KVM_SET_MSRS', async () => {
    const guest = await journalOf(intel(`{ wrmsr-test-ctrl: { value: ${written} } }`));
    expect(guest.text).toContain(`"info":{"value":${quoted}}`);
    const host = await journalOf(intel('{ hlt: {} }', `{ KVM_SET_MSRS: { vcpu: vm0/0, value: ${written} } }, `));
    expect(host.text).toContain(`"msr":${quoted}`);
  });

  it('is the value of a parameter, by default and by --set', async () => {
    const text = `${arm('{ msr: { reg: mdscr_el1, value: $wide } }')}params: { wide: { type: integer, default: ${written} } }\n`;
    expect((await journalOf(text)).text).toContain(`"value":${quoted}`);
    const zero = text.replace(/default: .* \} \}/, 'default: 0 } }');
    expect((await journalOf(zero, ['--set', `wide=${written.replaceAll('"', '')}`])).text).toContain(`"value":${quoted}`);
  });
});

describe('a register of AArch32', () => {
  it('keeps all of its 32 bits', async () => {
    const { read } = await journalOf(arm('{ msr: { reg: dbgvcr, value: 0xF00000FE } }, { mrs: { reg: dbgvcr } }'));
    expect(read).toEqual({ reg: 'dbgvcr', value: 0xf000_00fe, expected: 0xf000_00fe });
  });

  it.each(SYSREGS.filter((reg) => SYSREG_RULES[reg].aarch32))('takes no value of more bits: %s', async (reg) => {
    writeFileSync(bench.path('wide.yaml'), arm(`{ msr: { reg: ${reg}, value: 0x100000000 } }`));
    const { code, out } = await bench.run(['check', 'wide.yaml']);
    expect([code, out]).toEqual([
      2,
      `wide.yaml:4: vms.vm0.vcpus[0][0].msr.value: found 0x100000000; expected at most 0xffffffff: ${reg} is written by MCR of AArch32\n`,
    ]);
  });
});

describe('a value that is none of 64 bits', () => {
  const EXPECTED = 'expected an integer from 0 to 0xffffffffffffffff, or its hex digits as text';
  const WRONG = [
    ['-1', '-1'],
    ['-9223372036854775808', '-9223372036854775808'],
    ['0.5', '0.5'],
    ['1e300', '1e+300'],
    ['0x10000000000000000', '0x10000000000000000'],
    ['"0x10000000000000000"', '"0x10000000000000000"'],
    ['"18446744073709551615"', '"18446744073709551615"'],
    ['"-0x1"', '"-0x1"'],
    ['true', 'true'],
  ] as const;

  it.each(WRONG)('is refused with what is expected: %s', async (written, found) => {
    const texts = [
      arm(`{ msr: { reg: mdscr_el1, value: ${written} } }`),
      arm('{ hlt: {} }', `{ KVM_SET_ONE_REG: { vcpu: vm0/0, reg: oslsr_el1, value: ${written} } }, `),
      intel(`{ wrmsr-test-ctrl: { value: ${written} } }`),
      intel('{ hlt: {} }', `{ KVM_SET_MSRS: { vcpu: vm0/0, value: ${written} } }, `),
    ];
    for (const text of texts) {
      writeFileSync(bench.path('wide.yaml'), text);
      const { code, out } = await bench.run(['check', 'wide.yaml']);
      expect({ code, says: out.slice(out.indexOf('found')) }).toEqual({ code: 2, says: `found ${found}; ${EXPECTED}\n` });
    }
  });
});

describe('user space', () => {
  it('cannot set more of OSLSR_EL1 than OSLK', async () => {
    for (const [value, error] of [
      ['0xA', null],
      ['0x10000000A', 'EINVAL'],
      ['0x8000000000000008', 'EINVAL'],
    ] as const) {
      const { records } = await journalOf(arm('{ hlt: {} }', `{ KVM_SET_ONE_REG: { vcpu: vm0/0, reg: oslsr_el1, value: ${value} } }, `));
      expect(payloadsOf(records, 'arm.regSet')).toEqual([{ error }]);
    }
  });
});
