import { join } from 'node:path';
import type { EncoderModel } from '../contracts/model.ts';
import { writeSparsePair } from '../demo/sparse-pair.ts';
import { MmdeployError } from '../errors.ts';
import { flatPng } from '../estimate/flat-png.ts';
import { textModel } from '../layout/model.ts';
import type { EncoderAttention } from '../memory/encoder.ts';
import { computeFor, encoderWeights } from '../memory/encoder.ts';
import type { Pictures } from '../memory/encoder-image.ts';
import type { PictureSize } from '../memory/encoder-graph/scene.ts';
import { GIB } from '../units.ts';
import { chooseOrphanGuard } from '../serve/supervisor/orphan-guard.ts';
import { KEPT, keptFile, readKept, writeKept } from './answer-cache.ts';
import { cutEncoder, deepstackLayers } from './cut-encoder.ts';
import { encoderPeak } from './encoder-peak.ts';
import type { EncoderBuffers } from './peak-log.ts';
import { makeRunFolder } from './run-folder.ts';
import type { SimulateDeps } from './simulate.ts';

export type PeakSimulation = {
  readonly encoder: EncoderModel;
  /** What is encoded at once. */
  readonly pictures: Pictures;
  readonly attention: EncoderAttention;
  readonly onGpu: boolean;
  /** llama-server's that the encoder's buffers depend on. */
  readonly args: readonly string[];
};

const TIMEOUT_MS = 60_000;
/** Weights of an encoder that is loaded for this; more would take too long. */
const MOST_BYTES = 2 * GIB;
/** Tokens of context: more than any image takes. */
const CONTEXT = 20_480;

/**
 * What llama.cpp holds for the encoder while it encodes these pictures, without weights and without a GPU:
 * the engine encodes for real, so its blocks are cut to a few and the language model is one narrow block.
 * The same question to the same engine is answered from the cache. Throws as `encoderPeak`.
 */
export async function simulatePeak(
  { encoder, ...asked }: PeakSimulation,
  deps: SimulateDeps,
): Promise<EncoderBuffers> {
  const compute = (of: EncoderModel) => computeFor(of, asked.pictures, asked.attention);
  const whole = compute(encoder);
  const cut = cutEncoder(encoder, (candidate) => {
    const { device, host } = compute(candidate);
    const isEqual = device.bytes === whole.device.bytes && host.bytes === whole.host.bytes;
    return whole.measuredGraph && isEqual;
  });
  return askPeak(cut, asked, deps);
}

/** The same of an encoder as it is. */
export async function askPeak(
  encoder: EncoderModel,
  { pictures, onGpu, args }: Omit<PeakSimulation, 'encoder'>,
  deps: SimulateDeps,
): Promise<EncoderBuffers> {
  const { path, build, version, devices } = deps.engine;
  refuseLarge(encoder);
  const folder = join(deps.cacheFolder, 'simulations');
  const size = pictureToSend(encoder, pictures);
  const kept = keptFile(folder, { path, build, version, encoder, size, onGpu, args });
  const known = await readKept(kept, KEPT.peak);
  if (known !== null) return known;
  const [guard, runFolder] = await Promise.all([
    chooseOrphanGuard(deps.run, deps.platform),
    makeRunFolder(folder),
  ]);
  const files = writeSparsePair(narrowModel(encoder), runFolder.path);
  try {
    const buffers = await encoderPeak({
      ...{ llamaServer: path, rpcServer: onGpu ? deps.rpcServer : null },
      hasDevices: devices.length > 0,
      args: async () => [...fileArgs(await files), ...NARROW_ARGS, ...args],
      picture: flatPicture(size),
      ...{ env: deps.env, guard, signal: deps.signal, timeoutMs: TIMEOUT_MS },
    });
    await writeKept(kept, buffers);
    return buffers;
  } finally {
    await files.catch(() => undefined);
    await runFolder.remove();
  }
}

function refuseLarge(encoder: EncoderModel): void {
  const { bytes } = encoderWeights(encoder);
  if (bytes <= MOST_BYTES) return;
  const size = `${(bytes / GIB).toFixed(1)} GiB`;
  throw new MmdeployError('engine.start', `an encoder of ${size} is not loaded to be asked`);
}

const NARROW_ARGS = [
  ...['--n-gpu-layers', '0', '--ctx-size', String(CONTEXT), '--parallel', '1'],
  ...['--fit', 'off', '--no-warmup'],
];

/** A language model of one narrow block that takes the encoder's output. */
function narrowModel(encoder: EncoderModel) {
  const embedding = encoder.projectionDim * (1 + deepstackLayers(encoder).length);
  const text = textModel(
    {
      ...{ arch: 'llama', layers: 1, embedding, heads: 1, kvHeads: 1, headSize: 64 },
      ...{ feedForward: 64, vocabulary: 512, tiedEmbeddings: true, qkvBias: false },
    },
    CONTEXT,
    'F16',
  );
  return { id: 'narrow', name: 'narrow', text, encoder };
}

function fileArgs({ model, mmproj }: { model: string | null; mmproj: string | null }): string[] {
  return ['--model', model ?? '', '--mmproj', mmproj ?? ''];
}

/**
 * The picture that makes the engine encode `pictures`. Under a cap that is no rectangle the one of most
 * tokens below it: the engine would shrink a larger one.
 */
function pictureToSend(encoder: EncoderModel, { size, count, tokens }: Pictures) {
  const { patchSize, merge, projectorType } = encoder;
  if (projectorType === 'minicpmv4_6') return justAbove(size, 4 * patchSize);
  if (tokens === undefined) return { width: size.width * count, height: size.height };
  const cell = patchSize * merge;
  const square = Math.floor(Math.sqrt(tokens));
  let best = { columns: square, rows: Math.floor(tokens / square) };
  for (let columns = square; columns * SLIMMEST > square; columns--) {
    const rows = Math.floor(tokens / columns);
    if (columns * rows > best.columns * best.rows) best = { columns, rows };
  }
  return { width: best.columns * cell, height: best.rows * cell };
}

/**
 * MiniCPM-V 4.6 cuts what is larger than one slice, and brings a smaller picture to the area of one, its sides
 * rounded to whole `step`s: the smallest sides that are rounded up to `size`.
 */
function justAbove({ width, height }: PictureSize, step: number): PictureSize {
  return { width: width - step / 2 + 1, height: height - step / 2 };
}

/** A picture is at most four times as high as wide. */
const SLIMMEST = 2;

function flatPicture(size: PictureSize): string {
  return `data:image/png;base64,${flatPng(size).toString('base64')}`;
}
