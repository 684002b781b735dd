import { headerComment } from './parts/header.ts';
import type { Deployment, Origin, RenderedFile } from './types.ts';

/**
 * The image of the gateway: the engine's own with Node.js and mmdeploy in it. ffmpeg is there for films;
 * without it they are refused.
 */
export function dockerfile(deployment: Deployment): RenderedFile {
  const { images, origin } = deployment;
  const version = versionOf(origin);
  const text = `${headerComment(deployment)}FROM ${images.node} AS node

FROM ${images.engine ?? images.node}
COPY --from=node /usr/local/bin/node /usr/local/bin/node
COPY --from=node /usr/local/lib/node_modules /usr/local/lib/node_modules
# A package's name and version, or the file of \`npm pack\` beside this one: --build-arg MMDEPLOY=./mmdeploy-${version}.tgz
ARG MMDEPLOY=mmdeploy@${version}
RUN apt-get update \\
 && apt-get install --yes --no-install-recommends ffmpeg \\
 && rm -rf /var/lib/apt/lists/* \\
 && ln -s ../lib/node_modules/npm/bin/npm-cli.js /usr/local/bin/npm
${INSTALL}
ENTRYPOINT ["mmdeploy"]
`;
  return { path: 'Dockerfile', text, reader: 'dockerfile' };
}

/** The image of `mmdeploy estimate`: Node.js and mmdeploy, without an engine. */
export function estimateDockerfile(deployment: Deployment): RenderedFile {
  const version = versionOf(deployment.origin);
  const text = `${headerComment(deployment)}FROM ${deployment.images.node}
# A package's name and version, or the file of \`npm pack\` beside this one: --build-arg MMDEPLOY=./mmdeploy-${version}.tgz
ARG MMDEPLOY=mmdeploy@${version}
${INSTALL}
USER node
ENTRYPOINT ["mmdeploy"]
`;
  return { path: 'Dockerfile.estimate', text, reader: 'dockerfile' };
}

/** Mounted and not copied: a layer would keep whatever else lies in the folder, keys and models among it. */
const INSTALL = `RUN --mount=type=bind,target=/opt/build \\
 cd /opt/build && npm install --global --omit=dev "$MMDEPLOY" && rm -rf /root/.npm`;

function versionOf({ version }: Origin): string {
  return version.split(' ').pop() ?? '';
}
