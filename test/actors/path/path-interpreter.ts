/**
 * What the items of a path mean, written straight from docs/extend.md: a plain interpreter, which
 * knows nothing of graphs and states. Each step hands over to its caller, and goes on with an
 * event.
 */
import { type Item, otherwise, type Path } from '../../../actors/path/path.ts';
import type { Outgoing } from '../../../events/event.ts';
import type { Locals, TourEvent, TourItem, Tourist } from './walk.ts';

/** Where control goes on after some items. */
type Exit = 'end' | 'leaveLoop' | 'leavePath' | 'stop';
type Test = (walker: Tourist, locals: Locals) => boolean;
type Decide = (test: Test, place: string, interpreter: Interpreter) => boolean;
type Step = Extract<TourItem, { readonly kind: 'step' }>;
type AnyItem = Item<Tourist, Locals, TourEvent>;

/** The walker stands before a step, or waits for the answer to what it asked. */
export interface Moment {
  readonly step: string;
  readonly asking: boolean;
  /** Nothing comes after this. */
  readonly stopped: boolean;
}

/** A loop came round, and no step was met since it began. */
class SteplessTurn extends Error {}

/** What a walk has met, by kind. */
export type Met = Map<string, number>;

export class Interpreter {
  walker: Tourist;
  locals: Locals = {};
  sent: Outgoing[] = [];
  readonly met: Met = new Map();
  /** Something was carried out, or a path was empty, before the first step. */
  early = false;
  /** A path was left by leaveLoop: there was no loop of its own to leave. */
  stray = false;
  #begun = false;
  /** Items and cases that control came to, in order of the first time. */
  readonly reached = new Set<string>();
  /** For each loop around the walker, whether this turn has met a step. */
  readonly turns: boolean[] = [];
  readonly #decide: Decide;

  /** Without `decide` a test is what it says. */
  constructor(walker: Tourist, decide: Decide = (test, _place, { walker: t, locals }) => test(t, locals)) {
    this.walker = walker;
    this.#decide = decide;
  }

  *path({ name, items }: Path<Tourist, Locals, TourEvent>): Generator<Moment, Exit, TourEvent> {
    if (items.length === 0) this.early = true;
    const exit = yield* this.#items(items, name, name);
    if (exit === 'leaveLoop') this.stray = true;
    return exit === 'leavePath' ? 'end' : exit;
  }

  *#items(items: readonly AnyItem[], place: string, prefix: string): Generator<Moment, Exit, TourEvent> {
    for (const [i, item] of items.entries()) {
      const exit = yield* this.#item(item, `${place}/${i}`, prefix);
      if (exit !== 'end') return exit;
    }
    return 'end';
  }

  *#item(item: AnyItem, place: string, prefix: string): Generator<Moment, Exit, TourEvent> {
    this.reached.add(place);
    this.#meet(item.kind);
    switch (item.kind) {
      case 'step':
        yield* this.#step(item, `${prefix}.${item.name}`);
        return 'end';
      case 'stop':
        yield { step: `${prefix}.${item.name}`, asking: false, stopped: true };
        return 'stop';
      case 'note':
        this.#bind(item.local(this.walker, this.locals));
        return 'end';
      case 'leaveLoop':
        return 'leaveLoop';
      case 'return':
        return 'leavePath';
      case 'when':
        return yield* this.#when(item.cases, place, prefix);
      case 'loop':
        return yield* this.#loop(item.body, place, prefix);
      case 'call':
        return yield* this.#call(item, place, prefix);
    }
  }

  *#step(step: Step, name: string): Generator<Moment, void, TourEvent> {
    this.turns.fill(true);
    const event = yield { step: name, asking: false, stopped: false };
    if (event.type === 'poke') {
      this.#meet('wake');
      this.#bind(step.wakes!.poke!(event, this.walker, this.locals));
      return;
    }
    const { walker, locals } = this;
    this.walker = { ...walker, ...step.set?.(walker, locals) };
    this.#bind(step.local?.(walker, locals) ?? {});
    this.sent = ([] as Outgoing[]).concat(step.send?.(walker, locals) ?? []);
    if (!step.answers) return;
    const answer = yield { step: name, asking: true, stopped: false };
    this.#meet('answer');
    this.sent = [];
    this.#bind(step.answers.answer!(answer as never, this.walker, this.locals));
  }

  *#when(cases: Extract<AnyItem, { readonly kind: 'when' }>['cases'], place: string, prefix: string): Generator<Moment, Exit, TourEvent> {
    for (const [i, [test, body]] of cases.entries()) {
      const here = `${place}/case${i}`;
      this.reached.add(here);
      if (test !== otherwise && !this.#decide(test, here, this)) continue;
      this.#meet(test === otherwise ? 'otherwise' : 'case');
      return yield* this.#items(body, here, prefix);
    }
    this.#meet('no case');
    return 'end';
  }

  *#loop(body: readonly AnyItem[], place: string, prefix: string): Generator<Moment, Exit, TourEvent> {
    const depth = this.turns.length;
    try {
      for (;;) {
        this.turns[depth] = false;
        const exit = yield* this.#items(body, place, prefix);
        if (exit === 'leaveLoop') return 'end';
        if (exit !== 'end') return exit;
        if (!this.turns[depth]) throw new SteplessTurn(place);
        this.#meet('turn');
      }
    } finally {
      this.turns.length = depth;
    }
  }

  *#call({ path, bind }: Extract<AnyItem, { readonly kind: 'call' }>, place: string, prefix: string): Generator<Moment, Exit, TourEvent> {
    if (bind) {
      this.#meet('bind');
      this.#bind(bind(this.walker, this.locals));
    }
    if (path.items.length === 0 && !this.#begun) this.early = true;
    const exit = yield* this.#items(path.items, place, `${prefix}.${path.name}`);
    if (exit === 'leaveLoop') this.stray = true;
    if (exit === 'stop' || exit === 'leaveLoop') return exit;
    for (const name of path.locals) if (this.locals[name] !== undefined) this.#meet('died');
    this.#bind(Object.fromEntries(path.locals.map((name) => [name, undefined])));
    return 'end';
  }

  #bind(locals: Locals): void {
    this.locals = Object.fromEntries(Object.entries({ ...this.locals, ...locals }).filter(([, value]) => value !== undefined));
  }

  #meet(kind: string): void {
    this.met.set(kind, (this.met.get(kind) ?? 0) + 1);
    if (kind === 'step' || kind === 'stop') this.#begun = true;
    else if (kind !== 'loop' && kind !== 'call' && !this.#begun) this.early = true;
  }
}

