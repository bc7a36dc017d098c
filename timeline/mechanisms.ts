/** What mechanisms add to a timeline. An actor or a value that none of them knows is shown as any other. */
import type { ActorId } from '../events/event.ts';
import type { JsonObject } from '../events/journal.ts';
import type { Board } from './board.ts';
import type { Group, Lane } from './event.ts';
import { sevSnpViews } from './sev-snp.ts';
import type { View } from './view.ts';

/** Where a view puts its lanes. */
export interface Stage {
  readonly board: Board;
  group(kind: Group['kind'], name: string): Group;
  lane(name: string, group: Group, actor: ActorId): Lane;
}

export interface MechanismViews {
  /** The view of each actor of a kind. */
  readonly views?: Readonly<Record<string, (stage: Stage, actor: ActorId) => View>>;
  /** Values of messages in a few words, by the name of the field. */
  readonly texts?: Readonly<Record<string, (value: JsonObject) => string>>;
}

const SHIPPED: readonly MechanismViews[] = [sevSnpViews];

export const VIEWS: NonNullable<MechanismViews['views']> = Object.assign({}, ...SHIPPED.map(({ views }) => views));
export const TEXTS: NonNullable<MechanismViews['texts']> = Object.assign({}, ...SHIPPED.map(({ texts }) => texts));
