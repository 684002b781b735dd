import { hash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { DEATH_IS_KNOWN_MS } from '../../engine-fate.ts';
import type { PreparedMedia } from '../../seams.ts';
import type { Digests, Quarantine, SuspectHandle } from '../../quarantine.ts';
import { GatewayError } from '../errors.ts';

/** From when a request is given to the engine until it comes back, in whichever way. */
type Stay = { readonly handle: SuspectHandle; readonly engineGone: Promise<void> };

/** What a request is known by: its media, since one of them may be what kills the engine; else its words. */
export function suspectDigests(
  media: readonly (readonly Pick<PreparedMedia, 'key'>[])[],
  text: string,
): Digests {
  const keys = media.flat().map(({ key }) => key);
  if (keys.length > 0) return () => keys;
  let known: readonly string[] | null = null;
  return () => (known ??= [hash('sha256', text)]);
}

/** When one request is at the engine, as the quarantine has to know it: not while it waits for a slot. */
export class AtEngine {
  readonly #quarantine: Quarantine;
  readonly #digests: Digests;
  #stay: Stay | null = null;

  constructor(quarantine: Quarantine, digests: Digests) {
    this.#quarantine = quarantine;
    this.#digests = digests;
  }

  /** Throws `quarantined` (502) for what the engine died of before. */
  admit(): void {
    const refusal = this.#quarantine.admit(this.#digests);
    if (refusal === null) return;
    throw new GatewayError(
      502,
      'quarantined',
      `the engine died ${refusal.crashes} times while it worked on this (${refusal.digest.slice(0, 16)}): it is not given it again for a while`,
      refusal.retryAfterSeconds,
    );
  }

  begin(): void {
    if (this.#stay !== null) return;
    let tell = () => {};
    const engineGone = new Promise<void>((resolve) => (tell = resolve));
    this.#stay = { handle: this.#quarantine.started(this.#digests, tell), engineGone };
  }

  end(how: 'completed' | 'gone'): void {
    this.#stay?.handle.finished(how);
    this.#stay = null;
  }

  /**
   * The engine went away: the request is a suspect until its death is known, or for so long that only the
   * connection can have broken. Resolves then, with whether the request was at the engine at all:
   * `reached` is false where there was nobody to take it.
   */
  async lost(reached: boolean): Promise<boolean> {
    const stay = this.#stay;
    this.#stay = null;
    if (stay === null || !reached) {
      stay?.handle.finished('gone');
      return false;
    }
    const known = new AbortController();
    const { signal } = known;
    const longEnough = delay(DEATH_IS_KNOWN_MS, undefined, { ref: false, signal });
    await Promise.race([stay.engineGone, longEnough.catch(() => undefined)]);
    known.abort();
    stay.handle.finished('gone');
    return true;
  }
}