/** What is wrong with a program, whatever its tests say. */
export interface Defects {
  /** A loop comes round without a step. */
  readonly stepless: boolean;
  /** Control leaves a path by leaveLoop. */
  readonly stray: boolean;
  /** The first item that is carried out is no step. */
  readonly early: boolean;
  /** An item or a case to which no walk comes. */
  readonly unreached: boolean;
}

/** The walk came to a place that another one has gone on from. */
class Seen extends Error {}

/**
 * Walks each test both ways. What follows a test depends on its place and on which turns have met a
 * step, so that each of these needs each outcome once.
 */
export function defectsOf(path: Path<Tourist, Locals, TourEvent>, walker: Tourist): Defects {
  const seen = new Set<string>();
  const reached = new Set<string>();
  const defects = { stepless: false, stray: false, early: false };
  const todo: boolean[][] = [[]];
  for (let prefix = todo.pop(); prefix; prefix = todo.pop()) {
    const outcomes: boolean[] = [];
    const goOnFrom = (place: string): void => {
      if (outcomes.length < prefix!.length) return;
      if (seen.has(place)) throw new Seen();
      seen.add(place);
    };
    const interpreter = new Interpreter(walker, (_test, place, { turns }) => {
      goOnFrom(`${place} ${turns.join()}`);
      if (outcomes.length >= prefix!.length) todo.push([...outcomes, false]);
      outcomes.push(prefix![outcomes.length] ?? true);
      return outcomes.at(-1)!;
    });
    try {
      const walk = interpreter.path(path);
      let moment = walk.next();
      while (moment.done !== true) {
        goOnFrom(`${moment.value.step} ${moment.value.asking}`);
        moment = walk.next(moment.value.asking ? { type: 'answer', value: 0 } : { type: 'step' });
      }
    } catch (error) {
      if (error instanceof SteplessTurn) defects.stepless = true;
      else if (!(error instanceof Seen)) throw error;
    }
    defects.early ||= interpreter.early;
    defects.stray ||= interpreter.stray;
    for (const place of interpreter.reached) reached.add(place);
  }
  return { ...defects, unreached: placesIn(path.items, path.name).some((place) => !reached.has(place)) };
}

/** Every item and every case, as the interpreter calls them. */
function placesIn(items: readonly AnyItem[], place: string): readonly string[] {
  return items.flatMap((item, i) => {
    const here = `${place}/${i}`;
    if (item.kind === 'loop') return [here, ...placesIn(item.body, here)];
    if (item.kind === 'call') return [here, ...placesIn(item.path.items, here)];
    if (item.kind === 'when')
      return [here, ...item.cases.flatMap(([, body], at) => [`${here}/case${at}`, ...placesIn(body, `${here}/case${at}`)])];
    return [here];
  });
}
