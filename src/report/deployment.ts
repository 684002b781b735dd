import type { DeploymentManifest } from '../contracts/deployment.ts';
import type { View } from './palette.ts';

type Written = {
  readonly manifest: DeploymentManifest;
  readonly files: readonly { readonly path: string; readonly text: string }[];
  readonly start: readonly { readonly target: string; readonly commands: readonly string[] }[];
};

/** What was written and how to start it; without a folder, the files themselves. */
export function deploymentText(deployed: Written, folder: string | null, view: View): string {
  if (folder === null) return contents(deployed);
  const base = folder.replace(/\/+$/, '');
  const lines = deployed.manifest.files.map(({ path, validatedBy, notValidated }) => {
    const by = validatedBy ?? (notValidated === null ? '' : `syntax only: ${notValidated}`);
    return `${base}/${path}${by === '' ? '' : `  ${view.palette.dim(by)}`}`;
  });
  const starts = deployed.start.flatMap(({ commands }) =>
    commands.map((command) => `next: \`cd ${base} && ${command}\``),
  );
  return [...lines, ...(view.quiet ? [] : ['', ...starts])].join('\n');
}

/** Each file below a line with its name. */
function contents({ files }: Written): string {
  return files.map(({ path, text }) => `==> ${path} <==\n${text}`).join('\n');
}
