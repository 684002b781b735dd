import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import type { EngineName } from '../contracts/basis.ts';
import { MmdeployError, messageOf } from '../errors.ts';
import type { GgufHeader } from '../gguf/header.ts';
import { readGgufHeader } from '../gguf/read-file.ts';
import { ownFileName } from '../plan/files.ts';
import type { Profile } from '../profiles/layers.ts';
import type { Encoding } from '../tokens/text/openai.ts';
import { openAiVocabulary } from '../tokens/text/openai.ts';
import { tokenizerJsonVocabulary } from '../tokens/text/tokenizer-json.ts';
import type { Vocabulary } from '../tokens/text/vocabulary.ts';
import { vocabularyOf } from '../tokens/text/vocabulary.ts';
import type { Context } from './context.ts';
import { engineText } from './engine-text.ts';
import type { LoadedModel } from './model.ts';

/** What text costs a model: its vocabulary and the template of its chats; null where they are not at hand. */
export type TextSide = {
  readonly vocabulary: Vocabulary | null;
  readonly chatTemplate: string | null;
  /** The kind of a vocabulary that is at hand but only the engine can count with, and why it does not here. */
  readonly unsupported?: { readonly kind: string; readonly why: string };
};

const require = createRequire(import.meta.url);

/** At once, where a text is first counted: whether there will be one is not known before. */
function loadEncoding(name: string): Encoding {
  return require(`gpt-tokenizer/encoding/${name}`) as Encoding;
}

const UNKNOWN: TextSide = { vocabulary: null, chatTemplate: null };

/**
 * The text side of a model: of the file given with `--tokenizer`, of its own GGUF file, of one of that
 * profile in `MODELS_DIR`, or as its vendor publishes it. Throws `file.missing` and `usage.invalid` for a
 * file that is not there or holds no vocabulary that can be counted with.
 */
export async function textSideOf(
  loaded: LoadedModel,
  asked: { readonly tokenizer: string | null; readonly engine: EngineName },
  ctx: Context,
): Promise<TextSide> {
  if (asked.tokenizer !== null) return givenTextSide(asked.tokenizer, asked.engine, ctx);
  const { headers, profile, source } = loaded;
  if (headers !== null) return textSideOfGguf(headers.model, ctx);
  const file = profile === null ? null : fileOfProfile(profile, ctx);
  if (file !== null) return forEngine(await textSideOfGguf(file, ctx), asked.engine);
  return { ...UNKNOWN, vocabulary: openAiVocabulary(source.model.id, loadEncoding) };
}

/** Counted here where the vocabulary is of a kind that is followed here, else by the engine that is installed. */
async function textSideOfGguf(header: GgufHeader, ctx: Context): Promise<TextSide> {
  const stored = header.get('tokenizer.chat_template');
  const chatTemplate = typeof stored === 'string' ? stored : null;
  const own = vocabularyOf(header.metadata);
  if (own.kind === 'vocabulary') return { vocabulary: own, chatTemplate };
  const asked = own.model === 'none' ? null : await engineText(header, ctx);
  if (asked?.kind === 'vocabulary') return { vocabulary: asked.vocabulary, chatTemplate };
  const why = asked?.why ?? 'the file has none';
  return { vocabulary: null, chatTemplate, unsupported: { kind: own.model, why } };
}

/** Read as llama.cpp reads it; another engine has a tokenizer of its own, which may differ in details. */
function forEngine(side: TextSide, engine: EngineName): TextSide {
  const { vocabulary } = side;
  if (vocabulary === null || engine === 'llama.cpp') return side;
  return { ...side, vocabulary: { ...vocabulary, confidence: 'formula' } };
}

/** A published or self-made file of a profile's language model in `MODELS_DIR`; null for none that is whole. */
function fileOfProfile({ id, files }: Profile, { env, cwd }: Context): GgufHeader | null {
  const folder = env['MODELS_DIR'];
  if (folder === undefined || folder === '' || files === undefined) return null;
  const names = Object.entries(files.model).flatMap(([quant, published]) => [
    published.split('/').at(-1) ?? published,
    ownFileName(id, 'model', quant),
  ]);
  const path = names.map((name) => resolve(cwd, folder, name)).find(existsSync);
  if (path === undefined) return null;
  try {
    return readGgufHeader(path);
  } catch (error) {
    if (error instanceof MmdeployError) return null;
    throw error;
  }
}

async function givenTextSide(given: string, engine: EngineName, ctx: Context): Promise<TextSide> {
  const path = resolve(ctx.cwd, given);
  const side = given.endsWith('.json')
    ? await textSideOfJson(path, given)
    : forEngine(await textSideOfGguf(readGgufHeader(path), ctx), engine);
  if (side.vocabulary !== null) return side;
  const { kind, why } = side.unsupported ?? { kind: 'none', why: '' };
  throw unusable(given, `its vocabulary (${kind}) is not counted here: ${why}`);
}

async function textSideOfJson(path: string, given: string): Promise<TextSide> {
  const tokenizer = await readJson(path, given);
  if (tokenizer === null) {
    throw new MmdeployError('file.missing', `\`--tokenizer ${given}\`: no such file`, {
      hints: ['name a tokenizer.json or a GGUF file: `mmdeploy estimate --tokenizer FILE …`'],
    });
  }
  const beside = (name: string) => join(dirname(path), name);
  const config = (await readJson(beside('tokenizer_config.json'), given)) ?? {};
  const vocabulary = await tokenizerJsonVocabulary(tokenizer, config);
  if (vocabulary.kind !== 'vocabulary') throw unusable(given, vocabulary.model);
  const own = config['chat_template'];
  const template = typeof own === 'string' ? own : await readText(beside('chat_template.jinja'));
  return { vocabulary, chatTemplate: template };
}

/** Null where there is no such file. Throws `usage.invalid` for one that holds no JSON object. */
async function readJson(path: string, given: string): Promise<Record<string, unknown> | null> {
  const text = await readText(path);
  if (text === null) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw unusable(given, `${path}: ${messageOf(error)}`);
  }
  if (typeof value === 'object' && value !== null) return { ...value };
  throw unusable(given, `${path} holds no object`);
}

async function readText(path: string): Promise<string | null> {
  return existsSync(path) ? readFile(path, 'utf8') : null;
}

function unusable(given: string, why: string): MmdeployError {
  return new MmdeployError('usage.invalid', `\`--tokenizer ${given}\`: ${why}`, {
    hints: ['without it text is estimated by its characters: `mmdeploy estimate …`'],
  });
}
