/**
 * Lists of valid names as messages have them: the host's own among those of each mechanism that is
 * shipped.
 */
import { SHIPPED_MECHANISMS } from '../../../sim/mechanisms/index.ts';
import { guestOperations, hostOperations } from '../../../sim/scenario/all-operations.ts';

const namesOf = (key: 'features' | 'vmTypes') => SHIPPED_MECHANISMS.flatMap((mechanism) => mechanism[key] ?? []);
const quoted = (names: readonly string[]) => names.map((name) => JSON.stringify(name)).join(', ');
const TYPES = namesOf('vmTypes');

export const OPTIONS = SHIPPED_MECHANISMS.flatMap(({ options = {} }) => Object.keys(options)).join(', ');
export const GUEST_OPERATIONS = [...Object.keys(guestOperations()), 'repeat', 'choose'].join(', ');
export const HOST_OPERATIONS = [...Object.keys(hostOperations()), 'repeat', 'choose'].join(', ');
export const FEATURES = quoted(namesOf('features'));
export const VM_TYPES = TYPES.length === 1 ? quoted(TYPES) : `one of ${quoted(TYPES)}`;
