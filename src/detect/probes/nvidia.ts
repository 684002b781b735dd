import { posix, win32 } from 'node:path';
import type { Probe } from '../../contracts/machine.ts';
import type { RunResult } from '../../process/run.ts';
import { complaintOf, statusOf } from '../host.ts';
import type { Host } from '../host.ts';
import { noGpus } from '../outcome.ts';
import type { FoundGpu, ProbeOutcome } from '../outcome.ts';
import { documentsOf, runPackage } from '../package-run.ts';
import { at, reported } from '../values.ts';
import { visibleGpus } from '../visible.ts';
import { parseXml } from '../xml.ts';
import { CSV_FIELDS, gpusOfRows, parseCsv, withComputeCapability } from './nvidia-csv.ts';
import type { CsvRow } from './nvidia-csv.ts';
import { explainFailure } from './nvidia-failure.ts';
import { parseList, parseLog } from './nvidia-log.ts';
import type { ListedMig, NvidiaLog } from './nvidia-log.ts';

export const TOOL = 'nvidia-smi';
export const LIST_ARGS = ['-L'] as const;
export const LOG_ARGS = ['-q', '-x'] as const;
const csvArgs = (fields: readonly string[]) => [
  `--query-gpu=${fields.join(',')}`,
  '--format=csv,noheader,nounits',
];
export const CSV_ARGS = csvArgs(CSV_FIELDS);

/** Where drivers put nvidia-smi outside PATH: WSL 2, and Windows. */
export function nvidiaFolders(host: Host): string[] {
  if (host.platform !== 'win32') return ['/usr/lib/wsl/lib', '/usr/bin'];
  const windows = host.env['SystemRoot'] ?? 'C:\\Windows';
  const programs = host.env['ProgramFiles'] ?? 'C:\\Program Files';
  return [`${windows}\\System32`, `${programs}\\NVIDIA Corporation\\NVSMI`];
}

/**
 * NVIDIA GPUs: node-nvidia-smi first; where it gives up, our own `nvidia-smi -q -x`, which keeps the
 * data that stands beside a warning or a non-zero exit code; then `--query-gpu`. Never throws.
 */
export async function probeNvidia(host: Host): Promise<ProbeOutcome> {
  const path = await host.find(TOOL, nvidiaFolders(host));
  if (path === null) return noGpus(probe('missing', null, null));
  const [list, packaged, csv] = await Promise.all([
    host.run(path, LIST_ARGS),
    readThroughPackage(host, path),
    host.run(path, CSV_ARGS),
  ]);
  const listed = parseList(list.stdout);
  const rows = parseCsv(csv.stdout);
  const log = parseLog(packaged.data, listed, 'node-nvidia-smi');
  if (log !== null) return outcomeOf(host, log, rows, [], null);
  // It hung for the package: it would hang for us.
  const rest = { path, listed, rows, csv, packageError: packaged.error };
  return packaged.timedOut ? fromCsv(host, rest, null) : readOurselves(host, rest);
}

type Packaged = { readonly data: unknown; readonly error: string; readonly timedOut: boolean };

async function readThroughPackage(host: Host, path: string): Promise<Packaged> {
  // The package looks for nvidia-smi on PATH alone.
  const paths = host.platform === 'win32' ? win32 : posix;
  const PATH = `${paths.dirname(path)}${paths.delimiter}${host.env['PATH'] ?? host.env['Path'] ?? ''}`;
  const result = await runPackage(host, 'node-nvidia-smi', [], { PATH });
  const answer = documentsOf(result)[0];
  const error = reported(at(answer, 'error'))?.replace(/\s+/g, ' ').trim();
  return {
    data: at(answer, 'data'),
    error: error ?? complaintOf(result),
    timedOut: statusOf(result) === 'timeout',
  };
}

type Rest = {
  readonly path: string;
  readonly listed: readonly ListedMig[];
  readonly rows: readonly CsvRow[];
  readonly csv: RunResult;
  readonly packageError: string;
};

