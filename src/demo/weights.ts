import type { TensorInfo } from '../contracts/model.ts';
import { tensorElements } from '../gguf/types.ts';
import { DEMO_ANSWER, DEMO_REFRAIN, DEMO_VOCABULARY, END_TOKEN } from './tokenizer.ts';

/*
 * The demo model computes with random matrices like any other model, except in the first dimensions of
 * its residual stream. There each token marks how far the answer has come, no block writes there, and the
 * output matrix reads the next word off the mark. So the answer is the same sentence on every machine
 * and for every prompt, at any temperature, and it ends.
 */

/** One mark for each word that can come next, and one for the end. */
const MARKS = DEMO_ANSWER.length + 1;
/** Strength of the mark beside the noise that the blocks add: enough for logits more than 20 above the rest. */
const MARK = 4;
const GAIN = 4;
/** Below that of the end, above everything else. */
const REFRAIN_GAIN = 2.5;

const ROWS_PER_PIECE = 256;
/** Matrices whose rows write to the residual stream: those of the marks stay zero. */
const WRITES_RESIDUAL = /(^blk\.\d+\.(attn_output|ffn_down)|^mm\.2)\.(weight|bias)$/;

type Row = (row: number, width: number) => ArrayLike<number>;

/**
 * Data of a tensor of the demo model, F16 or F32, the same bytes everywhere: integers from a seeded
 * generator, scaled by powers of two, so that no rounding and no library function is involved.
 */
export function* demoWeights(tensor: TensorInfo): Generator<Uint8Array> {
  const isVector = tensor.shape.length === 1;
  const width = tensor.shape[0] ?? 1;
  const rows = tensorElements(tensor) / width;
  const valuesOf = isVector ? vectorValues(tensor.name) : rowsOf(tensor.name);
  const store = tensor.type === 'F16' ? storeHalf : storeFloat;
  const elementBytes = tensor.type === 'F16' ? 2 : 4;
  for (let first = 0; first < rows; first += ROWS_PER_PIECE) {
    const last = Math.min(rows, first + ROWS_PER_PIECE);
    const view = new DataView(new ArrayBuffer((last - first) * width * elementBytes));
    for (let row = first; row < last; row++) {
      const values = valuesOf(row, width);
      const start = (row - first) * width;
      for (let column = 0; column < width; column++) {
        store(view, (start + column) * elementBytes, values[column] ?? 0);
      }
    }
    yield new Uint8Array(view.buffer);
  }
}

function rowsOf(name: string): Row {
  const noise = noiseRows(name, 1 / 8);
  if (name === 'token_embd.weight') return embeddingRows(noiseRows(name, 1 / 16));
  if (name === 'output.weight') return outputRow;
  if (!WRITES_RESIDUAL.test(name)) return noise;
  return (row, width) => (row < MARKS ? [] : noise(row, width));
}

/** Norms scale by one; biases are small noise. */
function vectorValues(name: string): Row {
  if (/(norm|ln\d?)\.weight$/.test(name)) return (_, width) => new Float64Array(width).fill(1);
  const noise = noiseRows(name, 1 / 64);
  if (!WRITES_RESIDUAL.test(name)) return noise;
  return (row, width) => Array.from(noise(row, width), (value, at) => (at < MARKS ? 0 : value));
}

/** A word of the answer marks the word after it; every other token marks the first. */
function embeddingRows(noise: Row): Row {
  return (row, width) => {
    const values = Array.from(noise(row, width), (value, at) => (at < MARKS ? 0 : value));
    values[answerIndex(row) + 1] = MARK;
    return values;
  };
}

function outputRow(row: number, width: number): ArrayLike<number> {
  const values = new Float64Array(width);
  const word = answerIndex(row);
  if (word >= 0) values[word] = GAIN;
  if (word === DEMO_REFRAIN) values[MARKS - 1] = REFRAIN_GAIN;
  if (DEMO_VOCABULARY[row] === END_TOKEN) values[MARKS - 1] = GAIN;
  return values;
}

/** Place of a token in the answer; -1 for all others. */
function answerIndex(token: number): number {
  return DEMO_ANSWER.findIndex((word) => word === DEMO_VOCABULARY[token]);
}

/** Rows of multiples of `scale` / 128 between -`scale` and `scale`, from a generator seeded with the name. */
function noiseRows(name: string, scale: number): Row {
  let state = seedOf(name);
  return (_, width) => {
    const values = new Float64Array(width);
    for (let column = 0; column < width; column++) {
      // xorshift32 (Marsaglia 2003).
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      values[column] = (((state >>> 16) & 0xff) - 128) * (scale / 128);
    }
    return values;
  };
}

/** FNV-1a of the name; never 0, where xorshift would stay. */
function seedOf(name: string): number {
  let hash = 0x811c9dc5;
  for (const character of name) {
    hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  }
  return hash === 0 ? 1 : hash;
}

function storeFloat(view: DataView, at: number, value: number): void {
  view.setFloat32(at, value, true);
}

const single = new DataView(new ArrayBuffer(4));

/** IEEE half of a value that has one exactly and is no subnormal, as all values here do. */
function storeHalf(view: DataView, at: number, value: number): void {
  single.setFloat32(0, value);
  const bits = single.getUint32(0);
  const half =
    value === 0
      ? 0
      : ((bits >>> 16) & 0x8000) | ((((bits >>> 23) & 0xff) - 112) << 10) | ((bits >>> 13) & 0x3ff);
  view.setUint16(at, half, true);
}
