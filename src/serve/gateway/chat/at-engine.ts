import { createHash } from 'node:crypto';
import type { PreparedMedia } from '../../seams.ts';
import type { Quarantine, SuspectHandle } from '../../quarantine.ts';
import { GatewayError } from '../errors.ts';

/** A connection ends before its process is seen to: what was on it counts as there for so long. */
const DEATH_IS_KNOWN_MS = 1500;

/** What a request is known by: its media, since one of them may be what kills the engine; else its words. */
export function suspectDigests(
  media: readonly (readonly Pick<PreparedMedia, 'key'>[])[],
  text: string,
): readonly string[] {
  const keys = media.flat().map(({ key }) => key);
  if (keys.length > 0) return keys;
  return [createHash('sha256').update(text).digest('hex')];
}

/** When one request is at the engine, as the quarantine has to know it: not while it waits for a slot. */
export class AtEngine {
  readonly #quarantine: Quarantine;
  readonly #digests: readonly string[];
  #handle: SuspectHandle | null = null;

  constructor(quarantine: Quarantine, digests: readonly string[]) {
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
    this.#handle ??= this.#quarantine.started(this.#digests);
  }

  end(how: 'completed' | 'gone'): void {
    this.#handle?.finished(how);
    this.#handle = null;
  }

  /** The engine went away: the request is a suspect until its death is known. */
  lost(): void {
    const handle = this.#handle;
    this.#handle = null;
    if (handle !== null) setTimeout(() => handle.finished('gone'), DEATH_IS_KNOWN_MS).unref();
  }
}
