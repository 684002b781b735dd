import { hubFile } from '../../plan/files.ts';
import type { DeployedFile, Deployment } from '../types.ts';
import { modelFolders } from './container.ts';
import { CONTAINER_SECURITY, HUB_TOKEN, literal } from './pod.ts';
import { shardNames } from './shards.ts';

/**
 * Fetches what is not there yet. Its arguments are the folder, whether it is one pod's alone, and for each file
 * its name, address, bytes and SHA-256, with `-` for what is not known: names are never part of the script.
 * An unfinished file is gone on with at the next start, and has its own name only when it is whole.
 */
const SCRIPT = `#!/bin/sh
set -eu
cd "$1"
# Copies that share a volume do not write to the same unfinished file.
case $2 in alone) part=part ;; *) part=$POD_NAME.part ;; esac
shift 2
say() { printf '%s\\n' "$*" >&2; }
size() { stat -c %s "./$1"; }
is_size() { [ "$bytes" = - ] || [ "$(size "$1")" = "$bytes" ]; }
is_sum() { [ "$sum" = - ] || [ "$(sha256sum <"./$1" | cut -d ' ' -f 1)" = "$sum" ]; }
is_planned() { is_size "$1" && is_sum "$1"; }
login() { [ -z "\${HF_TOKEN:-}" ] || printf 'header = "Authorization: Bearer %s"\\n' "$HF_TOKEN"; }

fetch() { # name address
  say "fetching $2"
  code=$(login | curl --config - --fail --location --silent --show-error --connect-timeout 30 \\
    --speed-limit 1000 --speed-time 120 --continue-at - --output "./$1.$part" \\
    --write-out '%{http_code}' "$2") && return
  [ "$?" != 33 ] || rm -f "./$1.$part" # it cannot begin in the middle
  [ "$code" != 416 ] || return 0 # nothing was left to fetch
  case $code in
    401 | 403) say 'it asks who you are: kubectl create secret generic hf-token --from-literal=HF_TOKEN=...' ;;
  esac
  exit 1
}

await() { # name
  say "nobody publishes $1: copy it into this pod, then give it its name:"
  say "  kubectl cp FILE $POD_NAME:$PWD/file.part --container fetch-model"
  say "  kubectl exec $POD_NAME --container fetch-model -- mv $PWD/file.part $PWD/NAME"
  tries=360
  while [ ! -e "./$1" ]; do
    tries=$((tries - 1))
    [ "$tries" -gt 0 ] || { say "$1 is still missing after an hour"; exit 1; }
    sleep 10
  done
}

while [ "$#" -gt 0 ]; do
  name=$1 address=$2 bytes=$3 sum=$4
  shift 4
  if [ -e "./$name" ] && is_size "$name"; then
    say "$name is there"
  elif [ "$address" = - ]; then
    [ ! -e "./$name" ] || { say "$name has $(size "$name") bytes and not $bytes"; exit 1; }
    await "$name"
    is_planned "$name" || { say "$name is not the planned file"; exit 1; }
  else
    fetch "$name" "$address"
    if ! is_planned "$name.$part"; then
      say "$name.$part is not the planned file and is fetched anew"
      rm -f "./$name.$part"
      exit 1
    fi
    mv "./$name.$part" "./$name"
  fi
done
`;

const SCRIPT_DIR = '/etc/mmdeploy-fetch';
const SCRIPT_NAME = 'fetch.sh';

/** What curl and a shell get along with. */
export const FETCH_RESOURCES = {
  requests: { cpu: '100m', memory: '64Mi' },
  limits: { memory: '256Mi' },
};

/** Data of the ConfigMap that the init container runs. */
export const FETCH_SCRIPT: Readonly<Record<string, string>> = { [SCRIPT_NAME]: SCRIPT };

export function fetchVolume(configMap: string): object {
  return { name: 'fetch', configMap: { name: configMap } };
}

/** The init container that puts the model's files where the engine looks for them. */
export function fetchContainer(deployment: Deployment): object {
  const folder = modelFolders(deployment)[0]?.target ?? '/models';
  const words = wantedFiles(deployment).flatMap(({ name, url, bytes, sha256 }) => [
    ...[name, url ?? '-', bytes === null ? '-' : String(bytes), sha256 ?? '-'],
  ]);
  return {
    name: 'fetch-model',
    image: deployment.images.fetch,
    command: ['/bin/sh', `${SCRIPT_DIR}/${SCRIPT_NAME}`],
    args: [folder, deployment.scale.replicas > 1 ? 'shared' : 'alone', ...words].map(literal),
    env: [HUB_TOKEN, { name: 'POD_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
    resources: FETCH_RESOURCES,
    securityContext: CONTAINER_SECURITY,
    volumeMounts: [
      { name: 'models', mountPath: folder },
      { name: 'fetch', mountPath: SCRIPT_DIR, readOnly: true },
    ],
  };
}

export type WantedFile = Pick<DeployedFile, 'name' | 'bytes' | 'sha256'> & {
  readonly url: string | null;
};

/** Every file that has to be there; of a model in several files all of them. */
export function wantedFiles({ files }: Deployment): readonly WantedFile[] {
  return files.flatMap((file) => {
    const hub = hubFile(file.source);
    const whole = { ...file, url: hub === null ? null : addressOf(hub.url) };
    return shardsOf(whole);
  });
}

function shardsOf(file: WantedFile): readonly WantedFile[] {
  const names = shardNames(file.name);
  if (names.length === 1) return [file];
  const urls = file.url === null ? [] : shardNames(file.url);
  return names.map((name, index) => ({
    ...{ name, url: urls[index] ?? null },
    ...{ bytes: null, sha256: null },
  }));
}

/** Names of the Hub may hold what an address cannot. */
function addressOf(url: string): string {
  return encodeURI(url).replaceAll('?', '%3F').replaceAll('#', '%23');
}
