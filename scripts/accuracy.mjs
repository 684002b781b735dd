// `npm run accuracy`: what `mmdeploy plan` says beside what llama.cpp lays out, for every profile that
// llama.cpp runs. Prints the table, writes docs/accuracy.md, and exits 1 when a limit is broken.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { toPlanRequest } from '../dist/cli/requests/plan.js';
import { writeSparsePair } from '../dist/demo/sparse-pair.js';
import { tensorsBytes } from '../dist/memory/weights.js';
import { folders } from '../dist/process/folders.js';
import { describeProfile } from '../dist/profiles/describe.js';
import { findModel } from '../dist/profiles/layers.js';
import { loadProfiles } from '../dist/profiles/load.js';
import { layoutArgs } from '../dist/simulate/plan-args.js';
import { rpcServerOf } from '../dist/simulate/rpc-server.js';
import { simulate } from '../dist/simulate/simulate.js';
import { createContext } from '../dist/workflows/create-context.js';
import { selectEngine } from '../dist/workflows/engine.js';
import { profileModel } from '../dist/workflows/model.js';
import { planWorkflow } from '../dist/workflows/plan.js';
import { comparePeak, compareSimulation, peakModels } from './accuracy-engine.mjs';
import { describeCase, matrix } from './accuracy-matrix.mjs';
import { broken, report } from './accuracy-report.mjs';

const LEAST = 150;
/** Every so many configurations one is asked of llama-fit-params too. */
const SIMULATED_EVERY = 17;
const MIB = 2 ** 20;
const QUANTS = [
  ...['F16', 'BF16', 'Q8_0', 'Q6_K', 'Q5_K_M', 'Q5_K_S', 'Q4_K_M', 'Q4_K_S', 'Q4_0'],
  ...['IQ4_XS', 'IQ4_NL', 'Q3_K_M', 'Q3_K_S', 'Q3_K_L', 'Q2_K'],
];

const pairs = new Map();
const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-accuracy-'));
// A cache of its own: figures of an earlier run must not answer for the engine. Engines stay where they are.
const own = createContext();
const ctx = { ...own, folders: { ...own.folders, cache: folder } };
const { engine } = await selectEngine(
  { ...own, folders: folders(process.env) },
  { flag: null, gpus: [] },
);
const deps = {
  engine,
  rpcServer: rpcServerOf(engine.path),
  ...{ env: ctx.env, run: ctx.run, platform: ctx.platform },
  ...{ cacheFolder: folder, signal: ctx.signal },
};
const { profiles } = await loadProfiles({ user: null, flag: null });
const models = profiles
  .map((profile) => describeProfile(profile))
  .filter(({ id, text, encoder, engines }) => {
    return id !== 'demo' && text !== null && encoder !== null && engines.includes('llama.cpp');
  });

