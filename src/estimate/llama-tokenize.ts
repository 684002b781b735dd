import { engineEnvironment } from '../engine/environment.ts';
import { MmdeployError } from '../errors.ts';
import type { RunCommand } from '../process/run.ts';
import type { SpecialToken } from '../tokens/text/special-tokens.ts';
import { MIB } from '../units.ts';

export type TokenizeTool = {
  readonly path: string;
  /** A GGUF file; only its vocabulary is read. */
  readonly model: string;
  /** What may part texts that are asked about together. */
  readonly separators: readonly SpecialToken[];
  readonly run: RunCommand;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly signal: AbortSignal;
};

/** Of one process: the engine's search for special tokens grows with the square of the texts. */
const MOST_TEXTS = 2048;
const MOST_CHARACTERS = MIB;
/** A large vocabulary takes seconds to load from a slow disk. */
const TIMEOUT_MS = 120_000;
const TIMEOUT_MS_PER_MIB = 60_000;
/** A token for every byte at worst, each six digits and what parts it from the next. */
const MOST_OUTPUT = { least: MIB, perByte: 8 };
const LAST_WORDS = 300;

/**
 * How many tokens the engine makes of each text, special tokens parsed, none added at the edges: in as few
 * processes as go. Throws `engine.crashed` where the engine fails, and the signal's reason.
 */
export async function countTexts(
  tool: TokenizeTool,
  texts: readonly string[],
): Promise<readonly number[]> {
  const counts = new Map<string, number>();
  let left = texts;
  for (const separator of tool.separators) {
    const holding: string[] = [];
    for (const batch of batchesOf(left, separator.text, holding)) {
      const found = await countTogether(tool, batch, separator);
      // Another number of parts than texts: the engine cuts otherwise than is thought here.
      if (found === null) holding.push(...batch);
      else for (const [at, text] of batch.entries()) counts.set(text, found[at] ?? 0);
    }
    left = holding;
  }
  for (const text of left) counts.set(text, (await tokenIds(tool, text)).length);
  return texts.map((text) => counts.get(text) ?? 0);
}

/** Texts for one process each; those that hold the separator are put by. */
function* batchesOf(
  texts: readonly string[],
  separator: string,
  holding: string[],
): Generator<readonly string[]> {
  let batch: string[] = [];
  let characters = 0;
  for (const text of texts) {
    if (text.includes(separator)) {
      holding.push(text);
      continue;
    }
    const full = batch.length === MOST_TEXTS || characters + text.length > MOST_CHARACTERS;
    if (full && batch.length > 0) {
      yield batch;
      batch = [];
      characters = 0;
    }
    batch.push(text);
    characters += text.length + separator.length;
  }
  if (batch.length > 0) yield batch;
}

/** Null where the engine sees another number of texts. */
async function countTogether(
  tool: TokenizeTool,
  texts: readonly string[],
  { id: separator, text: between }: SpecialToken,
): Promise<readonly number[] | null> {
  const counts = [0];
  for (const id of await tokenIds(tool, texts.join(between))) {
    if (id === separator) counts.push(0);
    else counts[counts.length - 1] = (counts.at(-1) ?? 0) + 1;
  }
  return counts.length === texts.length ? counts : null;
}

/**
 * Tokens of one text, which is not empty. `edges`: with those that the model's tokenizer adds where it
 * adds one in front. Throws as `countTexts`.
 */
export async function tokenIds(
  { path, model, run, env, signal }: TokenizeTool,
  text: string,
  { edges = false }: { readonly edges?: boolean } = {},
): Promise<readonly number[]> {
  signal.throwIfAborted();
  const flags = [
    '--stdin',
    '--ids',
    '--no-escape',
    '--log-disable',
    ...(edges ? [] : ['--no-bos']),
  ];
  const bytes = Buffer.byteLength(text);
  const result = await run(path, ['-m', model, ...flags], {
    timeoutMs: TIMEOUT_MS + Math.ceil(bytes / MIB) * TIMEOUT_MS_PER_MIB,
    maxBytes: MOST_OUTPUT.least + bytes * MOST_OUTPUT.perByte,
    env: engineEnvironment(env),
    signal,
    input: text,
  });
  signal.throwIfAborted();
  const ids = result.code === 0 ? idsOf(result.stdout) : null;
  if (ids !== null) return ids;
  const how = result.code === null ? result.outcome : `exit code ${result.code}`;
  throw new MmdeployError('engine.crashed', `${path} could not count a text (${how})`, {
    details: [result.stderr.trim().slice(-LAST_WORDS)].filter((line) => line !== ''),
    hints: [
      'count with a tokenizer.json of the model: `mmdeploy estimate --tokenizer FILE …`',
      'see what is wrong with the engine: `mmdeploy doctor`',
    ],
  });
}

/** `[1, 2, 3]`; null for anything else. */
function idsOf(printed: string): readonly number[] | null {
  const list = /^\[[\d, ]*\]\s*$/.exec(printed)?.[0];
  return list === undefined ? null : (JSON.parse(list) as number[]);
}
