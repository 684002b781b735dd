import type { EngineChoice } from '../contracts/engine.ts';
import type { EngineFound, Gpu } from '../contracts/machine.ts';
import type { LlamaCppCatalogue, EngineFlag } from './catalogue.ts';

type Rules = Pick<LlamaCppCatalogue, 'minBuild'>;

/**
 * Prefers the llama-server that was named (flag, then environment); among the others the one that
 * shows most of the detected GPUs, then the one whose backend is the GPU maker's own, then the order
 * in which they were found. Builds below the minimum are passed over; an unknown build is not.
 */
export function chooseEngine(
  found: readonly EngineFound[],
  machine: { readonly gpus: readonly Gpu[] },
  rules: Rules,
): EngineChoice {
  const named = found.find(({ source }) => source === 'flag' || source === 'env');
  const gpus = engineGpus(machine.gpus);
  if (named !== undefined) return judge(named, gpus, rules, namedWhy(named));
  const recent = found.filter((engine) => !isTooOld(engine, rules));
  const best = recent
    .map((engine, index) => ({ engine, index, score: score(engine, gpus) }))
    .sort((a, b) => b.score - a.score || a.index - b.index)[0];
  if (best !== undefined) {
    return judge(best.engine, gpus, rules, why(best.engine, recent.length, gpus));
  }
  const old = found[0];
  if (old !== undefined) return judge(old, gpus, rules, 'the only one found');
  return { kind: 'none', why: 'no llama-server was found' };
}

/** GPUs that an engine is expected to use: not the display's part of a CPU, not unknown cards. */
export function engineGpus(gpus: readonly Gpu[]): Gpu[] {
  return gpus.filter(
    ({ backend, memoryKind }) =>
      backend !== null && backend !== 'cpu' && memoryKind !== 'shared_system',
  );
}

/** How many of `gpus` the engine shows. Names differ between drivers: else the number of devices counts. */
export function gpusShown(engine: EngineFound, gpus: readonly Gpu[]): number {
  const devices = gpuDevices(engine);
  const named = gpus.filter((gpu) => devices.some((device) => sameName(device.name, gpu.name)));
  return named.length > 0 ? named.length : Math.min(devices.length, gpus.length);
}

/** Sentences, one for each optional feature that the engine's flags lack. */
export function missingFeatures(
  engine: { readonly build: number | null; readonly flags: readonly string[] },
  known: readonly EngineFlag[],
): string[] {
  const build = engine.build === null ? '' : ` (build ${engine.build})`;
  return known.flatMap(({ flag, without }) =>
    without === undefined || engine.flags.includes(flag)
      ? []
      : [`this llama-server${build} has no \`${flag}\`: it ${without}`],
  );
}

/** The flags that every plan needs and this engine lacks. */
export function missingRequired(flags: readonly string[], required: readonly string[]): string[] {
  return required.filter((flag) => !flags.includes(flag));
}

function judge(
  engine: EngineFound,
  gpus: readonly Gpu[],
  rules: Rules,
  reason: string,
): EngineChoice {
  if (isTooOld(engine, rules)) {
    return { kind: 'too-old', engine, why: reason, minBuild: rules.minBuild };
  }
  if (gpus.length > 0 && gpusShown(engine, gpus) === 0) {
    return { kind: 'cpu-only', engine, why: reason, gpus: gpus.map(({ name }) => name) };
  }
  return { kind: 'ready', engine, why: reason };
}

function isTooOld({ build }: EngineFound, { minBuild }: Rules): boolean {
  return build !== null && build < minBuild;
}

/** Remote and software devices are not this machine's GPUs. */
function gpuDevices(engine: EngineFound): EngineFound['devices'] {
  return engine.devices.filter(
    ({ id, name }) =>
      !/^(RPC|CPU|BLAS|ACCEL)/i.test(id) && !/llvmpipe|lavapipe|swiftshader/i.test(name),
  );
}

function sameName(a: string, b: string): boolean {
  const [left, right] = [plainName(a), plainName(b)];
  return left !== '' && right !== '' && (left.includes(right) || right.includes(left));
}

/** `NVIDIA GeForce RTX 4090` and `GeForce RTX 4090`, `AMD Radeon RX 7900 XTX (RADV NAVI31)` … */
function plainName(name: string): string {
  return name
    .toLowerCase()
    .replace(/\(.*?\)/g, '')
    .replace(/\b(nvidia|amd|intel|apple|corporation|inc)\b/g, '')
    .replace(/[^a-z0-9]+/g, ' ')
    .trim();
}

const OWN_BACKENDS = /^(CUDA|ROCm|HIP|MTL|Metal|SYCL|MUSA)/;

function score(engine: EngineFound, gpus: readonly Gpu[]): number {
  if (gpus.length === 0) return 0;
  const own = engine.devices.some(({ id }) => OWN_BACKENDS.test(id)) ? 1 : 0;
  return 2 * gpusShown(engine, gpus) + own;
}

function namedWhy({ source }: EngineFound): string {
  return source === 'flag' ? 'named by `--llama-server`' : 'named by MMDEPLOY_LLAMA_SERVER';
}

function why(engine: EngineFound, count: number, gpus: readonly Gpu[]): string {
  const shown = gpus.length === 0 ? 0 : gpusShown(engine, gpus);
  const ids = engine.devices.map(({ id }) => id).join(', ');
  if (shown > 0) return `it shows ${shown} of ${gpus.length} GPUs (${ids})`;
  if (count === 1) return 'the only one found';
  return engine.source === 'path' ? 'the first on PATH' : 'the first that was found';
}