try {
  const cases = matrix(models, LEAST);
  const results = await inTurns(cases, compare, (done) => progress('layouts', done, cases.length));
  const sizes = await inTurns(models, quantSizes, (done) =>
    progress('quants', done, models.length),
  );
  const peaked = peakModels(models);
  const peaks = await inTurns(
    peaked,
    (model) => comparePeak(model, deps),
    (done) => progress('largest images', done, peaked.length),
  );
  const asked = cases.filter(({ devices }, index) => devices > 0 && index % SIMULATED_EVERY === 0);
  const simulations = await inTurns(asked, compareWithFitParams, (done) =>
    progress('simulations', done, asked.length),
  );
  const facts = { engine, models, results, sizes: sizes.flat(), peaks, simulations };
  const text = report(facts);
  writeFileSync(new URL('../docs/accuracy.md', import.meta.url), text);
  console.log(text);
  const faults = broken(facts);
  if (faults.length > 0) {
    console.error(`${faults.length} figures are outside their limits`);
    process.exitCode = 1;
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}

/** As many at a time as there are cores; results in order. */
async function inTurns(items, task, onDone) {
  const results = [];
  let [next, done] = [0, 0];
  const worker = async () => {
    while (next < items.length) {
      const index = next++;
      results[index] = await task(items[index]);
      onDone(++done);
    }
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
  return results;
}

function progress(what, done, total) {
  if (process.stderr.isTTY) process.stderr.write(`\r${what} ${done}/${total}\u001b[K`);
  if (process.stderr.isTTY && done === total) process.stderr.write('\n');
}

/** The files of a model in these formats, written once. */
function pairOf(model, { quant, encoderQuant }) {
  const name = `${model.id}-${quant}-${encoderQuant}`;
  if (!pairs.has(name)) pairs.set(name, writeSparsePair(model, join(folder, name)));
  return pairs.get(name);
}

/** One configuration by the formulas, through the whole of `plan`, and by llama-server on the same argv. */
async function compare(config) {
  const request = toPlanRequest(config.model, optionsOf(config));
  const name = describeCase(config);
  try {
    const plan = await planWorkflow(request, ctx);
    const loaded = profileModel(findModel(profiles, config.model));
    const model = loaded.source.inFormats(plan.settings);
    const started = performance.now();
    const layout = await simulate(
      {
        model,
        files: await pairOf(model, plan.settings),
        gpus: config.devices,
        args: layoutArgs(plan.engine.args),
      },
      deps,
    );
    const milliseconds = performance.now() - started;
    return { config, name, milliseconds, rows: rowsOf(plan, layout), error: null };
  } catch (error) {
    const told = error.details?.filter((line) => / E /.test(line)).at(-1);
    return { config, name, milliseconds: 0, rows: [], error: told ?? String(error.message) };
  }
}

function optionsOf(config) {
  return {
    output: 'json',
    gpu: config.gpus,
    quant: config.quant,
    encoderQuant: config.encoderQuant,
    context: String(config.context),
    slots: String(config.slots),
    kvType: config.kvType,
    ubatch: String(config.ubatch),
    ...(config.gpuLayers === null ? {} : { gpuLayers: String(config.gpuLayers) }),
    // Stand-ins are all alike: how cards share the layers is always said.
    ...(config.gpus.length > 1 ? { tensorSplit: splitOf(config.gpus) } : {}),
  };
}

function splitOf(gpus) {
  return gpus.map((size) => parseInt(size, 10)).join(',');
}

async function compareWithFitParams(config) {
  const model = models.find(({ id }) => id === config.model);
  const loaded = profileModel(findModel(profiles, config.model));
  const files = (settings) => pairOf(loaded.source.inFormats(settings), settings);
  try {
    const found = await compareSimulation(config, optionsOf(config), files, { ctx, engine, deps });
    return { name: describeCase(config), model: model.id, ...found };
  } catch (error) {
    return { name: describeCase(config), model: model.id, rows: [], error: String(error.message) };
  }
}

/** Ours and the engine's totals: each device, and the projector where it runs. */
function rowsOf(plan, layout) {
  const rows = plan.memory.devices.map((device) => {
    const gpu = device.id === 'host' ? null : Number(device.id.slice(3));
    const parts = gpu === null ? layout.host : layout.gpus[gpu];
    const ours = partsOf(device, ['weights', 'kv-cache', 'compute']);
    const theirs = { weights: parts.weights, 'kv-cache': parts.kvCache, compute: parts.compute };
    return { kind: gpu === null ? 'host' : 'gpu', device: device.id, ours, theirs };
  });
  const holder = plan.memory.devices.find(({ items }) =>
    items.some(({ part }) => part === 'encoder-weights'),
  );
  if (holder === undefined || layout.encoder === null) return rows;
  const ours = partsOf(holder, ['encoder-weights', 'encoder-compute']);
  const theirs = { encoder: layout.encoder.bytes };
  return [...rows, { kind: 'encoder', device: holder.id, ours, theirs }];
}

function partsOf({ items }, names) {
  return Object.fromEntries(
    names.map((name) => [name, items.find(({ part }) => part === name)?.bytes ?? 0]),
  );
}

/** Every mix of a model beside `llama-quantize --dry-run`, which reads nothing but an F16 header. */
async function quantSizes(model) {
  const profile = findModel(profiles, model.id);
  const f16 = describeProfile(profile, { quant: 'F16' });
  const { model: path } = await pairOf(
    { ...f16, encoder: null },
    { quant: 'F16', encoderQuant: 'none' },
  );
  const program = join(dirname(engine.path), 'llama-quantize');
  const sizes = [];
  for (const quant of QUANTS) {
    const { stdout, stderr } = await ctx.run(program, ['--dry-run', path, quant], {
      timeoutMs: 60_000,
    });
    const printed = /quant size\s*=\s*([\d.]+) MiB/.exec(stdout + stderr)?.[1];
    const { text } = describeProfile(profile, { quant });
    sizes.push({
      model: model.id,
      quant,
      ours: tensorsBytes(text.tensors) / MIB,
      theirs: printed === undefined ? null : Number(printed),
    });
  }
  return sizes;
}
