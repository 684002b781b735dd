import type { DeploymentManifest } from '../contracts/deployment.ts';
import type { HostFile } from '../render/parts/host.ts';
import { shellWord } from '../render/parts/quote.ts';
import type { View } from './palette.ts';

type Written = {
  readonly manifest: DeploymentManifest;
  readonly files: readonly { readonly path: string; readonly text: string }[];
  readonly before: readonly HostFile[];
  readonly start: readonly { readonly target: string; readonly commands: readonly string[] }[];
};

/** What was written and how to start it; without a folder, the files themselves. */
export function deploymentText(deployed: Written, folder: string | null, view: View): string {
  if (folder === null) return contents(deployed);
  const base = folder.replace(/\/+$/, '');
  const lines = deployed.manifest.files.map(({ path, validatedBy, notValidated }) => {
    const by = readBy({ validatedBy, notValidated });
    return `${base}/${path}${by === '' ? '' : `  ${view.palette.dim(by)}`}`;
  });
  return [
    ...lines,
    ...(view.quiet ? [] : ['', ...deployed.before.map(firstly), ...starts(deployed, base)]),
  ].join('\n');
}

/** Who read a file, and who could not. */
export function readBy({
  validatedBy,
  notValidated,
}: Pick<DeploymentManifest['files'][number], 'validatedBy' | 'notValidated'>): string {
  if (validatedBy === null) return notValidated === null ? '' : `syntax only: ${notValidated}`;
  return notValidated === null ? validatedBy : `${validatedBy}; not read: ${notValidated}`;
}

function firstly({ path, bring }: HostFile): string {
  if (bring === null) return `first: put \`${path}\` there, which nobody is known to publish`;
  return `first: \`${bring.command}\`${bring.elsewhere ? `, then move it to ${path}` : ''}`;
}

/** The commands of each target, in order; one alone is what comes next. */
function starts({ start }: Written, base: string): readonly string[] {
  const [only, ...others] = start;
  if (only !== undefined && others.length === 0) {
    return only.commands.map((command, index) =>
      index === 0 ? `next: \`cd ${shellWord(base)} && ${command}\`` : `then: \`${command}\``,
    );
  }
  const width = Math.max(...start.map(({ target }) => target.length));
  return [
    `next: \`cd ${shellWord(base)}\`, and to start it with`,
    ...start.flatMap(({ target, commands }) =>
      commands.map(
        (command, index) => `  ${(index === 0 ? target : '').padEnd(width)}  \`${command}\``,
      ),
    ),
  ];
}

/** Each file below a line with its name. */
function contents({ files }: Written): string {
  return files.map(({ path, text }) => `==> ${path} <==\n${text}`).join('\n');
}
