/**
 * Lists of valid names as messages have them: of operations those of an AMD host, of the rest those
 * of each mechanism that is shipped.
 */
import { SHIPPED_MECHANISMS } from '../../../sim/mechanisms/index.ts';
import { guestOperations, hostOperations } from '../../../sim/scenario/all-operations.ts';

const namesOf = (key: 'features' | 'vmTypes') => SHIPPED_MECHANISMS.flatMap((mechanism) => mechanism[key] ?? []);
const quoted = (names: readonly string[]) => names.map((name) => JSON.stringify(name)).join(', ');
const TYPES = namesOf('vmTypes');

export const OPTIONS = ['memory', ...SHIPPED_MECHANISMS.flatMap(({ options = {} }) => Object.keys(options))].join(', ');
type Side = 'guestOperations' | 'hostOperations';
const broughtTo = (isAmd: boolean, side: Side) =>
  SHIPPED_MECHANISMS.filter(({ arches }) => arches.includes('amd') === isAmd).flatMap((one) => Object.keys(one[side] ?? {}));
const ofAmd = (side: Side, all: object) =>
  [
    ...Object.keys(all).filter((name) => broughtTo(true, side).includes(name) || !broughtTo(false, side).includes(name)),
    'repeat',
    'choose',
  ].join(', ');
export const GUEST_OPERATIONS = ofAmd('guestOperations', guestOperations());
export const HOST_OPERATIONS = ofAmd('hostOperations', hostOperations());
export const FEATURES = quoted(namesOf('features'));
export const VM_TYPES = TYPES.length === 1 ? quoted(TYPES) : `one of ${quoted(TYPES)}`;
