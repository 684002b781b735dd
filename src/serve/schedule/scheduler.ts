import type { Pool } from 'undici';
import { untilFateKnown } from '../engine-fate.ts';
import { EngineLost } from '../gateway/engine-call.ts';
import { GatewayError } from '../gateway/errors.ts';
import type { EngineSource, Observer, Turn, TurnRequest, TurnTaker } from '../seams.ts';
import { EngineLife, type Slot } from './engine-life.ts';
import { LLAMA_SLOTS, untilIdle, type EngineSlots } from './engine-slots.ts';
import { engineNotReady, isolationFailed, queueFull } from './errors.ts';
import { FairQueue } from './fair-queue.ts';
import { readyAsItStands, readySlot, type Ready } from './ready-slot.ts';
import { neededPieces, type Run } from './slot-choice.ts';
import { SlotFiles, type SlotFilesOptions } from './slot-files.ts';
import { Starts } from './starts.ts';
import { giveTurn } from './turn.ts';
import { Waiting, goneError, secondsOfWork } from './waiting.ts';

export type SchedulerOptions = {
  readonly source: EngineSource;
  /** Of the engine, where it does not tell by itself. */
  readonly slots: number;
  /** Requests that may wait; one more is refused. */
  readonly queueLimit: number;
  /** null: no slot files. */
  readonly files: Omit<SlotFilesOptions, 'engineSlots'> | null;
  /** How long one may wait, in milliseconds; absent: as long as its signal allows. */
  readonly waitLimitMs?: number;
  readonly isolateTenants: boolean;
  readonly observer: Pick<Observer, 'stage' | 'trouble'>;
  /** Milliseconds that only grow. */
  readonly now: () => number;
  /** By default a llama-server's. */
  readonly engineSlots?: EngineSlots;
};

export type SchedulerStats = {
  readonly queued: number;
  readonly busySlots: number;
  readonly slots: number;
  /** An image is being encoded. */
  readonly encoding: boolean;
  /** Times that images were sent to be encoded ahead. */
  readonly encodes: number;
  /** Requests whose media were in a slot or came from a file. */
  readonly hits: number;
  /** Hits that were none: the engine evaluated the media again. */
  readonly missedHits: number;
  readonly refused: number;
  readonly slotFiles: number;
  readonly slotFileBytes: number;
};

export type Scheduler = TurnTaker & {
  readonly stats: () => SchedulerStats;
  /** Refuses all that wait and deletes the slot files. */
  readonly close: () => Promise<void>;
};

export function createScheduler(options: SchedulerOptions): Scheduler {
  const scheduler = new SlotScheduler(options);
  return {
    take: (request) => scheduler.take(request),
    stats: () => scheduler.stats(),
    close: () => scheduler.close(),
  };
}

