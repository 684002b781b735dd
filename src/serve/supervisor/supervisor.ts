import { performance } from 'node:perf_hooks';
import type { Pool } from 'undici';
import { messageOf, type MmdeployError } from '../../errors.ts';
import { connectEngine } from '../engine-target.ts';
import { nextState, type EngineEvent, type EngineState } from '../state.ts';
import { Changes } from './changes.ts';
import { startEngineProcess, type EngineProcess } from './engine-process.ts';
import { MemoryRelief } from './memory-relief.ts';
import type { EngineSettings, SupervisorOptions } from './options.ts';
import { waitUntilReady } from './readiness.ts';
import { Restarts } from './restarts.ts';
import { crashLoop, interrupted, startError } from './start-error.ts';
import { describeEnd, type ProcessEnd } from './start-failure.ts';
import { stopProcess } from './stop-process.ts';
import { LastUse, watchLife, type Finding } from './watch-life.ts';
import type { Cancellation } from '../seams.ts';

/**
 * Keeps one engine running: starts it, waits until it is ready, restarts it after a crash or when it
 * hangs, with less when memory ran out, unloads it when nobody asks, stops it.
 */
export class Supervisor {
  readonly #options: SupervisorOptions;
  readonly #stopping = new AbortController();
  readonly #forcing = new AbortController();
  readonly #changes = new Changes();
  readonly #relief: MemoryRelief;
  readonly #restarts: Restarts;
  readonly #lastUse = new LastUse();
  #state: EngineState = 'stopped';
  #process: EngineProcess | null = null;
  #client: Pool | null = null;
  #life = 0;
  #asleep = false;
  #draining = false;
  #recovering = false;
  #stuck: string | null = null;
  #failure: MmdeployError | null = null;
  #giveUp: (error: MmdeployError) => void = () => undefined;
  /** Resolves when the restarts are used up; never otherwise. */
  readonly gaveUp: Promise<MmdeployError>;

