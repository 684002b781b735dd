import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Gpu, Machine } from '../contracts/machine.ts';
import { MACHINE_SCHEMA } from '../contracts/machine.ts';
import { MmdeployError, fileFault } from '../errors.ts';
import type { Context } from './context.ts';
import { doctorWorkflow } from './doctor.ts';
import { listEngines } from './engine.ts';
import { profileFolders } from './model.ts';

export type MachineRequest = {
  /** `--gpu SPEC`, repeatable; empty detects. */
  readonly gpus: readonly string[];
  /** `--machine FILE`. */
  readonly machineFile: string | null;
  readonly profilesDir: string | null;
};

/** The machine to plan for: this one, a saved `doctor -o json`, or what-if cards. */
export async function resolveMachine(request: MachineRequest, ctx: Context): Promise<Machine> {
  const { gpus, machineFile } = request;
  if (gpus.length > 0 && machineFile !== null) {
    throw new MmdeployError('usage.invalid', '`--gpu` and `--machine` exclude each other', {
      hints: ['give one of them: `--machine FILE` holds the GPUs of that machine already'],
    });
  }
  if (machineFile !== null) return readMachine(resolve(ctx.cwd, machineFile));
  if (gpus.length === 0) return detect(ctx);
  // Loaded where cards are named: a plan for this machine has no need of the table and its checks.
  const { isNone, parseGpuSpec } = await import('../match/gpu-spec.ts');
  const { loadCards } = await import('../profiles/load.ts');
  const cards = await loadCards(profileFolders(ctx, request.profilesDir));
  const asked: Gpu[] = [];
  for (const spec of gpus) asked.push(...parseGpuSpec(spec, cards, asked.length));
  if (asked.length > 0 && gpus.some(isNone)) throw noneAndSome(gpus);
  // Without a GPU the RAM decides, and the only RAM that is known is this machine's.
  if (asked.length === 0) return { ...(await detect(ctx)), gpus: [], origin: 'what-if: no GPU' };
  return whatIf(asked, `what-if: ${gpus.join(', ')}`);
}

function noneAndSome(gpus: readonly string[]): MmdeployError {
  return new MmdeployError(
    'usage.invalid',
    `\`--gpu none\` excludes the others: ${gpus.map((spec) => `\`${spec}\``).join(', ')}`,
    { hints: ['leave `--gpu none` out, or give it alone: `mmdeploy plan MODEL --gpu none`'] },
  );
}

function detect(ctx: Context): Promise<Machine> {
  return doctorWorkflow(
    ctx,
    async () => (await listEngines(ctx, { flag: null, gpus: [] })).engines,
    { planOnly: true },
  );
}

async function readMachine(file: string): Promise<Machine> {
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new MmdeployError('file.missing', `cannot read \`${file}\`: ${fileFault(error)}`, {
      hints: ['write it on that machine with `mmdeploy doctor -o json > machine.json`'],
      cause: error,
    });
  }
  const { parseMachine } = await import('../match/machine-file.ts');
  return parseMachine(text, file);
}

/** A machine of which nothing is known but its cards. */
function whatIf(gpus: readonly Gpu[], origin: string): Machine {
  return {
    schema: MACHINE_SCHEMA,
    origin,
    os: {
      platform: 'unknown',
      distribution: null,
      kernel: null,
      arch: 'unknown',
      virtualisation: null,
    },
    cpu: { model: null, physicalCores: null, logicalCores: null, usableCores: null },
    memory: { totalBytes: null, availableBytes: null, limitBytes: null },
    gpus: [...gpus],
    engines: [],
    probes: [],
    warnings: [],
  };
}
