import { visibleOnHost } from './parts/devices.ts';
import { headerComment } from './parts/header.ts';
import { hostArgs } from './parts/host.ts';
import { noGateway, noShell, onlyVllm } from './parts/refusals.ts';
import { execLines, exportLines, programCheck } from './parts/script.ts';
import type { Deployment } from './types.ts';
import { defineTarget } from './types.ts';

const FILE = 'vllm.sh';

/** A script that starts `vllm serve` on the machine itself, with its GPUs and no others. */
export const vllm = defineTarget({
  id: 'vllm',
  title: 'start script for vLLM',
  refuses: (deployment) => noShell(deployment) ?? onlyVllm(deployment) ?? noGateway(deployment),
  render: (deployment) => [
    { path: FILE, text: script(deployment), reader: 'sh', executable: true },
  ],
  start: () => [`./${FILE}`],
});

function script(deployment: Deployment): string {
  const check = programCheck({
    variable: 'VLLM_PROGRAM',
    command: 'vllm',
    remedy: `uv tool install vllm==${deployment.release.version}, or pip install in an environment of its own`,
  });
  return `#!/bin/sh
${headerComment(deployment)}#
# VLLM_PROGRAM names another vllm than the one on PATH. Arguments are added at the end, where they win.
# HF_TOKEN opens repositories behind a licence. Exit code 5: there is no such program.
set -eu

${check}
# vLLM reports its use to its authors unless it is told not to.
export VLLM_NO_USAGE_STATS=1
${exportLines(visibleOnHost(deployment))}${execLines(hostArgs(deployment))}
`;
}
