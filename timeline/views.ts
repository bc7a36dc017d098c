/** Which view shows which actor, and in which group it stands. */
import type { ActorId } from '../events/event.ts';
import type { RunStart } from '../events/journal.ts';
import type { Board } from './board.ts';
import type { Group } from './event.ts';
import { CpuView, Guests, GuestView, SchedulerView, ThreadView } from './host.ts';
import { VIEWS } from './mechanisms/shipped.ts';
import { Tasks } from './tasks.ts';
import { nameOf } from './text.ts';
import { ActorView, MutexView, ProcessView, type Stage, type View, VmView } from './view.ts';

/** Loop counters: bookkeeping of the scenario's programs, not of the machine. */
const HIDDEN = ['loop'];

/** What stands before the last slash of a name: the process of a thread, the VM of a vCPU. */
const ownerOf = (actor: ActorId): string => {
  const name = nameOf(actor);
  const slash = name.lastIndexOf('/');
  return slash < 0 ? name : name.slice(0, slash);
};

export class Views {
  readonly tasks: Tasks;
  readonly guests = new Guests();
  readonly #board: Board;
  readonly #views = new Map<ActorId, View>();

  constructor(board: Board, actors: RunStart['actors']) {
    this.#board = board;
    this.tasks = new Tasks(board);
    for (const { id, kind } of actors) if (!HIDDEN.includes(kind)) this.#views.set(id, this.#view(id, kind));
  }

  get(actor: ActorId): View | undefined {
    return this.#views.get(actor);
  }

  #view(actor: ActorId, kind: string): View {
    const name = nameOf(actor);
    switch (kind) {
      case 'pcpu':
        return this.#cpu(actor);
      case 'hostScheduler':
        return new SchedulerView(this.#board, this.#lane('scheduler', this.#cpus, actor), actor, this.tasks);
      case 'hostThread':
        return this.#thread(actor);
      case 'hostProcess':
        return new ProcessView(this.#board, this.#lane('process', this.#group('process', name), actor), actor);
      case 'vcpu':
        return this.#guest(actor);
      case 'vm':
        return new VmView(this.#board, this.#lane('VM', this.#group('vm', name), actor), actor);
      case 'mutex':
        return new MutexView(this.#board, this.#lane(name, this.#group('locks', 'mutexes'), actor), actor);
      default:
        if (Object.hasOwn(VIEWS, kind)) return VIEWS[kind]!(this.#stage, actor);
        return new ActorView(this.#board, this.#lane(actor, this.#group('other', 'other actors'), actor), actor);
    }
  }

  get #cpus(): Group {
    return this.#group('cpus', 'pCPUs');
  }
  get #stage(): Stage {
    return { board: this.#board, group: (kind, name) => this.#group(kind, name), lane: (...lane) => this.#lane(...lane) };
  }
  #group(kind: Group['kind'], name: string): Group {
    return this.#board.group(kind, name);
  }
  #lane(name: string, group: Group, actor: ActorId) {
    return this.#board.lane('actor', name, group, actor);
  }

  #cpu(actor: ActorId): View {
    const lane = this.#board.lane('cpu', `pCPU ${nameOf(actor)}`, this.#cpus, actor);
    const queue = this.#board.lane('counter', `runnable on pCPU ${nameOf(actor)}`, this.#cpus, actor);
    this.tasks.addCpu(actor, queue);
    return new CpuView(this.#board, lane, actor, this.tasks);
  }

  #thread(actor: ActorId): View {
    const group = this.#group('process', ownerOf(actor));
    const lane = this.#board.lane('thread', nameOf(actor), group, actor);
    const state = this.#board.lane('task-state', `${nameOf(actor)} state`, group, actor);
    this.tasks.addThread(actor, lane, state);
    return new ThreadView(this.#board, lane, actor, this.guests);
  }

  #guest(actor: ActorId): View {
    const lane = this.#board.lane('guest', `vCPU ${nameOf(actor)}`, this.#group('vm', ownerOf(actor)), actor);
    const view = new GuestView(this.#board, lane, actor, this.tasks);
    this.guests.add(view);
    return view;
  }
}
