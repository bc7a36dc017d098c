/**
 * Modules of a user's own as text, for command lines in this process: what they import, they import
 * from the sources.
 */
import { pathToFileURL } from 'node:url';

/** Stands for `worldswitch/` of an installed package. */
const from = (path: string): string => JSON.stringify(pathToFileURL(`${path}.ts`).href);

const HEAD = `
import { host, hostPatch } from ${from('actors/host/host-env')};
import { guest, guestPatch } from ${from('actors/kvm/guest-program')};
import { replaceStep, withoutSteps } from ${from('actors/path/patch')};
import { outgoing } from ${from('events/event')};
import { alwaysEach } from ${from('sim/property')};
import { emit, setup } from ${JSON.stringify(pathToFileURL('node_modules/xstate/dist/xstate.esm.js').href)};
import { z } from ${JSON.stringify(pathToFileURL('node_modules/zod/index.js').href)};
`;

/** A module with one mechanism of AMD hosts; `body` is what stands in it beside name and arches. */
export const moduleOf = (name: string, body: string): string => `${HEAD}
export const mechanism = { name: '${name}', arches: ['amd'], ${body} };
`;

/** Two fixes for the race of rmpadjust-vs-rmpupdate, of which the first does not close it. */
export const FIX = moduleOf(
  'fix',
  `options: { 'fix.retry': ['never', 'once', 'always'] },
  patch: ({ host: { options } }) => ({ paths: { kvm_rmp_make_shared: {
    never: [],
    once: [hostPatch((path) => replaceStep(path, 'rmpupdate', (item) => [item, host.when([
      (_t, l) => l.result === 'FAIL_INUSE',
      [host.call(host.path('again', { source: 'a test', grade: 'decision' }, [item]))],
    ])]))],
    always: [hostPatch((path) => replaceStep(path, 'rmpupdate', (item) => [host.loop(
      item,
      host.when([(_t, l) => l.result !== 'FAIL_INUSE', [host.leaveLoop]]),
      host.step('relax', { yields: true }),
    )]))],
  }[options['fix.retry']] } }),
  variants: { 'rmpadjust-vs-rmpupdate': { once: { 'fix.retry': 'once' }, always: { 'fix.retry': 'always' } } }`,
);

/** A machine that is not closed. */
export const OPEN_MACHINE = moduleOf(
  'open-machine',
  `actors: () => [{ id: 'clock:0', kind: 'clock', input: null }],
  machines: () => ({ clock: setup({}).createMachine({ id: 'clock', initial: 'a', states: { a: { after: { 10: 'b' } }, b: {} } }) })`,
);

/** Chance in the middle of a path. */
export const CHANCE = moduleOf(
  'chance',
  `patch: () => ({ paths: { kvm_rmp_make_shared: [hostPatch((path) =>
    replaceStep(path, 'rmpupdate', (item) => [item, host.call(host.path('dice', { source: 'a test', grade: 'decision' },
      [host.step('roll', { local: () => ({ retries: Math.random() }) }), host.step('rolled')], { locals: ['retries'] }))]))] } })`,
);

/** A guest that does not see that its page is gone: its instruction restarts forever. */
export const GUEST_PATCH = moduleOf(
  'guest-patch',
  `patch: () => ({ paths: { exc_vmm_communication: [guestPatch((path) =>
    replaceStep(path, 'sev_es_terminate', () => [guest.step('ignored')]))] } })`,
);

/**
 * A disk: a section of the file, a setting of VMs, and an actor that knows both. A property tells
 * what the actor knows.
 */
export const DISK = moduleOf(
  'disk',
  `sections: {
    disk: {
      description: 'The disk of the host.',
      written: z.strictObject({ sectors: z.int().min(1).max(64) }),
      resolved: z.strictObject({ sectors: z.int().min(1).max(64), guests: z.array(z.string().max(64)).max(64) }),
      resolve: (written, { vms = {} }) => written && { sectors: written.sectors, guests: Object.keys(vms) },
    },
  },
  vmSettings: { queues: { schema: z.int().min(1).max(8).describe('How many queues.'), default: (place) => place + 1 } },
  actors: ({ sections, vms }) =>
    sections?.disk === undefined
      ? []
      : [{ id: 'disk:0', kind: 'disk', input: { ...sections.disk, queues: vms.map(({ settings }) => settings.queues) } }],
  machines: () => ({
    disk: setup({}).createMachine({ id: 'disk', context: ({ input }) => input, initial: 'ready', states: { ready: { tags: 'rest' } } }),
  }),
  properties: [alwaysEach('disk.told', {
    kind: 'disk', source: 'a test', grade: 'decision',
    each: ({ context }) => context.sectors + ' sectors, queues of ' + context.guests + ': ' + context.queues,
  })]`,
);
