import { existsSync } from 'node:fs';
import { engineProgram } from '../engine/sibling.ts';
import { MmdeployError } from '../errors.ts';
import type { TokenizeTool } from '../estimate/llama-tokenize.ts';
import { countTexts, tokenIds } from '../estimate/llama-tokenize.ts';
import type { GgufHeader } from '../gguf/header.ts';
import { askedVocabulary } from '../tokens/text/ahead.ts';
import { separatorsOf } from '../tokens/text/separators.ts';
import type { Edge } from '../tokens/text/token-lists.ts';
import { edgeToken, tokenLists, tokenizerFlag } from '../tokens/text/token-lists.ts';
import type { Vocabulary } from '../tokens/text/vocabulary.ts';
import type { Context } from './context.ts';
import { selectEngine } from './engine.ts';

export type EngineText =
  | { readonly kind: 'vocabulary'; readonly vocabulary: Vocabulary }
  /** Why the engine cannot count here either, in words. */
  | { readonly kind: 'none'; readonly why: string };

/**
 * The vocabulary of a model file of a kind that is not followed here, as the llama-tokenize of the installed
 * engine knows it. Never throws for want of one, and fetches nothing.
 */
export async function engineText(
  { path, metadata }: Pick<GgufHeader, 'path' | 'metadata'>,
  ctx: Context,
): Promise<EngineText> {
  try {
    const { engine } = await selectEngine(ctx, { flag: null, gpus: [] });
    const program = engineProgram(engine.path, ['llama-tokenize'], ctx.platform);
    if (program === null) return none(`no llama-tokenize belongs to ${engine.path}`);
    if (!existsSync(path)) return none('the file is not here');
    const lists = tokenLists(metadata);
    const separators = separatorsOf(lists);
    // A process for every text would take hours over a folder of them.
    if (separators.length === 0) return none('it has no token that could part texts');
    const tool = { ...ctx, path: program, model: path, separators };
    const edges = await edgesOf(tool, metadata, lists.tokens);
    const source = `llama-tokenize ${engine.version ?? 'of unknown version'}, with the model’s own vocabulary`;
    const ask = (texts: readonly string[]) => countTexts(tool, texts);
    return { kind: 'vocabulary', vocabulary: askedVocabulary({ ...edges, source }, ask) };
  } catch (error) {
    if (!(error instanceof MmdeployError)) throw error;
    const [hint] = error.hints;
    return none(hint === undefined ? error.message : `${error.message}; ${hint}`);
  }
}

function none(why: string): EngineText {
  return { kind: 'none', why };
}

/** What `llama_vocab::impl::load` takes where the file names no token. */
const DEFAULT_EDGES: Readonly<
  Record<string, { readonly bos: number | null; readonly eos: number | null }>
> = {
  t5: { bos: null, eos: 1 },
  bert: { bos: 101, eos: null },
  gpt2: { bos: 11, eos: 11 },
  plamo2: { bos: 1, eos: 2 },
};

/** Any text of which every vocabulary makes a token. */
const PROBE = 'a';

/** The tokens at the edges of a prompt: whether the engine adds them is seen by trying it. */
async function edgesOf(
  tool: TokenizeTool,
  metadata: GgufHeader['metadata'],
  tokens: readonly string[],
): Promise<Pick<Vocabulary, 'bos' | 'eos' | 'addBos' | 'addEos'>> {
  const plain = await tokenIds(tool, PROBE);
  const framed = await tokenIds(tool, PROBE, { edges: true });
  const added = framed.length - plain.length;
  const model = String(metadata.get('tokenizer.ggml.model'));
  const defaults = DEFAULT_EDGES[model] ?? { bos: null, eos: null };
  const named = (key: 'bos' | 'eos') => edgeToken(metadata, key, tokens, defaults[key]);
  const seen = (id: number | undefined): Edge => ({ id: id ?? 0, text: tokens[id ?? 0] ?? '' });
  if (added === 0) {
    // Without a token in front llama-tokenize adds none at the end either, whatever a server would do.
    const addEos = tokenizerFlag(metadata, 'add_eos_token', model === 't5');
    return { bos: named('bos'), eos: named('eos'), addBos: false, addEos };
  }
  const bos = seen(framed[0]);
  // The mark that BERT ends with is no end of text: where a template prints it, it stays.
  const last = model === 'bert' ? { ...seen(framed.at(-1)), text: '' } : seen(framed.at(-1));
  return { bos, eos: added > 1 ? last : named('eos'), addBos: true, addEos: added > 1 };
}
