// The configurations of `npm run accuracy`: drawn with a fixed seed, so each run asks the same.

const AXES = {
  quant: ['Q4_K_M', 'Q8_0', 'F16', 'Q5_K_M', 'Q6_K', 'Q3_K_M', 'IQ4_XS', 'Q4_0'],
  context: [4096, 8192, 16384, 32768, 65536, 131072],
  slots: [1, 2, 4, 8, 16],
  devices: [1, 2, 3, 4],
  kvType: ['f16', 'q8_0', 'q4_0'],
  ubatch: [512, 256, 1024],
  encoderQuant: ['F16', 'Q8_0'],
};

/** Cards of one size share equally; of two sizes as their memory. All hold everything. */
const CARDS = { equal: ['16TiB'], unequal: ['16TiB', '8TiB'] };

/**
 * At least `least` configurations, two or more of each model. All axes are shuffled and walked through
 * at once, so every value comes up equally often. Of nine in a row one is shared with the CPU, one runs
 * on the CPU alone and one on unequal cards.
 */
export function matrix(models, least) {
  const each = Math.max(2, Math.ceil(least / models.length));
  const random = mulberry32(11669);
  const all = Array.from({ length: each }, () => shuffled(models, random)).flat();
  const decks = Object.fromEntries(
    Object.entries(AXES).map(([name, values]) => [name, deck(values, all.length, random)]),
  );
  return all.map((model, index) => {
    const drawn = Object.fromEntries(
      Object.entries(decks).map(([name, cards]) => [name, cards[index]]),
    );
    const context = Math.min(drawn.context, model.text.contextMax);
    return { model: model.id, ...drawn, context, ...place(index, drawn, model) };
  });
}

/** `length` values: the shuffled list, shuffled anew each time it is used up. */
function deck(values, length, random) {
  const rounds = Math.ceil(length / values.length);
  return Array.from({ length: rounds }, () => shuffled(values, random)).flat();
}

function place(index, { devices }, model) {
  const whole = { gpuLayers: 'all', gpus: Array.from({ length: devices }, () => CARDS.equal[0]) };
  if (index % 9 === 3) {
    return { ...whole, devices: 1, gpus: CARDS.equal, gpuLayers: Math.ceil(model.text.layers / 2) };
  }
  if (index % 9 === 5) return { devices: 0, gpus: ['none'], gpuLayers: null };
  if (index % 9 === 7) return { ...whole, devices: 2, gpus: CARDS.unequal };
  return whole;
}

function shuffled(values, random) {
  const copy = [...values];
  for (let index = copy.length - 1; index > 0; index--) {
    const other = Math.floor(random() * (index + 1));
    [copy[index], copy[other]] = [copy[other], copy[index]];
  }
  return copy;
}

/** A small generator with a full 32-bit state (Tommy Ettinger's mulberry32). */
function mulberry32(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

export function describeCase(config) {
  const where =
    config.devices === 0
      ? 'CPU'
      : `${config.gpus.length} GPU${config.gpus.length > 1 ? 's' : ''}` +
        (new Set(config.gpus).size > 1 ? ' unequal' : '') +
        (config.gpuLayers === 'all' ? '' : `, ${config.gpuLayers} layers`);
  return (
    `${config.model} ${config.quant}, ${config.slots} x ${config.context}, ` +
    `KV ${config.kvType}, micro-batch ${config.ubatch}, ${where}`
  );
}
