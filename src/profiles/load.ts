import { readFile, readdir } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { z } from 'zod';
import { MmdeployError, messageOf } from '../errors.ts';
import { gpuTableSchema } from './gpu-schema.ts';
import type { GpuCard } from './gpu-schema.ts';
import { gpuPriceListSchema } from './gpu-price-schema.ts';
import type { GpuPrice } from './gpu-price-schema.ts';
import { mergeLayers } from './layers.ts';
import type { ProfileLayer, ProfileSet } from './layers.ts';
import { priceListSchema } from './price-schema.ts';
import type { ApiPrice } from './price-schema.ts';
import { familySchema } from './schema.ts';
import type { ModelFamily } from './schema.ts';

/** Folders laid over the built-in profiles, later ones winning. */
export type ProfileFolders = {
  /** `<config>/profiles`: may be absent. */
  readonly user: string | null;
  /** `--profiles DIR`: must exist. */
  readonly flag: string | null;
};

/** What `npm run build` makes of the YAML files, so that a command need not parse 100 KB of YAML. */
export type CompiledProfiles = {
  readonly families: readonly { readonly file: string; readonly family: ModelFamily }[];
  readonly cards: readonly GpuCard[];
  readonly prices: readonly ApiPrice[];
  readonly gpuPrices: readonly GpuPrice[];
};

const BUILT_IN = fileURLToPath(new URL('../../profiles/', import.meta.url));
const COMPILED = fileURLToPath(new URL('./compiled.json', import.meta.url));
const MODEL_FOLDERS = ['models', 'api-models'];
const OTHER_FILES = ['gpus.yaml', 'prices.yaml', 'engines.yaml', 'gpu-prices.yaml'];
const MAX_BYTES = 4 * 1024 * 1024;

/** Every model profile: built-in, then the user's, then `--profiles`. */
export async function loadProfiles(folders: ProfileFolders): Promise<ProfileSet> {
  const layers: ProfileLayer[] = [{ title: 'built-in', files: (await builtIn()).families }];
  for (const folder of await existing(folders)) {
    layers.push({ title: folder, files: await readFamilies(folder) });
  }
  return mergeLayers(layers);
}

/** Every known card; `gpus.yaml` of a later folder replaces cards of the same id. */
export async function loadCards(folders: ProfileFolders): Promise<readonly GpuCard[]> {
  const tables = [(await builtIn()).cards];
  for (const folder of await existing(folders)) {
    tables.push((await readOptional(join(folder, 'gpus.yaml'), gpuTableSchema))?.cards ?? []);
  }
  return [...new Map(tables.flat().map((card) => [card.id, card])).values()];
}

/** Every API price; `prices.yaml` of a later folder replaces the price of the same model and provider. */
export async function loadPrices(folders: ProfileFolders): Promise<readonly ApiPrice[]> {
  const lists = [(await builtIn()).prices];
  for (const folder of await existing(folders)) {
    lists.push((await readOptional(join(folder, 'prices.yaml'), priceListSchema))?.prices ?? []);
  }
  const key = ({ model, provider = '' }: ApiPrice) => `${provider} ${model}`;
  return [...new Map(lists.flat().map((price) => [key(price), price])).values()];
}

/** What cards cost to rent; a card that `gpu-prices.yaml` of a later folder names is priced by it alone. */
export async function loadGpuPrices(folders: ProfileFolders): Promise<readonly GpuPrice[]> {
  let prices = (await builtIn()).gpuPrices;
  for (const folder of await existing(folders)) {
    const own = await readOptional(join(folder, 'gpu-prices.yaml'), gpuPriceListSchema);
    const named = new Set(own?.prices.map(({ gpu }) => gpu));
    prices = [...prices.filter(({ gpu }) => !named.has(gpu)), ...(own?.prices ?? [])];
  }
  return prices;
}

/** The built-in YAML files, parsed and checked: what the build writes beside this file. */
export async function compileProfiles(): Promise<CompiledProfiles> {
  return {
    families: await readFamilies(BUILT_IN),
    cards: (await readYaml(join(BUILT_IN, 'gpus.yaml'), gpuTableSchema)).cards,
    prices: (await readYaml(join(BUILT_IN, 'prices.yaml'), priceListSchema)).prices,
    gpuPrices: (await readYaml(join(BUILT_IN, 'gpu-prices.yaml'), gpuPriceListSchema)).prices,
  };
}

