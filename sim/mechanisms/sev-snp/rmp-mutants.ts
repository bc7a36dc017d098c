/**
 * Changes of one line of what hardware and firmware do: the checks of the RMP, the entry's lock,
 * the in-use mark, the mailbox.
 */
import { assign, emit } from 'xstate';
import { hasStep, type PathPatch, replaceStep, swapSteps } from '../../../actors/path/patch.ts';
import { guestChecked, hostStoreFaults, hostWritten, storerOf } from '../../../actors/sev-snp/rmp-answers.ts';
import { guestAccess } from '../../../actors/sev-snp/rmp-check.ts';
import { type RmpRegionContext, regionIn } from '../../../actors/sev-snp/rmp-region.ts';
import { checkUpdate } from '../../../actors/sev-snp/rmp-rules.ts';
import { entryAt, HYPERVISOR_PAGE, smashHead, smashTails } from '../../../actors/sev-snp/rmp-table.ts';
import { type Outgoing, outgoing, type Stamped, sender } from '../../../events/event.ts';
import { ERROR_BITS } from '../../../events/sev-snp/error-code.ts';
import type { AccessOutcome, GuestAccess, RmpEntry, RmpRequest, RmpUpdate } from '../../../events/sev-snp/rmp.ts';
import type { Mutant } from '../../host/mechanism.ts';
import { provided } from './provided.ts';

/** A patch of paths that differ by option: it does nothing where the step is not there. */
export const where =
  (name: string, patch: PathPatch): PathPatch =>
  (path) =>
    hasStep(path, name) ? patch(path) : path;

const region = (summary: string, parts: { readonly guards?: object; readonly actions?: object }): Mutant =>
  provided('rmpRegion', summary, parts);

interface Args {
  readonly context: RmpRegionContext;
  readonly event: Stamped<RmpRequest>;
}
type Of<K extends RmpRequest['type']> = Stamped<Extract<RmpRequest, { readonly type: K }>>;

const answer = (of: (args: Args) => object) => emit((args: Args) => outgoing(sender(args.event), of(args) as Outgoing['event']));
const entryOf = ({ context: c, event }: Args) => entryAt(c.entries, event.pfn);

/** RMPUPDATE checks other entries, or other marks, than there are. */
const updateCheck = (seen: (context: RmpRegionContext, event: Args['event']) => Pick<RmpRegionContext, 'entries' | 'inUse'>) => ({
  answerUpdateChecked: answer((args) => {
    const region = regionIn({ ...args.context, ...seen(args.context, args.event) });
    const result = checkUpdate(region, { pfn: args.event.pfn, update: args.event as Of<'rmp.checkUpdate'> });
    return { type: 'rmp.checked', result, fault: false, entry: entryOf(args) };
  }),
});
const withoutImmutable = (entries: RmpRegionContext['entries']) =>
  Object.fromEntries(Object.entries(entries).map(([pfn, entry]) => [pfn, { ...entry, immutable: false }]));

/** PVALIDATE and RMPADJUST check something else. */
const guestCheck = (check: (context: RmpRegionContext, event: Of<'rmp.checkGuest'>) => ReturnType<typeof guestChecked>) => ({
  answerGuestChecked: answer((args) => ({
    type: 'rmp.checked',
    ...check(args.context, args.event as Of<'rmp.checkGuest'>),
    entry: entryOf(args),
  })),
});
/** The same entry as one of the guest that asks. */
const asOwn = ({ entries }: RmpRegionContext, { pfn, asid, gfn }: Of<'rmp.checkGuest'>, change: Partial<RmpEntry>) => ({
  ...entries,
  [pfn]: { ...entryAt(entries, pfn), asid, gfn, ...change },
});

/** RMPUPDATE writes the operand, and leaves this of the entry as it was. */
const keeping = (field: 'validated' | 'vmsa') => ({
  writeUpdate: assign((args: Args) => {
    const { assigned, pageSize, immutable, asid, gfn } = args.event as unknown as RmpUpdate;
    const entry = { ...HYPERVISOR_PAGE, assigned, pageSize, immutable, asid, gfn, [field]: entryOf(args)[field] };
    return { entries: { ...args.context.entries, [args.event.pfn]: entry } };
  }),
});

const hostWrite = (faults: (args: Args) => boolean) => ({
  answerHostWrite: emit((args: Args) => outgoing(storerOf(args.event), hostWritten(args.event, faults(args)))),
});
const access = (outcome: (args: Args, access: GuestAccess) => AccessOutcome) => ({
  answerAccess: answer((args) => ({ type: 'rmp.accessed', outcome: outcome(args, args.event as Of<'rmp.guestAccess'>) })),
});
const asChecked = ({ context: c }: Args, one: GuestAccess) => guestAccess(c.entries, c.inUse, one);

const nothing = assign({});
const isOfHost = ({ event }: Args) => sender(event).startsWith('thread:');

