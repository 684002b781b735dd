import { setTimeout as delay } from 'node:timers/promises';
import { performance } from 'node:perf_hooks';
import type { Pool } from 'undici';
import { MmdeployError, messageOf } from '../../errors.ts';
import { connectEngine, type EngineTarget } from '../engine-target.ts';
import { decideRestart, type RestartPolicy } from '../restart-policy.ts';
import { nextState, type EngineEvent, type EngineState } from '../state.ts';
import { startEngineProcess, type EngineCommand, type EngineProcess } from './engine-process.ts';
import { waitUntilReady, type Readiness } from './readiness.ts';
import { classifyStartFailure, describeEnd, type ProcessEnd } from './start-failure.ts';
import { stopProcess, type StopTimings } from './stop-process.ts';

export type SupervisorPhase =
  | { readonly kind: 'loading'; readonly pid: number | undefined; readonly logFile: string | null }
  | { readonly kind: 'ready'; readonly tookMs: number; readonly target: EngineTarget }
  | { readonly kind: 'crashed'; readonly reason: string; readonly restartInMs: number | null };

export type SupervisorOptions = {
  readonly command: EngineCommand;
  /** How long the engine may print nothing while it loads. */
  readonly readyTimeoutMs: number;
  readonly stop: StopTimings;
  readonly restart: RestartPolicy;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly onPhase: (phase: SupervisorPhase) => void;
};

const TAIL_LINES = 20;

