import { performance } from 'node:perf_hooks';
import { setTimeout as delay } from 'node:timers/promises';
import { engineEnvironment } from '../engine/environment.ts';
import { engineProgram } from '../engine/sibling.ts';
import { MmdeployError } from '../errors.ts';
import type { RunCommand } from '../process/run.ts';
import type { OrphanGuard } from '../serve/supervisor/orphan-guard.ts';
import { startChild } from '../simulate/child.ts';
import type { QuantizeFormats } from './parse.ts';
import { lastWords, parseFormats, parseQuantSize, parseStep } from './parse.ts';

type Env = Readonly<Record<string, string | undefined>>;

export type QuantizeTool = { readonly path: string; readonly formats: QuantizeFormats };

type ToolDeps = {
  readonly env: Env;
  readonly run: RunCommand;
  readonly platform: NodeJS.Platform;
  readonly signal: AbortSignal;
};

const ASK_TIMEOUT_MS = 60_000;
/** One tensor of the largest models takes a minute on a slow disk; each prints a line. */
const SILENCE_MS = 600_000;
const POLL_MS = 100;

/**
 * The `llama-quantize` that belongs to a llama-server, and the formats it takes. Throws `tool.missing`
 * where the installation has none, `engine.too-old` where its help names no format.
 */
export async function quantizeTool(llamaServer: string, deps: ToolDeps): Promise<QuantizeTool> {
  const path = engineProgram(llamaServer, ['llama-quantize', 'quantize'], deps.platform);
  if (path === null) {
    throw new MmdeployError('tool.missing', `no llama-quantize belongs to ${llamaServer}`, {
      hints: ['install an engine that brings it: `mmdeploy engine install --force`'],
    });
  }
  const help = await ask(path, ['--help'], deps);
  const formats = parseFormats(`${help.stdout}\n${help.stderr}`);
  if (formats.names.length > 0) return { path, formats };
  throw new MmdeployError('engine.too-old', `${path} does not list the formats it takes`, {
    details: lastWords(`${help.stdout}\n${help.stderr}`),
    hints: ['install another: `mmdeploy engine install --force`'],
  });
}

export type Conversion = {
  readonly source: string;
  readonly format: string;
  readonly allowRequantize: boolean;
};

function flagsOf({ allowRequantize }: Conversion): string[] {
  return allowRequantize ? ['--allow-requantize'] : [];
}

/** Bytes of the tensors that a conversion would write. Throws `engine.crashed` where it would fail. */
export async function foretoldBytes(
  tool: QuantizeTool,
  conversion: Conversion,
  deps: ToolDeps,
): Promise<number> {
  const { source, format } = conversion;
  const args = ['--dry-run', ...flagsOf(conversion), source, format];
  const { outcome, code, stdout, stderr } = await ask(tool.path, args, deps);
  const bytes = parseQuantSize(`${stdout}\n${stderr}`);
  if (outcome === 'exited' && code === 0 && bytes !== null) return bytes;
  throw failed(tool, conversion, `${stdout}\n${stderr}`);
}

async function ask(path: string, args: readonly string[], deps: ToolDeps) {
  const result = await deps.run(path, args, {
    timeoutMs: ASK_TIMEOUT_MS,
    env: engineEnvironment(deps.env),
    signal: deps.signal,
  });
  if (deps.signal.aborted) throw new MmdeployError('interrupted', 'interrupted');
  return result;
}

/**
 * Writes `target` from `source`. `onStep` is told of each tensor. Throws `system.refused` when the disk
 * fills up, `engine.crashed` with the tool's last words when it fails in another way, `interrupted`; no
 * process is left, and what was written of `target` is for the caller to remove.
 */
export async function writeQuantised(
  tool: QuantizeTool,
  conversion: Conversion & { readonly target: string },
  deps: { readonly env: Env; readonly guard: OrphanGuard; readonly signal: AbortSignal },
  onStep: (step: { readonly done: number; readonly total: number }) => void,
): Promise<void> {
  const { source, target, format } = conversion;
  let log = '';
  let lastOutput = performance.now();
  const args = [...flagsOf(conversion), source, target, format];
  const child = startChild({ ...deps, file: tool.path, args }, (text) => {
    lastOutput = performance.now();
    log += text;
    const step = parseStep(text);
    if (step !== null) onStep(step);
  });
  try {
    while (!child.isGone()) {
      if (deps.signal.aborted) throw new MmdeployError('interrupted', 'interrupted');
      if (performance.now() - lastOutput > SILENCE_MS) throw failed(tool, conversion, log);
      await Promise.race([child.gone, delay(POLL_MS)]);
    }
  } finally {
    await child.kill();
  }
  if (deps.signal.aborted) throw new MmdeployError('interrupted', 'interrupted');
  if (child.exitCode() !== 0) throw failed(tool, conversion, log);
}

function failed({ path }: QuantizeTool, { source, format }: Conversion, log: string) {
  // The C++ library's words for a write that the system refused.
  if (/iostream error|No space left on device/.test(log)) {
    return new MmdeployError('system.refused', `${path}: the ${format} file could not be written`, {
      details: lastWords(log, 3),
      hints: [
        'the disk is full or the folder cannot be written to: name another place, `--out FILE`',
      ],
    });
  }
  return new MmdeployError('engine.crashed', `${path} does not convert ${source} to ${format}`, {
    details: lastWords(log),
    hints: ['`mmdeploy engine install --force` gets another build'],
  });
}