/** The #VMEXIT(NPF) that an instruction has for a page that is not the guest's, before all else. */
const exitsFirst: PathPatch = (path) => {
  const first: (typeof path.items)[number][] = [];
  replaceStep(path, 'NPF', (item) => {
    first.push({ ...item, name: 'NPF_first' } as typeof item);
    return [item];
  });
  return { ...path, items: [...first, ...path.items] };
};

/** Whether the vCPU is inside its instruction after this step. */
const inInsn =
  (name: string, insn: false | undefined): PathPatch =>
  (path) =>
    replaceStep(path, name, (item) => [{ ...item, insn } as typeof item]);

const ofInstructions: Readonly<Record<string, Mutant>> = {
  'rmp-update-no-lock': region("RMPUPDATE does not look at the entry's lock.", {
    guards: {
      isContended: (args: Args) => !isOfHost(args) && Object.keys(args.context.holders).length > 0,
      isHolder: () => true,
    },
  }),
  'rmp-update-keeps-lock': {
    summary: "RMPUPDATE does not drop the entry's lock.",
    paths: {
      RMPUPDATE: [(path) => replaceStep(path, 'unlock', (item) => [{ ...item, send: () => [] } as typeof item])],
    },
  },
  'rmp-update-keeps-validated': region('RMPUPDATE leaves Validated as it was.', { actions: keeping('validated') }),
  'rmp-update-keeps-vmsa': region('RMPUPDATE leaves the VMSA bit as it was.', { actions: keeping('vmsa') }),
  'rmp-update-in-use': region('RMPUPDATE changes a page in use.', {
    actions: updateCheck(({ entries }) => ({ entries, inUse: [] })),
  }),
  'rmp-update-immutable': region('RMPUPDATE changes an immutable page.', {
    actions: updateCheck(({ entries, inUse }) => ({ entries: withoutImmutable(entries), inUse })),
  }),
  'rmp-guest-unassigned': region('PVALIDATE and RMPADJUST take a page that is not assigned.', {
    actions: guestCheck((c, event) => guestChecked(regionIn({ ...c, entries: asOwn(c, event, { assigned: true }) }), event)),
  }),
  'rmp-guest-any-owner': region('PVALIDATE and RMPADJUST take any page that is assigned.', {
    actions: guestCheck((c, event) => guestChecked(regionIn({ ...c, entries: asOwn(c, event, { immutable: false }) }), event)),
  }),
  'rmp-guest-in-use': region('PVALIDATE and RMPADJUST change a page in use.', {
    actions: guestCheck((c, event) => guestChecked(regionIn({ ...c, inUse: [] }), event)),
  }),
  'rmp-adjust-no-vmsa': region('RMPADJUST leaves the VMSA bit as it was.', { actions: { writeVmsa: nothing } }),
  'rmp-adjust-exits': { summary: 'RMPADJUST exits to the host before it begins.', paths: { RMPADJUST: [exitsFirst] } },
  'rmp-adjust-unlocks-early': {
    ...region("RMPADJUST drops the entry's lock before it writes the entry.", {
      guards: { isHolder: ({ context: c, event }: Args) => event.type === 'rmp.writeVmsa' || c.holders[event.pfn] === event.from },
    }),
    paths: { RMPADJUST: [swapSteps('write', 'unlock'), inInsn('unlock', undefined), inInsn('write', false)] },
  },
};

const ofSizes: Readonly<Record<string, Mutant>> = {
  'rmp-update-any-size': region('RMPUPDATE of 4K changes a slot behind the head of a 2M entry.', {
    actions: updateCheck(({ entries, inUse }, { pfn }) => ({
      entries: Object.fromEntries(Object.entries(entries).filter(([other]) => Number(other) === pfn)),
      inUse,
    })),
  }),
  'rmp-validate-no-carry': region('PVALIDATE that changes nothing does not say so.', {
    actions: guestCheck((c, event) => {
      const { result, fault } = guestChecked(regionIn(c), event);
      return { result, fault };
    }),
  }),
  'rmp-validate-any-size': region('PVALIDATE of 2M takes a 4K entry.', {
    actions: guestCheck((c, event) => {
      const { size: _, ...small } = event;
      return guestChecked(regionIn(c), guestChecked(regionIn(c), event).fault ? event : small);
    }),
  }),
  'rmp-smash-no-head': region('PSMASH leaves the head at 2M.', { actions: { writeHead: nothing } }),
  'rmp-smash-no-count': region('PSMASH leaves the count of the head as it was.', {
    actions: {
      writeHead: assign(({ context: c, event }: Args) => ({ entries: smashHead(regionIn(c), event.pfn).entries })),
    },
  }),
  'rmp-smash-invalidates': region('PSMASH clears Validated.', {
    actions: {
      writeTails: assign(({ context: c, event }: Args) => {
        const { entries } = smashTails(regionIn(c), event.pfn);
        return { entries: Object.fromEntries(Object.entries(entries).map(([pfn, entry]) => [pfn, { ...entry, validated: false }])) };
      }),
    },
  }),
};

