import { headerComment } from './parts/header.ts';
import { visibleOnHost } from './parts/devices.ts';
import { doubtHere } from './parts/engine-flags.ts';
import { hostArgs, hostFiles, hostPlan, remedy } from './parts/host.ts';
import { shellWord } from './parts/quote.ts';
import { noShell, onlyLlamaCpp } from './parts/refusals.ts';
import { execLines, exportLines, programCheck, type Program } from './parts/script.ts';
import type { Deployment } from './types.ts';
import { defineTarget } from './types.ts';

const FILE = 'llama-server.sh';

/** A script that starts the engine, or the gateway, on the machine itself: Linux and macOS. */
export const llamaServer = defineTarget({
  id: 'llama-server',
  title: 'start script for llama-server',
  refuses: (deployment) => noShell(deployment) ?? onlyLlamaCpp(deployment),
  render: (deployment) => [
    { path: FILE, text: script(deployment), reader: 'sh', executable: true },
    ...(deployment.shape === 'gateway' ? [hostPlan(deployment)] : []),
  ],
  start: () => [`./${FILE}`],
});

const ENGINE: Program = {
  variable: 'LLAMA_SERVER',
  command: 'llama-server',
  remedy: 'mmdeploy engine install, then LLAMA_SERVER=FILE with its path (mmdeploy engine list)',
};

const GATEWAY: Program = {
  variable: 'MMDEPLOY',
  command: 'mmdeploy',
  remedy: 'npm install --global mmdeploy',
};

function script(deployment: Deployment): string {
  const gateway = deployment.shape === 'gateway';
  const program = gateway ? GATEWAY : ENGINE;
  return `#!/bin/sh
${headerComment(deployment)}#
# ${program.variable} names another ${program.command} than the one on PATH. Arguments are added at the end, where
# they win. Exit code 5: a program or a file is missing.
${doubt(deployment)}# shellcheck disable=SC2016 # names of files may hold a dollar sign: it is quoted to stay one
set -eu

${programCheck(program)}
${fileChecks(deployment)}
${exportLines(visibleOnHost(deployment))}${gateway ? startGateway(deployment) : startEngine(deployment)}
`;
}

/** All of them are told of, not one after the other. */
function fileChecks(deployment: Deployment): string {
  const calls = hostFiles(deployment).map(
    (file) => `needs ${shellWord(file.path)} ${shellWord(remedy(file))}`,
  );
  return `missing=
needs() {
  if [ -r "$1" ]; then return; fi
  printf '%s: cannot read %s\\n  %s\\n' "$0" "$1" "$2" >&2
  missing=yes
}
${calls.join('\n')}
if [ -n "$missing" ]; then exit 5; fi
`;
}

function doubt(deployment: Deployment): string {
  const said = doubtHere(deployment, hostArgs(deployment));
  return said === null ? '' : `# ${said}\n`;
}

function startEngine(deployment: Deployment): string {
  return execLines(hostArgs(deployment));
}

function startGateway({ listen }: Deployment): string {
  const args = ['--host', listen.host, '--port', String(listen.port)];
  return `here=$(unset CDPATH && cd -- "$(dirname -- "$0")" && pwd)
${execLines(args, ['serve --plan "$here/plan.host.json"'])}`;
}
