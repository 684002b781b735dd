import { existsSync, realpathSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import type { QuantizeResult, QuantizeRole } from '../contracts/quantize.ts';
import { QUANTIZE_ROLES, QUANTIZE_SCHEMA } from '../contracts/quantize.ts';
import { MmdeployError, nearest } from '../errors.ts';
import type { GgufHeader } from '../gguf/header.ts';
import { readGgufHeader } from '../gguf/read-file.ts';
import { tensorBytes } from '../gguf/types.ts';
import { quantLabel } from '../layout/file-type.ts';
import { ENCODER_FORMATS } from '../match/formats.ts';
import type { PairPaths } from '../quantize/ask-engine.ts';
import type { Conversion, QuantizeTool } from '../quantize/llama-quantize.ts';
import { foretoldBytes, quantizeTool, writeQuantised } from '../quantize/llama-quantize.ts';
import { madeFile } from '../quantize/made-file.ts';
import type { PartFile } from '../quantize/part-file.ts';
import { alreadyThere, partFile, requireSpace } from '../quantize/part-file.ts';
import type { OrphanGuard } from '../serve/supervisor/orphan-guard.ts';
import { chooseOrphanGuard } from '../serve/supervisor/orphan-guard.ts';
import { MIB, sum } from '../units.ts';
import type { Context } from './context.ts';
import { selectEngine } from './engine.ts';
import type { GgufPair } from './gguf-pair.ts';
import { isUnquantised, typedPath } from './gguf-pair.ts';
import type { DriftRequest } from './quantize-drift.ts';
import { checkNewFiles, driftInputs, measureDrift, withMade } from './quantize-drift.ts';
import type { QuantizeSources } from './quantize-sources.ts';
import { quantizeSources } from './quantize-sources.ts';

export type QuantizeRequest = {
  /** A profile id, or the path of a GGUF file. */
  readonly name: string;
  readonly mmproj: string | null;
  readonly profilesDir: string | null;
  /** Formats to make; null leaves a file alone. */
  readonly formats: Readonly<Record<QuantizeRole, string | null>>;
  readonly out: string | null;
  readonly force: boolean;
  readonly allowRequantize: boolean;
  /** `--llama-server FILE`. */
  readonly llamaServer: string | null;
  readonly drift: DriftRequest;
};

/** One file to make. */
type Job = {
  readonly role: QuantizeRole;
  readonly source: GgufHeader;
  readonly format: string;
  readonly target: string;
};

/** Metadata grows by a few keys at most. */
const HEADER_MARGIN_BYTES = MIB;

/**
 * `models quantize`: makes a projector, the weights, or both in another format with the engine's own
 * llama-quantize, sees that the engine loads what came out, and measures how far its next-token
 * distributions drift from those of the source. A file appears under its name only once it was loaded.
 * Throws `usage.*` and `input.invalid` for what cannot be made, `file.missing`, `gguf.*`,
 * `engine.not-found`, `tool.missing`, `system.refused` when the disk is full, `engine.crashed` when
 * llama-quantize or the engine fails, `interrupted`; nothing is left behind then.
 */
export async function quantizeWorkflow(
  request: QuantizeRequest,
  ctx: Context,
): Promise<QuantizeResult> {
  const roles = QUANTIZE_ROLES.filter((role) => request.formats[role] !== null);
  const sources = await quantizeSources({ ...request, roles }, ctx);
  const { engine } = await selectEngine(ctx, { flag: request.llamaServer, gpus: [] });
  const tool = await quantizeTool(engine.path, ctx);
  const jobs = roles.map((role) => jobOf(role, request, sources, tool, ctx));
  const inputs = await driftInputs(sources.pair, request.drift, ctx);
  await requireRoom(jobs, request, tool, ctx);
  const guard = await chooseOrphanGuard(ctx.run, ctx.platform);
  const parts: (Job & { readonly part: PartFile })[] = [];
  const from = pathsOf(sources.pair);
  const deps = { llamaServer: engine.path, env: ctx.env, guard, signal: ctx.signal };
  try {
    for (const job of jobs) {
      const part = await partFile(job.target, request.force);
      parts.push({ ...job, part });
      await make(job, part, request, { tool, guard, ctx });
    }
    const files = parts.map(({ role, source, part, target, format }) =>
      madeFile(role, source, readGgufHeader(part.path), { path: target, format }),
    );
    const made = new Map(parts.map(({ role, part }) => [role, part.path]));
    const seen = await checkNewFiles({ pair: sources.pair, from, made, inputs }, deps, ctx);
    for (const { part } of parts) await part.finish();
    const { drift, warnings } = await measureDrift(
      seen,
      { pair: sources.pair, from, inputs },
      deps,
      ctx,
    );
    const targets = new Map(parts.map(({ role, target }) => [role, target]));
    const { path, version, build } = engine;
    return {
      schema: QUANTIZE_SCHEMA,
      engine: { path, version, build },
      files,
      loaded: withMade(from, targets, roles),
      drift,
      warnings: [...sources.caveats, ...formatWarnings(jobs), ...warnings],
    };
  } finally {
    ctx.progress(null);
    await Promise.all(parts.map(({ part }) => part.discard()));
  }
}

async function make(
  job: Job,
  { path: target }: PartFile,
  { allowRequantize }: QuantizeRequest,
  tools: { readonly tool: QuantizeTool; readonly guard: OrphanGuard; readonly ctx: Context },
): Promise<void> {
  const { tool, guard, ctx } = tools;
  const label = `${basename(job.source.path)} to ${job.format}`;
  ctx.notice(`quantise  ${label}: ${job.target}`);
  await writeQuantised(
    tool,
    { source: job.source.path, target, format: job.format, allowRequantize },
    { env: ctx.env, guard, signal: ctx.signal },
    ({ done, total }) => ctx.progress({ label, done, total, unit: 'steps' }),
  );
  ctx.progress(null);
}

/** All that is wrong with a wish, before anything is written. */
function jobOf(
  role: QuantizeRole,
  request: QuantizeRequest,
  { pair, outputName }: QuantizeSources,
  tool: QuantizeTool,
  ctx: Context,
): Job {
  const source = role === 'encoder' ? pair.mmproj : pair.model;
  if (source === null) throw withoutProjector(pair, ctx);
  const format = formatOf(role, request, tool);
  const stored = quantLabel(source);
  if (stored === format) throw already(source, format);
  if (!isUnquantised(source) && !request.allowRequantize) throw quantised(source, stored);
  const target =
    request.out === null
      ? join(dirname(source.path), outputName(role, format))
      : resolve(ctx.cwd, request.out);
  checkTarget(target, pair, request.force);
  return { role, source, format, target };
}

function formatOf(
  role: QuantizeRole,
  { formats }: QuantizeRequest,
  { path, formats: known }: QuantizeTool,
) {
  const typed = formats[role] ?? '';
  const format = typed.toUpperCase();
  if (known.names.includes(format)) return format;
  const flag = role === 'encoder' ? '--encoder' : '--weights';
  const mix = known.aliases.get(format);
  const near = mix === undefined ? nearest(format, known.names) : [mix];
  throw new MmdeployError('usage.unknown-quant', `\`${flag} ${typed}\`: ${path} does not make it`, {
    hints: [
      ...(near.length > 0
        ? [`did you mean ${near.map((name) => `\`${flag} ${name}\``).join(', ')}?`]
        : []),
      `it makes ${known.names.join(', ')}`,
    ],
  });
}

function checkTarget(target: string, pair: GgufPair, force: boolean): void {
  const named = (message: string, hint: string) =>
    new MmdeployError('usage.invalid', message, { hints: [hint] });
  if (!target.toLowerCase().endsWith('.gguf')) {
    throw named(`\`--out ${target}\` does not end in .gguf`, `say \`--out ${target}.gguf\``);
  }
  if (!existsSync(dirname(target))) {
    throw named(
      `the folder of \`--out ${target}\` is not there`,
      `\`mkdir -p ${dirname(target)}\``,
    );
  }
  if (!existsSync(target)) return;
  const real = realpathSync(target);
  const inputs = [pair.model, ...(pair.mmproj === null ? [] : [pair.mmproj])];
  if (inputs.some(({ path }) => realpathSync(path) === real)) {
    throw named(
      `\`${target}\` is the file that is read`,
      'name another file: `--out FILE`, or leave it out',
    );
  }
  if (!force) throw alreadyThere(target);
}

/** The sizes that llama-quantize foretells, and a little for the header, on each file system. */
async function requireRoom(
  jobs: readonly Job[],
  { allowRequantize }: QuantizeRequest,
  tool: QuantizeTool,
  ctx: Context,
): Promise<void> {
  const needed = new Map<string, number>();
  for (const { source, format, target } of jobs) {
    const conversion: Conversion = { source: source.path, format, allowRequantize };
    const tensors = await foretoldBytes(tool, conversion, ctx);
    const header = source.fileBytes - sum(source.tensors.map(tensorBytes));
    const folder = dirname(target);
    const bytes = tensors + Math.max(0, header) + HEADER_MARGIN_BYTES;
    needed.set(folder, (needed.get(folder) ?? 0) + bytes);
  }
  for (const [folder, bytes] of needed) await requireSpace(folder, bytes);
}

/** What is known to cost answers of an encoder: few weights see every picture. */
function formatWarnings(jobs: readonly Job[]): string[] {
  return jobs
    .filter(
      ({ role, format }) =>
        role === 'encoder' && !ENCODER_FORMATS.some((known) => known === format),
    )
    .map(
      ({ format }) =>
        `${format} is coarser than what encoders are published in (${ENCODER_FORMATS.join(', ')}): trust it no further than the drift says`,
    );
}

function withoutProjector({ model }: GgufPair, ctx: Context): MmdeployError {
  const path = typedPath(model.path, ctx.cwd);
  return new MmdeployError(
    'usage.invalid',
    `\`--encoder\`: no projector was given for ${model.path}, and none is beside it`,
    {
      hints: [
        `name it: \`mmdeploy models quantize ${path} --mmproj FILE --encoder Q8_0\``,
        'a model that neither sees nor hears has none: `--weights` converts the model itself',
      ],
    },
  );
}

function already({ path }: GgufHeader, format: string): MmdeployError {
  return new MmdeployError('usage.invalid', `${path} is in ${format} already`, {
    hints: ['name another format, or use the file as it is'],
  });
}

function quantised({ path }: GgufHeader, stored: string): MmdeployError {
  return new MmdeployError(
    'usage.invalid',
    `${path} is quantised already (${stored}): what it lost cannot be had back`,
    {
      hints: [
        'start from the F16, BF16 or F32 file of the model',
        'or convert it all the same: give the same command `--allow-requantize`',
      ],
    },
  );
}

function pathsOf({ model, mmproj }: GgufPair): PairPaths {
  return { model: model.path, mmproj: mmproj?.path ?? null };
}
