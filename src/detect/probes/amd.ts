import type { Probe } from '../../contracts/machine.ts';
import { complaintOf, statusOf } from '../host.ts';
import type { Host } from '../host.ts';
import type { FoundGpu, ProbeOutcome } from '../outcome.ts';
import { visibleGpus } from '../visible.ts';
import { METRIC_ARGS, parseAmdSmi, rocmVersion, STATIC_ARGS, VERSION_ARGS } from './amd-smi.ts';
import { readSysfs } from './amd-sysfs.ts';
import { parseRocmSmi, ROCM_ARGS } from './rocm-smi.ts';

/** Where ROCm puts its tools when they are not on PATH. */
export const ROCM_FOLDERS = ['/opt/rocm/bin', '/usr/bin'] as const;

type Attempt = {
  readonly probe: Probe;
  readonly gpus: readonly FoundGpu[];
  readonly warnings: readonly string[];
};

/** AMD GPUs: amd-smi, then rocm-smi, then sysfs. Never throws; a missing tool is a normal outcome. */
export async function probeAmd(host: Host): Promise<ProbeOutcome> {
  if (host.platform === 'darwin') return { probes: [], gpus: [], warnings: [] };
  const first = await amdSmi(host);
  if (first.gpus.length > 0) return finish(host, [first], first.gpus);
  const second = await rocmSmi(host);
  if (second.gpus.length > 0) return finish(host, [first, second], second.gpus);
  const gpus = await readSysfs(host);
  return finish(host, [first, second], gpus, gpus.length > 0);
}

function finish(
  host: Host,
  attempts: readonly Attempt[],
  gpus: readonly FoundGpu[],
  fromSysfs = false,
): ProbeOutcome {
  const variable = host.env['HIP_VISIBLE_DEVICES'] === undefined ? 'ROCR' : 'HIP';
  const name = `${variable}_VISIBLE_DEVICES`;
  const visible = visibleGpus(gpus, name, fromSysfs ? undefined : host.env[name]);
  // A tool that fails on a machine without an AMD GPU is nobody's problem.
  const told = gpus.length > 0 ? attempts.flatMap((attempt) => attempt.warnings) : [];
  const noRocm = `ROCm's tools are not here, so AMD GPUs are planned for llama.cpp's Vulkan backend`;
  return {
    probes: attempts.map((attempt) => attempt.probe),
    gpus: visible.gpus,
    warnings: [...told, ...visible.warnings, ...(fromSysfs ? [noRocm] : [])],
  };
}

async function amdSmi(host: Host): Promise<Attempt> {
  const path = await host.find('amd-smi', ROCM_FOLDERS);
  if (path === null) return missing('amd-smi');
  const [fixed, metric, version] = await Promise.all([
    host.run(path, STATIC_ARGS),
    host.run(path, METRIC_ARGS),
    host.run(path, VERSION_ARGS),
  ]);
  const texts = { fixed: fixed.stdout, metric: metric.stdout, version: version.stdout };
  return attemptOf('amd-smi', fixed, parseAmdSmi(texts), rocmVersion(version.stdout));
}

async function rocmSmi(host: Host): Promise<Attempt> {
  const path = await host.find('rocm-smi', ROCM_FOLDERS);
  if (path === null) return missing('rocm-smi');
  const result = await host.run(path, ROCM_ARGS);
  return attemptOf('rocm-smi', result, parseRocmSmi(result.stdout), null);
}

const missing = (tool: string): Attempt => ({
  probe: { tool, status: 'missing', version: null, detail: null },
  gpus: [],
  warnings: [],
});

function attemptOf(
  tool: string,
  result: Parameters<typeof statusOf>[0],
  gpus: readonly FoundGpu[],
  version: string | null,
): Attempt {
  if (gpus.length > 0) {
    return { probe: { tool, status: 'ok', version, detail: null }, gpus, warnings: [] };
  }
  const status = statusOf(result) === 'ok' ? 'failed' : statusOf(result);
  const detail = complaintOf(result);
  const next = '`mmdeploy doctor --raw` shows all it printed';
  return {
    probe: { tool, status, version, detail },
    gpus,
    warnings: [`${tool} named no GPU: ${detail}: ${next}`],
  };
}
