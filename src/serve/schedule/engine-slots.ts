import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import type { Pool } from 'undici';
import type { PromptUsage } from '../seams.ts';
import { primeBody } from './prime-body.ts';

/** What the engine did with a request that was sent ahead. */
type Primed =
  | { readonly kind: 'primed'; readonly usage: PromptUsage | null }
  /** It answered with an error; the request itself will show which. */
  | { readonly kind: 'refused'; readonly status: number };

type SavedSlot = { readonly bytes: number; readonly tokens: number; readonly ms: number };

/**
 * The engine's side of its slots. Everything rejects when the engine goes away in the middle; nothing
 * has a time limit of its own: the engine does these between two steps of its one loop, so they take as
 * long as whatever it is at, and an engine that hangs is the supervisor's to end.
 */
export type EngineSlots = {
  /** null where the engine does not tell (`--no-slots`). */
  readonly count: (engine: Pool) => Promise<number | null>;
  /** Whether the slot is still at work; false where the engine does not tell. */
  readonly isBusy: (engine: Pool, slot: number) => Promise<boolean>;
  readonly prime: (
    engine: Pool,
    request: { readonly path: string; readonly body: Readonly<Record<string, unknown>> },
    slot: number,
  ) => Promise<Primed>;
  /** The file's size and how long the engine stood still for it; null where the engine cannot (older builds with a projector: 501). */
  readonly save: (engine: Pool, slot: number, file: string) => Promise<SavedSlot | null>;
  /** False when the file does not fit the slot, or is no slot file. */
  readonly restore: (engine: Pool, slot: number, file: string) => Promise<boolean>;
  readonly erase: (engine: Pool, slot: number) => Promise<boolean>;
};

/** The slots of a llama-server; files are names below its `--slot-save-path`. */
export const LLAMA_SLOTS: EngineSlots = {
  count: async (engine) => (await slotList(engine))?.length ?? null,

  isBusy: async (engine, slot) => {
    const found = (await slotList(engine))?.find((each) => each['id'] === slot);
    return found?.['is_processing'] === true;
  },

  prime: async (engine, { path, body }, slot) => {
    const { status, json } = await post(engine, path, primeBody(body, path, slot));
    return status === 200
      ? { kind: 'primed', usage: promptUsage(json) }
      : { kind: 'refused', status };
  },

  save: async (engine, slot, file) => {
    const { status, json } = await act(engine, slot, 'save', { filename: file });
    const [bytes, tokens] = [json['n_written'], json['n_saved']];
    const ms = asObject(json['timings'])['save_ms'];
    if (status !== 200 || typeof bytes !== 'number' || typeof tokens !== 'number') return null;
    // A file that it could not write it reports as one of no bytes.
    if (tokens === 0 || bytes === 0) return null;
    return { bytes, tokens, ms: typeof ms === 'number' ? ms : 0 };
  },

  restore: async (engine, slot, file) => {
    const { status, json } = await act(engine, slot, 'restore', { filename: file });
    return status === 200 && json['n_restored'] !== 0;
  },

  erase: async (engine, slot) => (await act(engine, slot, 'erase', {})).status === 200,
};

const FIRST_LOOK_MS = 10;
const LAST_EARLY_LOOK_MS = 160;
/**
 * llama-server (build 11669) sees that the client of an answer in one piece is gone once nothing has
 * happened in it for a second, and each look at `/slots` is something: looks at a shorter distance keep
 * the answer going to its end. All that wait look at the same moments.
 */
const LOOK_MS = 1250;

/** Returns when the engine is done with a request whose client is gone, or is `over` itself. Never rejects. */
export async function untilIdle(
  slots: EngineSlots,
  engine: Pool,
  slot: number,
  over: () => boolean,
): Promise<void> {
  for (let earlyMs = FIRST_LOOK_MS; ; earlyMs *= 2) {
    const waitMs =
      earlyMs <= LAST_EARLY_LOOK_MS ? earlyMs : LOOK_MS - (performance.now() % LOOK_MS);
    // It lets a stopping process end.
    await delay(waitMs, undefined, { ref: false });
    if (over() || !(await slots.isBusy(engine, slot).catch(() => false))) return;
  }
}

/** The prompt's figures in an answer of OpenAI's shape; null where it has none. */
export function promptUsage(answer: Readonly<Record<string, unknown>>): PromptUsage | null {
  const usage = asObject(answer['usage']);
  const promptTokens = usage['prompt_tokens'];
  const cachedTokens = asObject(usage['prompt_tokens_details'])['cached_tokens'];
  if (typeof promptTokens !== 'number' || typeof cachedTokens !== 'number') return null;
  return { promptTokens, cachedTokens };
}

type Answer = { readonly status: number; readonly json: Readonly<Record<string, unknown>> };

function act(engine: Pool, slot: number, action: string, body: object): Promise<Answer> {
  return post(engine, `/slots/${slot}?action=${action}`, body);
}

async function post(engine: Pool, path: string, body: object): Promise<Answer> {
  const response = await engine.request({
    path,
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(body),
  });
  return { status: response.statusCode, json: asObject(parsed(await response.body.text())) };
}

async function slotList(engine: Pool): Promise<Readonly<Record<string, unknown>>[] | null> {
  const response = await engine.request({ path: '/slots', method: 'GET' });
  const list = parsed(await response.body.text());
  return response.statusCode === 200 && Array.isArray(list) ? list.map(asObject) : null;
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? (value as Readonly<Record<string, unknown>>)
    : {};
}
