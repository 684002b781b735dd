import { copyFile, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { complaint, linesOf, runTool, skippedWithout } from './context.ts';
import type { ValidatorContext } from './context.ts';
import { checked } from './report.ts';
import type { Report } from './report.ts';
import { systemdVerifyText } from './systemd.ts';

/** With the units that podman makes of the files, by name. */
export type QuadletReport = Report & { readonly services: Readonly<Record<string, string>> };

/**
 * podman's generator, dry, on these files (`.container`, `.volume`, `.network` …) as one set and nothing
 * beside them. Its warnings are findings. It passes `[Unit]`, `[Service]` and `[Install]` on as they are:
 * `checkQuadlet` has systemd read the result.
 */
export async function quadletDryrun(
  files: readonly string[],
  ctx: ValidatorContext,
): Promise<QuadletReport> {
  const tool = ctx.validators.quadlet;
  if (tool === null) return { ...skippedWithout('quadlet', 'quadlet -dryrun'), services: {} };
  const folder = await mkdtemp(join(tmpdir(), 'mmdeploy-quadlet-'));
  try {
    const units = join(folder, 'units');
    await mkdir(units);
    for (const file of files) await copyFile(file, join(units, basename(file)));
    const result = await runTool(tool, ['-dryrun', '-no-kmsg-log'], ctx, {
      QUADLET_UNIT_DIRS: units,
    });
    const said = linesOf(result.stderr)
      .map((line) => line.replace(/^quadlet-generator\[\d+\]: /, '').replaceAll(`${units}/`, ''))
      .filter((line) => !line.startsWith('Loading source unit file'));
    const unexplained = result.code !== 0 && said.length === 0 ? complaint(result) : [];
    const services = servicesOf(result.stdout);
    const lost =
      Object.keys(services).length === 0 && said.length === 0 ? ['it makes no unit'] : [];
    const findings = [...said, ...(unexplained.length > 0 ? unexplained : lost)];
    return { ...checked(`quadlet ${tool.version} -dryrun`, findings), services };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** podman's reading of the files, and systemd's of each unit that podman makes of them. */
export async function checkQuadlet(
  files: readonly string[],
  ctx: ValidatorContext,
): Promise<Report[]> {
  const { services, ...report } = await quadletDryrun(files, ctx);
  const verified = Object.entries(services).map(([name, text]) =>
    systemdVerifyText(name, text, ctx),
  );
  return [report, ...(await Promise.all(verified))];
}

/** Each unit stands below its name: `---llama.service---`. */
function servicesOf(stdout: string): Record<string, string> {
  const parts = stdout.split(/^---(\S+)---$/m).slice(1);
  const names = parts.filter((_, index) => index % 2 === 0);
  return Object.fromEntries(names.map((name, index) => [name, parts[index * 2 + 1] ?? '']));
}