async function readOurselves(host: Host, rest: Rest): Promise<ProbeOutcome> {
  const own = await host.run(rest.path, LOG_ARGS);
  const tree = parseXml(own.stdout, 'nvidia_smi_log');
  const log = parseLog(tree, rest.listed, `${TOOL} -q -x`);
  if (log === null) return fromCsv(host, rest, own);
  const silent = own.stderr.trim() === '' && own.code === 0;
  const said = own.stderr.trim() === '' ? `exit code ${own.code ?? 'unknown'}` : complaintOf(own);
  const warnings = silent ? [] : [`nvidia-smi warns: ${said}`];
  const detail = `node-nvidia-smi gave up (${rest.packageError}); read with \`nvidia-smi -q -x\``;
  return outcomeOf(host, log, rest.rows, warnings, detail);
}

/** The last resort, and the place where nvidia-smi's own failure is told. */
async function fromCsv(host: Host, rest: Rest, own: RunResult | null): Promise<ProbeOutcome> {
  const found = rest.rows.length > 0 ? rest.rows : await rowsOfOldDriver(host, rest);
  if (found.length > 0) {
    const driverVersion = found[0]?.driver_version ?? null;
    const gpus = gpusOfRows(found, `${TOOL} --query-gpu`);
    const detail = 'the full log could not be read; MIG instances would not show';
    return outcomeOf(host, { gpus, driverVersion, warnings: [] }, found, [], detail);
  }
  const failed = own ?? rest.csv;
  const status = statusOf(failed) === 'ok' ? 'failed' : statusOf(failed);
  const complaint = complaintOf(failed);
  const warning = explainFailure({
    code: failed.code,
    complaint,
    timedOut: status === 'timeout',
  });
  return noGpus(probe(status, null, complaint), [warning]);
}

/** Drivers before 510 do not know `compute_cap` and refuse the whole query. */
async function rowsOfOldDriver(host: Host, { path, csv }: Rest): Promise<CsvRow[]> {
  if (!/not a valid field/i.test(csv.stdout + csv.stderr)) return [];
  const fields = CSV_FIELDS.filter((field) => field !== 'compute_cap');
  const result = await host.run(path, csvArgs(fields));
  return parseCsv(result.stdout, fields);
}

function outcomeOf(
  host: Host,
  log: NvidiaLog,
  rows: readonly CsvRow[],
  warnings: readonly string[],
  detail: string | null,
): ProbeOutcome {
  const complete = withComputeCapability(log.gpus, rows);
  const visible = visibleGpus(complete, 'CUDA_VISIBLE_DEVICES', host.env['CUDA_VISIBLE_DEVICES']);
  return {
    probes: [probe('ok', log.driverVersion, detail)],
    gpus: visible.gpus,
    warnings: [
      ...warnings,
      ...log.warnings,
      ...visible.warnings,
      ...unknownMemory(visible.gpus),
      ...oneMigAtATime(visible.gpus),
    ],
  };
}

function unknownMemory(gpus: readonly FoundGpu[]): string[] {
  return gpus
    .filter((gpu) => gpu.memoryKind === 'unknown' && gpu.totalBytes === null)
    .map(
      (gpu) =>
        `nvidia-smi does not say how much memory ${gpu.name} has: plan for a card by name with ` +
        '`mmdeploy plan --gpu "<card>"`',
    );
}

function oneMigAtATime(gpus: readonly FoundGpu[]): string[] {
  const instances = gpus.filter((gpu) => gpu.mig !== null);
  if (instances.length < 2) return [];
  const uuid = instances[0]?.uuid ?? 'MIG-…';
  return [
    'CUDA gives one process a single MIG instance (since driver R570 one of each GPU instance), and a plan ' +
      `uses the one with the most memory: choose another with \`CUDA_VISIBLE_DEVICES=${uuid}\``,
  ];
}

function probe(status: Probe['status'], version: string | null, detail: string | null): Probe {
  return { tool: TOOL, status, version, detail };
}