/** Keeps one engine running: starts it, waits until it is ready, restarts it after a crash, stops it. */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #stopping = new AbortController();
  readonly #forcing = new AbortController();
  #state: EngineState = 'stopped';
  #process: EngineProcess | null = null;
  #client: Pool | null = null;
  #fruitlessCrashes = 0;
  #completedRequests = 0;
  #nextStartAt: number | null = null;
  #life = 0;
  #waiting = new Set<() => void>();
  #giveUp: (error: MmdeployError) => void = () => undefined;
  /** Resolves when the restarts are used up; never otherwise. */
  readonly gaveUp: Promise<MmdeployError>;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.gaveUp = new Promise((resolve) => {
      this.#giveUp = resolve;
    });
  }

  get state(): EngineState {
    return this.#state;
  }

  /** The process that runs now, for logs and tests. */
  get pid(): number | undefined {
    return this.#process?.pid;
  }

  /** A client of the engine, only while it is ready: a caller cannot reach one that still loads. */
  get engine(): Pool | null {
    return this.#state === 'ready' ? this.#client : null;
  }

  /** Counts the engine's starts. */
  get life(): number {
    return this.#life;
  }

  /** The engine as soon as it is ready; rejects when `signal` is aborted or no engine will come. */
  async whenReady(signal: AbortSignal): Promise<Pool> {
    for (;;) {
      signal.throwIfAborted();
      if (this.engine !== null) return this.engine;
      if (this.#state === 'failed' || this.#stopping.signal.aborted) throw interrupted();
      await this.#stateChange(signal);
    }
  }

  #stateChange(signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      const settle = () => {
        this.#waiting.delete(settle);
        signal.removeEventListener('abort', settle);
        resolve();
      };
      this.#waiting.add(settle);
      signal.addEventListener('abort', settle, { once: true });
    });
  }

  /** Whole seconds, at least 1, after which asking again is worth it. */
  get retryAfterSeconds(): number {
    const waitMs = this.#nextStartAt === null ? 0 : this.#nextStartAt - performance.now();
    return Math.max(1, Math.ceil(waitMs / 1000));
  }

  /** Tells the restart policy that this engine does answer. */
  requestCompleted(): void {
    this.#completedRequests += 1;
  }

  /**
   * Starts the engine and returns when it is ready. A first start that fails is not repeated: it
   * throws `engine.start` with the reason and the log's tail, or `interrupted` when stopped meanwhile.
   */
  async start(): Promise<void> {
    await this.#launch();
  }

  /** Ends the engine and every restart; returns when its process is gone. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    if (this.#process !== null && this.#process.end() === null) {
      this.#apply('stop');
      await stopProcess(this.#process, this.#options.stop, this.#forcing.signal);
    }
    await this.#disconnect();
  }

  /** Turns a `stop` that is waiting, or the next one, into a kill. */
  force(): void {
    this.#forcing.abort();
  }

  async #launch(): Promise<void> {
    const { command, readyTimeoutMs, onPhase } = this.#options;
    if (this.#stopping.signal.aborted) throw interrupted();
    this.#apply('start');
    this.#nextStartAt = null;
    const startedAt = performance.now();
    const engine = startEngineProcess(command);
    this.#process = engine;
    void engine.exited.then((end) => this.#onExit(engine, end));
    onPhase({ kind: 'loading', pid: engine.pid, logFile: engine.log.path });
    const { signal } = this.#stopping;
    const polled = await waitUntilReady(engine, readyTimeoutMs, signal);
    // It may have been stopped, or have died, while the last poll was answered.
    const readiness = signal.aborted ? 'aborted' : engine.end() === null ? polled : 'exited';
    const target = engine.target();
    if (readiness !== 'ready' || target === null) {
      await stopProcess(engine, this.#options.stop, this.#forcing.signal);
      throw await this.#startError(engine, readiness);
    }
    this.#client = connectEngine(target);
    this.#life += 1;
    this.#completedRequests = 0;
    this.#apply('healthy');
    onPhase({ kind: 'ready', tookMs: performance.now() - startedAt, target });
  }

  #onExit(engine: EngineProcess, end: ProcessEnd): void {
    if (this.#process !== engine) return;
    const crashed = this.#state === 'ready' && !this.#stopping.signal.aborted;
    this.#apply('exited');
    if (crashed) void this.#restart(describeEnd(end));
  }

  async #restart(firstReason: string): Promise<void> {
    let reason = firstReason;
    await this.#disconnect();
    for (;;) {
      const decision = this.#decide();
      const restartInMs = decision.action === 'restart' ? decision.delayMs : null;
      this.#options.onPhase({ kind: 'crashed', reason, restartInMs });
      if (restartInMs === null) {
        this.#end(reason);
        return;
      }
      this.#nextStartAt = performance.now() + restartInMs;
      try {
        await delay(restartInMs, undefined, { signal: this.#stopping.signal });
        await this.#launch();
        return;
      } catch (error) {
        if (this.#stopping.signal.aborted) return;
        reason = messageOf(error);
      }
    }
  }

  #decide() {
    const crash = { completedRequests: this.#completedRequests, jitter: this.#options.random() };
    const decision = decideRestart(this.#fruitlessCrashes, crash, this.#options.restart);
    this.#fruitlessCrashes = decision.fruitlessCrashes;
    this.#completedRequests = 0;
    return decision;
  }

  #end(reason: string): void {
    this.#apply('gave-up');
    const message = `llama-server crashed ${this.#fruitlessCrashes} times in a row without answering a request; last: ${reason}`;
    this.#giveUp(new MmdeployError('engine.crashed', message, { details: this.#tail() }));
  }

  async #startError(engine: EngineProcess, readiness: Readiness): Promise<MmdeployError> {
    const end = await engine.exited;
    if (readiness === 'aborted') return interrupted();
    if (readiness === 'silent') {
      const seconds = Math.round(this.#options.readyTimeoutMs / 1000);
      return new MmdeployError(
        'engine.start',
        `llama-server did not become ready and printed nothing for ${seconds} s`,
        {
          details: this.#tail(),
          hints: ['if the disk is just slow, allow more: `mmdeploy serve … --ready-timeout 600s`'],
        },
      );
    }
    const { reason, hints } = classifyStartFailure(engine.log.tail(Infinity), end);
    return new MmdeployError('engine.start', `llama-server did not start: ${reason}`, {
      details: this.#tail(),
      hints,
    });
  }

  #tail(): readonly string[] {
    const log = this.#process?.log;
    if (log === undefined) return [];
    return [
      log.path === null ? "the engine's last lines:" : `last lines of ${log.path}:`,
      ...log.tail(TAIL_LINES),
    ];
  }

  async #disconnect(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    await client?.destroy();
  }

  #apply(event: EngineEvent): void {
    const state = nextState(this.#state, event);
    if (state === null) throw new Error(`engine event \`${event}\` in state \`${this.#state}\``);
    this.#state = state;
    for (const settle of [...this.#waiting]) settle();
  }
}

function interrupted(): MmdeployError {
  return new MmdeployError('interrupted', 'stopped while the engine was loading');
}