let read: Promise<CompiledProfiles> | null = null;

/** Read once a process: a command asks for profiles, cards and prices, and nothing writes them while it runs. */
function builtIn(): Promise<CompiledProfiles> {
  read ??= readCompiled().then((compiled) => compiled ?? compileProfiles());
  return read;
}

/** Absent when running from `src/`; written by our own build from checked values, so not checked again. */
async function readCompiled(): Promise<CompiledProfiles | null> {
  try {
    return JSON.parse(await readFile(COMPILED, 'utf8')) as CompiledProfiles;
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

async function existing({ user, flag }: ProfileFolders): Promise<string[]> {
  const found = user !== null && (await listFolder(user)) !== null ? [user] : [];
  if (flag === null) return found;
  if (await holdsYaml(flag)) return [...found, flag];
  const what = (await listFolder(flag)) === null ? 'is no folder' : 'holds no YAML file';
  throw new MmdeployError('file.missing', `\`--profiles ${flag}\` ${what}`, {
    hints: [
      'put a family there as `DIR/FAMILY.yaml`: `mmdeploy models llava-1.5-7b -o yaml` shows what is in one',
      'or leave `--profiles` out: `mmdeploy models` lists the built-in ones',
    ],
  });
}

const YAML_NAME = /\.ya?ml$/i;

/** In the folder itself, or where models stand in it. */
async function holdsYaml(folder: string): Promise<boolean> {
  for (const place of [folder, ...MODEL_FOLDERS.map((name) => join(folder, name))]) {
    if (((await listFolder(place)) ?? []).some((name) => YAML_NAME.test(name))) return true;
  }
  return false;
}

async function readFamilies(folder: string): Promise<ProfileLayer['files']> {
  const places = [folder, ...MODEL_FOLDERS.map((name) => join(folder, name))];
  const files: { file: string; family: ModelFamily }[] = [];
  for (const place of places) {
    const names = ((await listFolder(place)) ?? []).filter(
      (name) => YAML_NAME.test(name) && !OTHER_FILES.includes(name),
    );
    for (const name of names.sort()) {
      const path = join(place, name);
      const shown = folder === BUILT_IN ? join('profiles', basename(place), name) : path;
      files.push({ file: shown, family: await readYaml(path, familySchema) });
    }
  }
  return files;
}

async function readOptional<Schema extends z.ZodType>(path: string, schema: Schema) {
  try {
    return await readYaml(path, schema);
  } catch (error) {
    if (error instanceof MmdeployError && error.code === 'file.missing') return null;
    throw error;
  }
}

async function readYaml<Schema extends z.ZodType>(
  path: string,
  schema: Schema,
): Promise<z.output<Schema>> {
  const text = await readText(path);
  // Loaded on demand: with compiled profiles and no user folder it is not needed at all.
  const { parseYamlFile } = await import('./yaml-document.ts');
  return parseYamlFile(text, path, schema);
}

async function readText(path: string): Promise<string> {
  try {
    const bytes = await readFile(path);
    if (bytes.length <= MAX_BYTES) return bytes.toString('utf8');
  } catch (error) {
    const code = isMissing(error) ? 'file.missing' : 'file.unreadable';
    throw new MmdeployError(code, `cannot read \`${path}\`: ${messageOf(error)}`, { cause: error });
  }
  throw new MmdeployError('profile.invalid', `\`${path}\` is larger than ${MAX_BYTES} bytes`, {
    hints: ['a profile folder holds small YAML files; see `mmdeploy models`'],
  });
}

/** Names in a folder; null when there is no such folder. */
async function listFolder(path: string): Promise<string[] | null> {
  try {
    return await readdir(path);
  } catch (error) {
    if (isMissing(error) || codeOf(error) === 'ENOTDIR') return null;
    throw new MmdeployError('file.unreadable', `cannot read \`${path}\`: ${messageOf(error)}`, {
      cause: error,
    });
  }
}

function isMissing(error: unknown): boolean {
  return codeOf(error) === 'ENOENT';
}

function codeOf(error: unknown): unknown {
  return error instanceof Error && 'code' in error ? error.code : null;
}
