/** Lists of valid names as messages have them: the host's own, then those of each mechanism that is shipped. */
import { HOST_OPTIONS } from '../../../events/options.ts';
import { SHIPPED_MECHANISMS } from '../../../sim/mechanisms/index.ts';
import { GUEST_OPERATIONS as GUEST, HOST_OPERATIONS as HOST } from '../../../sim/scenario/operations.ts';

const keysOf = (key: 'options' | 'guestOperations' | 'hostOperations') =>
  SHIPPED_MECHANISMS.flatMap((mechanism) => Object.keys(mechanism[key] ?? {}));
const quoted = (names: readonly string[]) => names.map((name) => JSON.stringify(name)).join(', ');
const TYPES = ['snp', ...SHIPPED_MECHANISMS.flatMap(({ vmTypes = [] }) => vmTypes)];

export const OPTIONS = [...Object.keys(HOST_OPTIONS), ...keysOf('options')].join(', ');
export const GUEST_OPERATIONS = [...Object.keys(GUEST), ...keysOf('guestOperations'), 'repeat', 'choose'].join(', ');
export const HOST_OPERATIONS = [...Object.keys(HOST), ...keysOf('hostOperations'), 'repeat', 'choose'].join(', ');
export const FEATURES = quoted(['sev', 'sev-es', 'sev-snp', ...SHIPPED_MECHANISMS.flatMap(({ features = [] }) => features)]);
export const VM_TYPES = TYPES.length === 1 ? quoted(TYPES) : `one of ${quoted(TYPES)}`;