  constructor(options: SupervisorOptions) {
    this.#options = options;
    this.#relief = new MemoryRelief(options);
    this.#restarts = new Restarts(options.restart, options.random);
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

  /** A client of the engine while it is ready or draining: nobody can reach one that still loads. */
  get engine(): Pool | null {
    return this.#state === 'ready' || this.#state === 'draining' ? this.#client : null;
  }

  /** Counts the engine's starts. */
  get life(): number {
    return this.#life;
  }

  /** Counts the times that memory ran out and the next engine had less. */
  get reliefs(): number {
    return this.#relief.steps;
  }

  /** What the engine of this life was started with; without host and port. */
  get settings(): EngineSettings {
    const { args, current } = this.#relief;
    return { life: this.#life, args, relief: current };
  }

  /** Unloaded because nobody asked: able to serve, after a start that `whenReady` sets off. */
  get asleep(): boolean {
    return this.#asleep;
  }

  /**
   * The engine as soon as it is ready; an engine that sleeps is woken. Rejects when `signal` is aborted
   * (with its reason), with `engine.crashed` once the restarts are used up, and with `interrupted` when
   * the server stops.
   */
  async whenReady(signal: Cancellation): Promise<Pool> {
    for (;;) {
      if (signal.aborted) throw signal.reason;
      this.#lastUse.touch();
      if (this.engine !== null) return this.engine;
      if (this.#failure !== null) throw this.#failure;
      if (this.#isOver()) throw interrupted('the server is stopping');
      if (this.#asleep) this.#wake();
      await this.#changes.next(signal);
    }
  }

  /** Whole seconds, at least 1, after which asking again is worth it. */
  get retryAfterSeconds(): number {
    return this.#restarts.retryAfterSeconds;
  }

  /** Tells the restart policy that this engine does answer. */
  requestCompleted(): void {
    this.#restarts.requestCompleted();
  }

  /**
   * Starts the engine and returns when it is ready. A first start that fails is repeated only with less
   * memory: it throws `engine.start` with the reason and the log's tail, or `interrupted` when stopped
   * meanwhile.
   */
  async start(): Promise<void> {
    for (;;) {
      try {
        await this.#launch();
        return;
      } catch (error) {
        if (this.#stopping.signal.aborted || !(await this.#relief.take(this.#process))) throw error;
      }
    }
  }

  /** From now on the engine finishes what it has; a crash is not made good any more. */
  drain(): void {
    this.#draining = true;
    if (this.#state === 'ready') this.#apply('drain');
    this.#changes.tell();
  }

  /** Ends the engine and every restart; returns when its process is gone. */
  async stop(): Promise<void> {
    this.#stopping.abort();
    this.#asleep = false;
    this.#changes.tell();
    await this.#endProcess();
  }

  /** Turns a `stop` that is waiting, or the next one, into a kill. */
  force(): void {
    this.#forcing.abort();
  }

  async #launch(): Promise<void> {
    const { command, readyTimeoutMs, onPhase } = this.#options;
    const { signal } = this.#stopping;
    if (this.#stopping.signal.aborted) throw interrupted('stopped before the engine started');
    this.#apply('start');
    this.#restarts.starting();
    this.#stuck = null;
    const startedAt = performance.now();
    const engine = startEngineProcess({ ...command, args: this.#relief.args });
    this.#process = engine;
    void engine.exited.then((end) => this.#onExit(engine, end));
    onPhase({ kind: 'loading', pid: engine.pid, logFile: engine.log.path });
    const polled = await waitUntilReady(engine, readyTimeoutMs, signal);
    // It may have been stopped, or have died, while the last poll was answered.
    const readiness = signal.aborted ? 'aborted' : engine.end() === null ? polled : 'exited';
    const target = engine.target();
    if (readiness !== 'ready' || target === null) {
      await stopProcess(engine, this.#options.stop, this.#forcing.signal);
      throw await startError(engine, readiness, readyTimeoutMs);
    }
    this.#client = connectEngine(target);
    this.#life += 1;
    this.#restarts.ready();
    this.#lastUse.touch();
    this.#apply('healthy');
    if (this.#draining) this.#apply('drain');
    onPhase({ kind: 'ready', tookMs: performance.now() - startedAt, target });
    void watchLife(engine, this.#client, this.#options, this.#lastUse, signal, (finding) => {
      this.#onFinding(engine, finding);
    });
  }

  #onFinding(engine: EngineProcess, finding: Finding): void {
    if (finding.kind === 'stuck') {
      this.#stuck = finding.reason;
      engine.signalGroup('SIGKILL');
    } else if (this.#state === 'ready') {
      if (finding.kind === 'unused') void this.#unload(finding.afterMs);
      else if (this.#relief.after(engine) !== null) void this.#restartWithLess();
    }
  }

  async #unload(afterMs: number): Promise<void> {
    await this.#endProcess();
    if (this.#isOver()) return;
    this.#asleep = true;
    this.#options.onPhase({ kind: 'asleep', afterMs });
    // Whoever asked in the meantime wakes it.
    this.#changes.tell();
  }

  #wake(): void {
    this.#asleep = false;
    void this.#recover(null);
  }

  async #restartWithLess(): Promise<void> {
    await this.#endProcess();
    if (this.#isOver() || !(await this.#relief.take(this.#process))) return;
    await this.#recover(null);
  }

  #onExit(engine: EngineProcess, end: ProcessEnd): void {
    if (this.#process !== engine) return;
    const crashed = this.#state === 'ready' && !this.#stopping.signal.aborted;
    this.#apply('exited');
    if (crashed) void this.#recover(this.#stuck ?? describeEnd(end));
  }

  /** Brings the engine back; `crash` is why it went, null when it was stopped on purpose. */
  async #recover(crash: string | null): Promise<void> {
    this.#recovering = true;
    await this.#disconnect();
    let reason = crash;
    while (reason === null || (await this.#mayRestart(reason))) {
      try {
        await this.#launch();
        break;
      } catch (error) {
        if (this.#stopping.signal.aborted) break;
        reason = messageOf(error);
      }
    }
    this.#recovering = false;
    this.#changes.tell();
  }

  /** Waits as long as the policy says; false when it gives up, or the supervisor is stopped. */
  async #mayRestart(reason: string): Promise<boolean> {
    const { onPhase } = this.#options;
    if (this.#relief.after(this.#process) !== null) {
      onPhase({ kind: 'crashed', reason, restartInMs: 0, relieved: true });
      return this.#relief.take(this.#process);
    }
    const restartInMs = this.#restarts.crashed();
    onPhase({ kind: 'crashed', reason, restartInMs, relieved: false });
    if (restartInMs !== null) return this.#restarts.wait(restartInMs, this.#stopping.signal);
    this.#failure = crashLoop(this.#restarts.fruitlessCrashes, reason, this.#process);
    this.#apply('gave-up');
    this.#giveUp(this.#failure);
    return false;
  }

  async #endProcess(): Promise<void> {
    if (this.#process !== null && this.#process.end() === null) {
      this.#apply('stop');
      await stopProcess(this.#process, this.#options.stop, this.#forcing.signal);
    }
    await this.#disconnect();
  }

  async #disconnect(): Promise<void> {
    const client = this.#client;
    this.#client = null;
    await client?.destroy();
  }

  #isOver(): boolean {
    if (this.#stopping.signal.aborted) return true;
    return this.#draining && this.#state === 'stopped' && !this.#recovering;
  }

  #apply(event: EngineEvent): void {
    const state = nextState(this.#state, event);
    if (state === null) throw new Error(`engine event \`${event}\` in state \`${this.#state}\``);
    this.#state = state;
    this.#changes.tell();
  }
}
