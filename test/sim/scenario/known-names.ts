/**
 * Lists of valid names as messages have them: of operations those of an AMD host, of the rest those
 * of each mechanism that is shipped.
 */
import { likest } from '../../../events/nearest.ts';
import { SHIPPED_MECHANISMS } from '../../../sim/mechanisms/index.ts';
import { guestOperations, hostOperations } from '../../../sim/scenario/all-operations.ts';

const namesOf = (key: 'features' | 'vmTypes') => SHIPPED_MECHANISMS.flatMap((mechanism) => mechanism[key] ?? []);
const quoted = (names: readonly string[]) => names.map((name) => JSON.stringify(name)).join(', ');
const TYPES = namesOf('vmTypes');

/** The twelve of many that are most like a key. */
const among = (names: readonly string[]) => (key: string) => `one of ${likest(key, names, 12).join(', ')} and ${names.length - 12} others`;

export const amongOptions = among(['memory', ...SHIPPED_MECHANISMS.flatMap(({ options = {} }) => Object.keys(options))]);
type Side = 'guestOperations' | 'hostOperations';
const broughtTo = (isAmd: boolean, side: Side) =>
  SHIPPED_MECHANISMS.filter(({ arches }) => arches.includes('amd') === isAmd).flatMap((one) => Object.keys(one[side] ?? {}));
const ofAmd = (side: Side, all: object) =>
  among([
    ...Object.keys(all).filter((name) => broughtTo(true, side).includes(name) || !broughtTo(false, side).includes(name)),
    'repeat',
    'choose',
  ]);
export const amongGuestOperations = ofAmd('guestOperations', guestOperations());
export const amongHostOperations = ofAmd('hostOperations', hostOperations());
export const FEATURES = quoted(namesOf('features'));
export const VM_TYPES = TYPES.length === 1 ? quoted(TYPES) : `one of ${quoted(TYPES)}`;
