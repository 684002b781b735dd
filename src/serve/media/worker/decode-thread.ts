import { Worker } from 'node:worker_threads';
import type { Job, JobAnswer, JobKind, JobMessage, JobResult, JobResults } from './jobs.ts';
import { JobError } from './jobs.ts';

/** Beside this module in dist, and in dist/app, where the bundle has it under the same name. */
const WORKER = new URL('./decode-worker.js', import.meta.url);
/** A file that was made to take for ever is given up with its thread. */
const TIMEOUT_MS = 60_000;
/** WebAssembly gives no memory back: a thread is replaced after so many files. */
const MOST_JOBS = 200;
/** And ended when it has had nothing to do for so long. */
const IDLE_MS = 30_000;

type Waiting = {
  readonly job: Job;
  readonly signal: AbortSignal;
  readonly resolve: (result: JobResult) => void;
  readonly reject: (error: Error) => void;
};

/**
 * One thread beside the server's for decoders that are WebAssembly or JavaScript, started when the first
 * of them is needed. One job at a time; a job that is given up takes the thread with it.
 */
export class DecodeThread {
  readonly #file: URL;
  readonly #waiting: Waiting[] = [];
  #worker: Worker | null = null;
  #running = false;
  #jobs = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(file: URL | null = null) {
    this.#file = file ?? WORKER;
  }

  /** Rejects with `JobError` for what the file is to blame for, and with the signal's reason. */
  run<Kind extends JobKind>(
    job: Extract<Job, { readonly kind: Kind }>,
    signal: AbortSignal,
  ): Promise<JobResults[Kind]> {
    return new Promise<JobResult>((resolve, reject) => {
      this.#waiting.push({ job, signal, resolve, reject });
      void this.#next();
    }) as Promise<JobResults[Kind]>;
  }

  async #next(): Promise<void> {
    if (this.#running) return;
    clearTimeout(this.#idle);
    const next = this.#waiting.shift();
    if (next === undefined) {
      this.#idle = setTimeout(() => this.#end(), IDLE_MS).unref();
      return;
    }
    this.#running = true;
    try {
      next.signal.throwIfAborted();
      next.resolve(await this.#ask(next));
    } catch (error) {
      next.reject(error instanceof Error ? error : new Error(String(error)));
    } finally {
      this.#running = false;
      if (this.#jobs >= MOST_JOBS) this.#end();
      void this.#next();
    }
  }

  #ask({ job, signal }: Waiting): Promise<JobResult> {
    const worker = (this.#worker ??= this.#start());
    const id = (this.#jobs += 1);
    const limit = AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]);
    return new Promise<JobResult>((resolve, reject) => {
      const give = (error: Error) => {
        this.#end();
        finish();
        reject(error);
      };
      const onError = () => give(new JobError({ kind: 'damaged', why: 'its decoder failed' }));
      const onAbort = () =>
        give(
          signal.aborted
            ? (signal.reason as Error)
            : new JobError({ kind: 'damaged', why: `not decoded in ${TIMEOUT_MS / 1000} s` }),
        );
      const onMessage = (answer: JobAnswer) => {
        finish();
        if ('result' in answer) resolve(answer.result);
        else reject(new JobError(answer.failure));
      };
      const finish = () => {
        limit.removeEventListener('abort', onAbort);
        worker.off('error', onError).off('exit', onError).off('message', onMessage);
        worker.unref();
      };
      limit.addEventListener('abort', onAbort, { once: true });
      worker.on('error', onError).on('exit', onError).on('message', onMessage);
      worker.ref();
      worker.postMessage({ id, job } satisfies JobMessage);
    });
  }

  #start(): Worker {
    const worker = new Worker(this.#file, { stdout: true, stderr: true });
    // What a decoder prints is nothing that anybody asked for.
    worker.stdout.resume();
    worker.stderr.resume();
    // An error of an ended thread is nobody's any more.
    worker.on('error', () => undefined);
    worker.unref();
    this.#jobs = 0;
    return worker;
  }

  #end(): void {
    void this.#worker?.terminate();
    this.#worker = null;
  }
}