const ofLooks: Readonly<Record<string, Mutant>> = {
  'rmp-read-own-slot': region('A look at the RMP tells the size by the slot of the frame, and not by the head.', {
    actions: {
      answerEntry: answer((args) => ({
        type: 'rmp.entry',
        entry: entryOf(args),
        inUse: args.context.inUse.includes(args.event.pfn),
        ...(entryOf(args).pageSize === '2M' && { huge: true }),
      })),
    },
  }),
};

const ofVmrun: Readonly<Record<string, Mutant>> = {
  'rmp-vmrun-no-mark': region('VMRUN does not mark the VMSA as in use.', { actions: { setInUse: nothing } }),
  'rmp-vmexit-keeps-mark': region('#VMEXIT leaves the VMSA marked as in use.', { actions: { clearInUse: nothing } }),
  'rmp-vmrun-any-page': region('VMRUN does not check the entry of the VMSA.', { guards: { isValidVmsa: () => true } }),
  'rmp-vmrun-passes-lock': region('VMRUN does not wait for an instruction that holds the entry of the VMSA.', {
    guards: { isLocked: ({ context: c, event }: Args) => event.type !== 'rmp.enter' && c.holders[event.pfn] !== undefined },
  }),
};

const ofAccesses: Readonly<Record<string, Mutant>> = {
  'rmp-host-write-unchecked': region('A store of the host is not checked.', { actions: hostWrite(() => false) }),
  'rmp-host-write-guests-only': region('A store of the host is checked on pages of guests alone.', {
    actions: hostWrite((args) => hostStoreFaults(args.context, args.event) && entryOf(args).asid > 0),
  }),
  'rmp-shared-read-checked': region("A guest's shared load of a private page faults like a store.", {
    actions: access((args, one) => asChecked(args, one.private ? one : { ...one, write: true })),
  }),
  'rmp-access-in-use': region('A guest reaches a page in use.', {
    actions: access(({ context: c }, one) => guestAccess(c.entries, [], one)),
  }),
  'rmp-no-vc': region("A guest's access does not look at Validated.", {
    actions: access((args, one) => {
      const outcome = asChecked(args, one);
      return outcome === 'vc' ? 'ok' : outcome;
    }),
  }),
  'rmp-vc-first': region('Validated is checked before Assigned.', {
    actions: access((args, one) => (one.private && !entryOf(args).validated ? 'vc' : asChecked(args, one))),
  }),
};

/** #VMEXIT(NPF) with other bits in EXITINFO1, wherever a guest leaves by it. */
const nestedCode = (summary: string, code: (code: number) => number): Mutant => {
  type Exit = Outgoing & { readonly event: { readonly info: { readonly gfn: number; readonly errorCode: number } } };
  const told = ({ to, event }: Exit) => ({ to, event: { ...event, info: { ...event.info, errorCode: code(event.info.errorCode) } } });
  const patch: PathPatch = (path) =>
    replaceStep(path, 'NPF', (item) => {
      const { send } = item as unknown as { readonly send: (...args: readonly unknown[]) => Exit };
      return [{ ...item, send: (...args: readonly unknown[]) => told(send(...args)) } as unknown as typeof item];
    });
  return { summary, paths: Object.fromEntries(['PVALIDATE', 'RMPADJUST', 'read', 'write'].map((name) => [name, [patch]])) };
};

const ofErrorCodes: Readonly<Record<string, Mutant>> = {
  'rmp-npf-low-half': nestedCode('EXITINFO1 of #NPF has 32 bits.', (code) => code % 2 ** 32),
  'rmp-npf-no-size': nestedCode('#NPF does not say that sizes differ.', (code) => code % 2 ** ERROR_BITS.SIZEM),
  'rmp-pf-no-user': region('#PF of a process has the code of the kernel.', {
    actions: {
      answerHostWrite: emit(({ context: c, event }: Args) =>
        outgoing(storerOf(event), hostWritten({ type: 'rmp.hostWrite', pfn: event.pfn }, hostStoreFaults(c, event))),
      ),
    },
  }),
};

const ofFirmware: Readonly<Record<string, Mutant>> = {
  'psp-no-interrupt': provided('psp', 'The firmware completes a command without its interrupt.', {
    actions: { interrupt: nothing },
  }),
  'sev-irq-any': provided('sevDevice', 'The interrupt handler does not look at the response bit: any interrupt is a completion.', {
    guards: { isCompletion: ({ event }: { readonly event: { readonly complete: boolean } }) => event.complete },
  }),
  'sev-flag-kept': provided('sevDevice', 'The flag of the last command is not cleared before the next one.', {
    actions: { clear: nothing },
  }),
};

export const RMP_MUTANTS: Readonly<Record<string, Mutant>> = {
  ...ofInstructions,
  ...ofSizes,
  ...ofLooks,
  ...ofVmrun,
  ...ofAccesses,
  ...ofErrorCodes,
  ...ofFirmware,
};
