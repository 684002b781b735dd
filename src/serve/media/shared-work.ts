import type { StoredMedia } from './types.ts';

export type Share = {
  readonly media: readonly StoredMedia[];
  /** The media are released when everybody who shares the work has done this. */
  readonly release: () => void;
};

type Work = {
  readonly result: Promise<readonly StoredMedia[]>;
  readonly abort: AbortController;
  sharers: number;
  /** null until it is done. */
  media: readonly StoredMedia[] | null;
};

/**
 * Requests for the same medium at the same time decode it once. The work is stopped when the last of
 * them has gone away, and not before.
 */
export class SharedWork {
  readonly #running = new Map<string, Work>();

  /** `make` is called when nobody is at it; what it returns is pinned once, for all. */
  async join(
    key: string,
    signal: AbortSignal,
    make: (signal: AbortSignal) => Promise<readonly StoredMedia[]>,
  ): Promise<Share> {
    signal.throwIfAborted();
    const work = this.#running.get(key) ?? this.#start(key, make);
    work.sharers += 1;
    let left = false;
    const release = () => {
      if (left) return;
      left = true;
      work.sharers -= 1;
      if (work.sharers === 0) this.#end(key, work);
    };
    try {
      return { media: await abortable(work.result, signal), release };
    } catch (error) {
      release();
      throw error;
    }
  }

  #start(key: string, make: (signal: AbortSignal) => Promise<readonly StoredMedia[]>): Work {
    const abort = new AbortController();
    const work: Work = { result: make(abort.signal), abort, sharers: 0, media: null };
    this.#running.set(key, work);
    // Who comes later asks the store.
    work.result.then(
      (media) => {
        work.media = media;
        this.#forget(key, work);
        if (work.sharers === 0) releaseAll(media);
      },
      () => this.#forget(key, work),
    );
    return work;
  }

  #end(key: string, work: Work): void {
    this.#forget(key, work);
    work.abort.abort(new Error('nobody waits for this medium any more'));
    releaseAll(work.media ?? []);
  }

  #forget(key: string, work: Work): void {
    if (this.#running.get(key) === work) this.#running.delete(key);
  }
}

function releaseAll(media: readonly StoredMedia[]): void {
  for (const each of media) each.release();
}

/** The result, or the signal's reason as soon as it is aborted: the work goes on for the others. */
function abortable<Result>(result: Promise<Result>, signal: AbortSignal): Promise<Result> {
  let leave: () => void = () => undefined;
  const left = new Promise<never>((_, reject) => {
    leave = () => reject(signal.reason as Error);
    signal.addEventListener('abort', leave, { once: true });
  });
  return Promise.race([result, left]).finally(() => signal.removeEventListener('abort', leave));
}
