import { hash } from 'node:crypto';
import type { Pool } from 'undici';
import type { EngineSource, PreparedMedia } from '../../seams.ts';
import { GatewayError } from '../errors.ts';
import type { Json } from '../json.ts';
import {
  expectedDifference,
  judge,
  judgeAnswer,
  referenceKind,
  type References,
  type Verdict,
} from './seen.ts';
import type { EngineMedia, TakenApart } from './taken-apart.ts';

/** Counts the tokens of a request without running the model; null where the engine cannot. */
export type CountInput = (
  engine: Pool,
  path: string,
  body: Json,
  signal: AbortSignal,
) => Promise<number | null>;

/** Counts what is written in a prompt beside its media; null where the engine cannot. */
export type CountText = (
  engine: Pool,
  taken: TakenApart,
  media: readonly (readonly PreparedMedia[])[],
  signal: AbortSignal,
) => Promise<number | null>;

/**
 * What is left to be looked at when an answer is there: takes the tokens of the prompt that it was made
 * from by the engine's `usage`, null where that says nothing. Throws `media_not_seen` (502).
 */
export type AnswerCheck = (promptTokens: number | null) => void;

export type WitnessOptions = {
  readonly source: Pick<EngineSource, 'life'>;
  readonly countInput: CountInput;
  readonly countText: CountText;
  /** A tiny medium of each kind that the model takes, with its tokens by the rule; null: it has none. */
  readonly references: References;
  readonly onOdd: (what: string) => void;
};

/** Media that are remembered as seen. */
const REMEMBERED = 20_000;

/**
 * The proof that the model saw what was sent. llama-server loses some media without a word (an answer
 * with status 200 about no picture at all), so the engine's own count of the request is compared with
 * the rule's: once with the media, once with a tiny known medium in each one's place. The texts are the
 * same in both, so the difference is the media's alone. No encoding is done for it. What was seen once
 * in an engine's life is not asked about again. An engine that cannot be asked is checked by its answer.
 */
export class Witness {
  readonly #options: WitnessOptions;
  /** `brief` keys, the oldest first. */
  readonly #seen = new Set<string>();
  /** Counting routes that this engine does not have. */
  readonly #missing = new Set<string>();
  #life = 0;

  constructor(options: WitnessOptions) {
    this.#options = options;
  }

  /**
   * Throws `media_not_seen` (502) with both numbers. null: all was seen; else the answer has to pass what
   * is returned.
   */
  async check(
    engine: Pool,
    path: string,
    taken: TakenApart,
    media: readonly (readonly PreparedMedia[])[],
    signal: AbortSignal,
  ): Promise<AnswerCheck | null> {
    const { source, references, countInput, countText } = this.#options;
    if (source.life !== this.#life) {
      this.#seen.clear();
      this.#missing.clear();
    }
    this.#life = source.life;
    const life = source.life;
    const flat = media.flat();
    if (flat.every(({ key }) => this.#seen.has(brief(key)))) return null;
    const difference = expectedDifference(flat, references);
    const instead = media.map((list) =>
      difference === null ? [] : list.map(({ kind }) => referenceOf(references, kind)),
    );
    if (!this.#missing.has(path)) {
      const [withMedia, without] = await Promise.all([
        countInput(engine, path, taken.putBack(media), signal),
        countInput(engine, path, taken.putBack(instead), signal),
      ]);
      if (withMedia !== null && without !== null) {
        this.#act(judge(flat, difference, withMedia - without), flat, life);
        return null;
      }
      if (life === this.#life) this.#missing.add(path);
    }
    const text = await countText(engine, taken, media, signal);
    return (promptTokens) => this.#actOnAnswer(flat, text, promptTokens, life);
  }

  #actOnAnswer(
    media: readonly PreparedMedia[],
    text: number | null,
    promptTokens: number | null,
    life: number,
  ): void {
    if (promptTokens === null) {
      throw notSeen('the engine does not tell how many tokens it read: nothing shows what it saw');
    }
    this.#act(judgeAnswer(media, text, promptTokens), text === null ? [] : media, life);
  }

  #act(verdict: Verdict, proven: readonly PreparedMedia[], life: number): void {
    if (verdict.kind === 'lost') throw notSeen(verdict.message);
    if (verdict.kind === 'odd') this.#options.onOdd(verdict.message);
    if (life === this.#life) for (const { key } of proven) this.#remember(key);
  }

  #remember(key: string): void {
    this.#seen.add(brief(key));
    if (this.#seen.size <= REMEMBERED) return;
    const [oldest] = this.#seen;
    if (oldest !== undefined) this.#seen.delete(oldest);
  }
}

/**
 * 128 bits of a key in a string of its own: one that is a part of a file's name would keep the whole name.
 */
function brief(key: string): string {
  return hash('sha256', key, 'buffer').toString('latin1', 0, 16);
}

function notSeen(message: string): GatewayError {
  return new GatewayError(502, 'media_not_seen', message);
}

function referenceOf(references: References, of: PreparedMedia['kind']): EngineMedia {
  const kind = referenceKind(of);
  const reference = references[kind];
  if (reference === null) throw new Error(`no reference for ${kind}`);
  return { kind, url: reference.url };
}
