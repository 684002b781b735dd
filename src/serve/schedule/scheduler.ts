import type { Pool } from 'undici';
import { untilFateKnown } from '../engine-fate.ts';
import { EngineLost } from '../gateway/engine-call.ts';
import { GatewayError } from '../gateway/errors.ts';
import type { EngineSource, Observer, Turn, TurnRequest, TurnTaker } from '../seams.ts';
import { EngineLife, type Slot } from './engine-life.ts';
import { LLAMA_SLOTS, untilIdle, type EngineSlots } from './engine-slots.ts';
import { engineNotReady, isolationFailed, queueFull } from './errors.ts';
import { FairQueue } from './fair-queue.ts';
import { encodeMs, turnMs } from './prediction.ts';
import { readyAsItStands, readySlot, type Ready } from './ready-slot.ts';
import { chooseSlot, neededPieces, tokensOf, type Choice } from './slot-choice.ts';
import { SlotFiles, type SlotFilesOptions } from './slot-files.ts';
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

/** So long after a request of words only, one slot is kept from requests with media. */
const WORDS_ARE_RECENT_MS = 60_000;

export function createScheduler(options: SchedulerOptions): Scheduler {
  const scheduler = new SlotScheduler(options);
  return {
    take: (request) => scheduler.take(request),
    stats: () => scheduler.stats(),
    close: () => scheduler.close(),
  };
}

type Run = Extract<Choice, { kind: 'run' }>;

class SlotScheduler {
  readonly #options: SchedulerOptions;
  readonly #engineSlots: EngineSlots;
  readonly #files: SlotFiles | null;
  readonly #queue = new FairQueue<Waiting>();
  readonly #closing = new AbortController();
  #life: EngineLife | null = null;
  /** An engine is being waited for, or asked about its slots. */
  #entering = false;
  #lastWordsAt = -Infinity;
  #breath: NodeJS.Timeout | null = null;
  #counts = { encodes: 0, hits: 0, missedHits: 0, refused: 0 };

  constructor(options: SchedulerOptions) {
    this.#options = options;
    this.#engineSlots = options.engineSlots ?? LLAMA_SLOTS;
    this.#files =
      options.files === null
        ? null
        : new SlotFiles({ ...options.files, engineSlots: this.#engineSlots });
  }

  take(request: TurnRequest): Promise<Turn> {
    if (request.signal.aborted) return Promise.reject(goneError(request.signal));
    const { tenant } = request;
    const waiting = new Waiting(request, this.#options.now(), () => {
      this.#queue.remove(tenant, waiting);
    });
    if (!waiting.hasMedia) this.#lastWordsAt = waiting.since;
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
    clearTimeout(this.#breath ?? undefined);
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
    const breathes = this.#breathes(life);
    for (;;) {
      const next = this.#queue.take((waiting) => this.#mayStart(waiting, life, breathes));
      if (next === null) return;
      this.#start(next.item, next.start.choice, engine, life);
    }
  }

  #mayStart(
    waiting: Waiting,
    life: EngineLife,
    breathes: boolean,
  ): { choice: Run; cost: number } | null {
    const choice = chooseSlot(waiting.request, {
      slots: life.views(),
      hasFile: (tenant, digest) => life.trusts('file') && this.#holdsFile(tenant, digest),
      gateOpen: life.gate === null && !breathes,
      mediaMayStart: life.mediaAtWork() < this.#mediaSlots(life),
      isolate: this.#options.isolateTenants,
      canBranch: life.trusts('branch'),
      tiredOfWaiting: waiting.tired,
    });
    const { rates } = life;
    if (choice.kind === 'wait') {
      const patienceMs = encodeMs(rates, waiting.mediaTokens);
      if (choice.for === 'holder') waiting.tireAfter(patienceMs, () => this.#dispatch());
      return null;
    }
    const slot = life.slots[choice.slot];
    if (slot === undefined) return null;
    // Occupied here, in the same step: the next choice must see it.
    life.occupy(slot, waiting.request.tenant, waiting.hasMedia);
    if (choice.prime) life.gate = slot;
    const missing = tokensOf(waiting.request.prefix.slice(choice.held), 'media');
    return { choice, cost: turnMs(rates) + (choice.prime ? encodeMs(rates, missing) : 0) };
  }

  /** Words come first for a moment after each encode; the images go on when it is over. */
  #breathes(life: EngineLife): boolean {
    const breathMs = life.breathMs(this.#options.now());
    if (breathMs === 0) return false;
    const wordsWait = [...this.#queue.items()].some((waiting) => !waiting.hasMedia);
    if (!wordsWait && !life.wordsAwaited()) return false;
    this.#breath ??= setTimeout(() => {
      this.#breath = null;
      this.#dispatch();
    }, breathMs);
    return true;
  }

  /**
   * Media leave one slot to words while there are any: a slot that generates about an image is taken for
   * seconds, and a flood of images must not keep the short requests out. Where nobody asks with words
   * only, media have all slots. Words may take every slot in their turn: media then wait for one like
   * any other, so neither starves the other.
   */
  #mediaSlots({ slots }: EngineLife): number {
    const wordsAreRecent = this.#options.now() - this.#lastWordsAt < WORDS_ARE_RECENT_MS;
    return wordsAreRecent && slots.length > 1 ? slots.length - 1 : slots.length;
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
