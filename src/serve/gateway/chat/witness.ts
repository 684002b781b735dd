import type { Pool } from 'undici';
import type { EngineSource, PreparedMedia } from '../../seams.ts';
import { GatewayError } from '../errors.ts';
import type { Json } from '../json.ts';
import { expectedDifference, judge, referenceKind, type References } from './seen.ts';
import type { EngineMedia, TakenApart } from './taken-apart.ts';

/** Counts the tokens of a request without running the model; null where the engine cannot. */
export type CountInput = (
  engine: Pool,
  path: string,
  body: Json,
  signal: AbortSignal,
) => Promise<number | null>;

export type WitnessOptions = {
  readonly source: Pick<EngineSource, 'life'>;
  readonly countInput: CountInput;
  /** A tiny medium of each kind that the model takes, with its tokens by the rule; null: it has none. */
  readonly references: References;
  readonly onOdd: (what: string) => void;
};

/** Keys that are remembered as seen; 32 hex digits each, a few MiB at most. */
const REMEMBERED = 20_000;

/**
 * The proof that the model saw what was sent. llama-server loses some media without a word (an answer
 * with status 200 about no picture at all), so the engine's own count of the request is compared with
 * the rule's: once with the media, once with a tiny known medium in each one's place. The texts are the
 * same in both, so the difference is the media's alone. No encoding is done for it. What was seen once
 * in an engine's life is not asked about again.
 */
export class Witness {
  readonly #options: WitnessOptions;
  readonly #seen = new Set<string>();
  #life = 0;

  constructor(options: WitnessOptions) {
    this.#options = options;
  }

  /** Throws `media_not_seen` (502) with both numbers; true when the engine was asked. */
  async check(
    engine: Pool,
    path: string,
    taken: TakenApart,
    media: readonly (readonly PreparedMedia[])[],
    signal: AbortSignal,
  ): Promise<boolean> {
    const { source, references, countInput, onOdd } = this.#options;
    if (source.life !== this.#life) this.#seen.clear();
    this.#life = source.life;
    const life = source.life;
    const flat = media.flat();
    if (flat.every(({ key }) => this.#seen.has(key))) return true;
    const difference = expectedDifference(flat, references);
    const instead = media.map((list) =>
      difference === null ? [] : list.map(({ kind }) => referenceOf(references, kind)),
    );
    const [withMedia, without] = await Promise.all([
      countInput(engine, path, taken.putBack(media), signal),
      countInput(engine, path, taken.putBack(instead), signal),
    ]);
    if (withMedia === null || without === null) return false;
    const verdict = judge(flat, difference, withMedia - without);
    if (verdict.kind === 'lost') throw new GatewayError(502, 'media_not_seen', verdict.message);
    if (verdict.kind === 'odd') onOdd(verdict.message);
    if (life === this.#life) for (const { key } of flat) this.#remember(key);
    return true;
  }

  #remember(key: string): void {
    this.#seen.add(key);
    if (this.#seen.size <= REMEMBERED) return;
    const [oldest] = this.#seen;
    if (oldest !== undefined) this.#seen.delete(oldest);
  }
}

function referenceOf(references: References, of: PreparedMedia['kind']): EngineMedia {
  const kind = referenceKind(of);
  const reference = references[kind];
  if (reference === null) throw new Error(`no reference for ${kind}`);
  return { kind, url: reference.url };
}