class SlotScheduler {
  readonly #options: SchedulerOptions;
  readonly #engineSlots: EngineSlots;
  readonly #files: SlotFiles | null;
  readonly #queue = new FairQueue<Waiting>();
  readonly #closing = new AbortController();
  #life: EngineLife | null = null;
  /** An engine is being waited for, or asked about its slots. */
  #entering = false;
  readonly #starts: Starts;
  #counts = { encodes: 0, hits: 0, missedHits: 0, refused: 0 };

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#engineSlots = options.engineSlots ?? LLAMA_SLOTS;
    this.#files =
      options.files === null
        ? null
        : new SlotFiles({ ...options.files, engineSlots: this.#engineSlots });
    this.#starts = new Starts({
      queue: this.#queue,
      isolateTenants: options.isolateTenants,
      hasFile: (tenant, digest) => this.#holdsFile(tenant, digest),
      now: options.now,
      changed: () => this.#dispatch(),
    });
  }

  take(request: TurnRequest): Promise<Turn> {
    if (request.signal.aborted) return Promise.reject(goneError(request.signal));
    const { tenant } = request;
    const waiting = new Waiting(request, this.#options.now(), () => {
      this.#queue.remove(tenant, waiting);
    });
    this.#starts.arrived(waiting);
    this.#queue.add(tenant, waiting);
    this.#dispatch();
    if (this.#queue.size > this.#options.queueLimit) this.#refuseOne(waiting);
    if (!waiting.settled) waiting.giveUpWith(this.#options.waitLimitMs);
    return waiting.turn;
  }

  stats(): SchedulerStats {
    const slots = this.#life?.slots ?? [];
    return {
      ...this.#counts,
      queued: this.#queue.size,
      busySlots: slots.filter((slot) => slot.busy).length,
      slots: slots.length,
      encoding: this.#life !== null && this.#life.gate !== null,
      slotFiles: this.#files?.count ?? 0,
      slotFileBytes: this.#files?.bytes ?? 0,
    };
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#starts.close();
    this.#refuseAll(new GatewayError(503, 'server_stopping', 'the server is stopping', 5));
    await this.#files?.clear();
  }

  /** Starts all that may start. Called whenever anything has changed that something may wait for. */
  #dispatch(): void {
    if (this.#queue.size === 0 || this.#closing.signal.aborted) return;
    const { source } = this.#options;
    const { engine } = source;
    const life = this.#life;
    if (engine === null || life === null || life.number !== source.life) {
      this.#enter();
      return;
    }
    if (life.doubtful) return;
    for (const { item, start } of this.#starts.of(life)) {
      this.#start(item, start, engine, life);
    }
  }

  #start(waiting: Waiting, choice: Run, engine: Pool, life: EngineLife): void {
    const slot = life.slots[choice.slot];
    if (slot === undefined) return;
    const ready = readyAsItStands(slot, choice, waiting.request);
    if (ready === null) void this.#run(waiting, choice, slot, engine, life);
    else this.#grant(waiting, ready, slot, life, this.#options.now(), engine);
  }

  async #run(
    waiting: Waiting,
    choice: Run,
    slot: Slot,
    engine: Pool,
    life: EngineLife,
  ): Promise<void> {
    const startedAt = this.#options.now();
    const tools = { engineSlots: this.#engineSlots, files: this.#files, now: this.#options.now };
    const readied = await readySlot(tools, engine, life, slot, choice, {
      request: waiting.request,
      gone: () => waiting.settled,
      othersWait: () => waiting.isAwaitedBy(this.#queue.items()),
    }).catch((error: unknown) => {
      return new EngineLost(error, this.#options.source.retryAfterSeconds);
    });
    if (readied instanceof GatewayError) {
      waiting.refuse(readied);
      this.#doubt(life);
      life.free(slot, []);
    } else if (readied.kind === 'ready') {
      this.#grant(waiting, readied, slot, life, startedAt, engine);
    } else {
      life.free(slot, []);
      if (readied.kind === 'not-erased') {
        this.#options.observer.trouble('slot_not_erased');
        waiting.refuse(isolationFailed());
      } else if (!waiting.settled) this.#queue.putBack(waiting.request.tenant, waiting);
    }
    this.#dispatch();
  }

  #grant(
    waiting: Waiting,
    readied: Ready,
    slot: Slot,
    life: EngineLife,
    startedAt: number,
    engine: Pool,
  ): void {
    const { prefix } = waiting.request;
    const queuedMs = startedAt - waiting.since;
    if (readied.encodeMs !== null) {
      this.#counts.encodes += 1;
      this.#options.observer.stage('encode', readied.encodeMs);
      life.encoded(readied.encodeMs, this.#options.now());
    } else if (waiting.hasMedia && readied.held >= neededPieces(prefix)) this.#counts.hits += 1;
    // Encoded ahead: the next image may be. Otherwise it waits until this answer begins.
    if (readied.heldBy !== null) life.open(slot);
    if (waiting.settled) {
      life.free(slot, slot.content);
      return;
    }
    this.#options.observer.stage('queue', queuedMs);
    const turn = giveTurn({
      request: waiting.request,
      readied,
      slot,
      life,
      queuedMs,
      now: this.#options.now,
      changed: () => this.#dispatch(),
      settled: () => untilIdle(this.#engineSlots, engine, slot.id, () => this.#isOver(life)),
      missed: () => (this.#counts.missedHits += 1),
      lost: () => this.#doubt(life),
    });
    waiting.grant(turn);
  }

  /** Waits for an engine, and asks it how many slots it has. */
  #enter(): void {
    if (this.#entering) return;
    this.#entering = true;
    const { source } = this.#options;
    source
      .whenReady(this.#closing.signal)
      .then(async (engine) => {
        const number = source.life;
        await this.#files?.clear();
        const slots = await this.#engineSlots.count(engine).catch(() => null);
        this.#life = new EngineLife(number, slots ?? this.#options.slots);
      })
      .catch((error: unknown) => {
        this.#refuseAll(engineNotReady(error, source.retryAfterSeconds));
      })
      .finally(() => {
        this.#entering = false;
        this.#dispatch();
      });
  }

  /** What waits is not given to an engine that may be dying: it would be suspected of having killed it. */
  #doubt(life: EngineLife): void {
    if (life.doubtful) return;
    life.doubtful = true;
    void untilFateKnown(this.#options.source, life.number, this.#closing.signal).then(() => {
      life.doubtful = false;
      this.#dispatch();
    });
  }

  /** One too many waits: the newest of whoever has the most waiting goes. */
  #refuseOne(newest: Waiting): void {
    const { tenant } = newest.request;
    const pushedOut = this.#queue.pushOut(tenant);
    const refused = pushedOut ?? newest;
    this.#queue.remove(tenant, refused);
    this.#counts.refused += 1;
    const retryAfter =
      this.#life === null
        ? this.#options.source.retryAfterSeconds
        : secondsOfWork([...this.#queue.items()], this.#life, (other, digest) =>
            this.#holdsFile(other, digest),
          );
    refused.refuse(queueFull(this.#options.queueLimit, retryAfter));
  }

  #holdsFile(tenant: string, digest: string): boolean {
    return this.#files?.has(tenant, digest) ?? false;
  }

  #isOver({ number }: EngineLife): boolean {
    const { source } = this.#options;
    return this.#closing.signal.aborted || source.engine === null || source.life !== number;
  }

  #refuseAll(error: GatewayError): void {
    for (const waiting of [...this.#queue.items()]) {
      this.#queue.remove(waiting.request.tenant, waiting);
      waiting.refuse(error);
    }
  }
}
