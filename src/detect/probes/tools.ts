import type { Probe } from '../../contracts/machine.ts';
import { complaintOf, statusOf } from '../host.ts';
import type { Host } from '../host.ts';

/** Programs that deployment and the engine use: how each says its version. */
export const TOOLS = [
  { tool: 'docker', args: ['--version'] },
  { tool: 'podman', args: ['--version'] },
  { tool: 'ffmpeg', args: ['-version'] },
  { tool: 'ffprobe', args: ['-version'] },
  { tool: 'git', args: ['--version'] },
] as const;

/** Present with its version, or missing. */
export function probeTools(host: Host): Promise<Probe[]> {
  return Promise.all(
    TOOLS.map(async ({ tool, args }) => {
      if ((await host.find(tool)) === null) {
        return { tool, status: 'missing', version: null, detail: null } as const;
      }
      const result = await host.run(tool, args);
      const status = statusOf(result);
      const detail = status === 'ok' ? null : complaintOf(result);
      return { tool, status, version: parseVersion(result.stdout), detail };
    }),
  );
}

/** The first thing in the first line that looks like a version: `28.2.2`, `5.1.9-0+deb12u1`. */
export function parseVersion(text: string): string | null {
  const line = text.trimStart().split(/\r?\n/)[0] ?? '';
  return /(?:^|\s)v?((?:\d+\.)+\d+[\w.+~-]*)/.exec(line)?.[1] ?? null;
}
