/**
 * KVM checks a request in the GHCB and reads it again to carry it out. The page is shared memory of
 * the guest: another vCPU writes to it in between, and KVM does what it has never checked.
 *
 * @see CVE-2023-4155; 4e15a0ddc3ff "KVM: SEV: snapshot the GHCB before accessing it"
 */
import { cell, happens, holds, integer, leavePath, local, race, when } from 'worldswitch/kit';

/** What the check lets through. */
const ALLOWED = 0x5;
/** The exit code in the GHCB of vCPU 0, and the one that KVM has carried out last. */
const ghcb = cell('ghcb', { code: 0 });
const done = cell('done', { code: null });
const checked = local('ghcbChecked');
const used = local('ghcbUsed');
const source = 'arch/x86/kvm/svm/sev.c, sev_es_validate_vmgexit(), sev_handle_vmgexit()';
const write = (_env, arg) => [ghcb.store('code', arg('code'))];
const args = { code: integer(0, 0xff) };

export const mechanism = race({
  name: 'ghcb',
  arches: ['amd'],
  uses: [ghcb, done],
  options: { 'kvm.ghcb': ['read-twice', 'snapshot'] },
  naes: {
    'ghcb-request': {
      summary: 'VMGEXIT with this exit code in the GHCB of vCPU 0.',
      source,
      args,
      guest: (env, arg, exit) => [...write(env, arg), exit],
      does: ({ options }) => [
        ghcb.load('code', checked, { as: 'validate_vmgexit' }),
        when([checked.isNot(ALLOWED), [leavePath]]),
        options['kvm.ghcb'] === 'snapshot' ? used.set(checked) : ghcb.load('code', used, { as: 'read_again' }),
        done.store('code', used, { as: 'svm_invoke_exit_handler' }),
      ],
    },
  },
  guestOperations: { 'ghcb-set': { summary: 'Writes to the GHCB of vCPU 0.', source, args, does: write } },
  properties: [
    holds(done, 'ghcb.only-what-was-checked', source, ({ code }) => code !== null && code !== ALLOWED && `KVM has carried out ${code}`),
    happens(ghcb, 'ghcb.is-rewritten', source, ({ code }) => code === 0x6 && 'rewritten'),
  ],
});
