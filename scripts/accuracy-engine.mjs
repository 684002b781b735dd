// What `npm run accuracy` asks the engine beside layouts: the largest image of each projector type, and
// whether `--simulate` says what llama.cpp's own llama-fit-params prints.
import { dirname, join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { toPlanRequest } from '../dist/cli/requests/plan.js';
import { computeFor, encoderComputeAtLoad, encoderWeights } from '../dist/memory/encoder.js';
import { largestPictures } from '../dist/memory/encoder-image.js';
import { chooseOrphanGuard } from '../dist/serve/supervisor/orphan-guard.js';
import { layoutArgs } from '../dist/simulate/plan-args.js';
import { simulatePeak } from '../dist/simulate/simulate-peak.js';
import { startStandIns } from '../dist/simulate/stand-ins.js';
import { simulatedPlan } from '../dist/workflows/simulate.js';

const MIB = 2 ** 20;

/** The model with the smallest encoder of each projector type that has eyes. */
export function peakModels(models) {
  const byType = new Map();
  for (const model of models) {
    const { projectorType, melBins } = model.encoder;
    const known = byType.get(projectorType);
    const size = ({ encoder }) => encoderWeights(encoder).bytes;
    if (melBins !== undefined || (known && size(known) <= size(model))) continue;
    byType.set(projectorType, model);
  }
  return [...byType.values()];
}

/** Buffers at the largest image: by the formulas, and as llama-server makes them for such an image. */
export async function comparePeak({ id, encoder: whole }, deps) {
  const encoder = { ...whole };
  delete encoder.audio;
  const pictures = largestPictures(encoder, null);
  const load = encoderComputeAtLoad(encoder);
  const ours = computeFor(encoder, pictures, 'flash');
  const facts = { model: id, type: encoder.projectorType, pictures, load: load.device.bytes / MIB };
  const started = performance.now();
  const ask = {
    encoder,
    pictures,
    attention: 'flash',
    onGpu: true,
    args: ['--ubatch-size', '2048'],
  };
  try {
    const theirs = await simulatePeak(ask, deps);
    const seconds = (performance.now() - started) / 1000;
    const mib = ({ device, host }) => ({ device: device / MIB, host: host / MIB });
    return {
      ...facts,
      ours: mib({ device: ours.device.bytes, host: ours.host.bytes }),
      theirs: mib(theirs),
      ...{ seconds, error: null },
    };
  } catch (error) {
    return { ...facts, ours: null, theirs: null, seconds: 0, error: String(error.message) };
  }
}

/** One configuration through `plan --simulate`, and by llama-fit-params on stand-ins of its own. */
export async function compareSimulation(config, options, pairOf, { ctx, engine, deps }) {
  const { plan, failure } = await simulatedPlan(toPlanRequest(config.model, options), ctx);
  if (failure !== null) return { rows: [], error: failure.message };
  const guard = await chooseOrphanGuard(ctx.run, ctx.platform);
  const stands = await startStandIns(
    { file: deps.rpcServer, env: ctx.env, guard },
    config.devices,
    ctx.signal,
  );
  try {
    const { model } = await pairOf(plan.settings);
    const servers = stands.ports.map((port) => `127.0.0.1:${port}`).join(',');
    const args = layoutArgs(plan.engine.args).filter((arg) => arg !== '--no-mmproj-offload');
    const { stdout } = await ctx.run(
      join(dirname(engine.path), 'llama-fit-params'),
      ['--rpc', servers, '--model', model, ...withoutImages(args), '--fit-print', 'on'],
      { timeoutMs: 60_000 },
    );
    const printed = [...stdout.matchAll(/^(RPC\d+|Host) (\d+) (\d+) (\d+) *$/gm)];
    if (printed.length === 0) return { rows: [], error: 'llama-fit-params printed no layout' };
    const rows = printed.map(([, name, ...sizes]) => ({ name, sizes: sizes.map(Number) }));
    return { rows: rows.map((row) => simulationRow(row, plan)), error: null };
  } finally {
    await stands.stop();
  }
}

/** llama-fit-params knows no flag of the projector. */
function withoutImages(args) {
  const at = args.indexOf('--image-max-tokens');
  return at === -1 ? args : args.filter((_, index) => index !== at && index !== at + 1);
}

function simulationRow({ name, sizes }, plan) {
  const id = name === 'Host' ? 'host' : `gpu${name.slice(3)}`;
  const device = plan.memory.devices.find((each) => each.id === id);
  const parts = ['weights', 'kv-cache', 'compute'];
  const ours = parts.map(
    (part) => (device?.items.find((item) => item.part === part)?.bytes ?? 0) / MIB,
  );
  // llama-fit-params reserves logits for every token, llama-server one row for each slot: on the device of
  // the output layer the compute buffers are not the same thing.
  const logits = device?.items.some(({ formula }) => formula.includes('and the output layer'));
  const counted = logits === true ? sizes.slice(0, 2) : sizes;
  // Whole MiB, cut off: what is simulated lies within the MiB that is printed.
  const equal = counted.every((printed, index) => Math.floor(ours[index] + 0.01) === printed);
  return { device: id, ours, theirs: sizes, equal };
}
