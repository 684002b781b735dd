import { MmdeployError } from '../errors.ts';

/** A share of the inputs: of `of` equal ones that with `index`, from 0. */
export type Shard = { readonly index: number; readonly of: number };

const MAX_SHARDS = 1_000_000;

/** `3/16`: the share with index 3 of 16. Throws `usage.invalid`. */
export function parseShard(text: string): Shard {
  const match = /^\s*(\d{1,7})\s*\/\s*(\d{1,7})\s*$/.exec(text);
  const [index, of] = [Number(match?.[1]), Number(match?.[2])];
  if (match && of >= 1 && of <= MAX_SHARDS && index < of) return { index, of };
  throw new MmdeployError(
    'usage.invalid',
    `\`--shard ${text}\`: not INDEX/COUNT with INDEX below COUNT`,
    {
      hints: [
        'counted from 0: `mmdeploy estimate --shard 0/4`, `1/4`, `2/4`, `3/4`; or `--shard auto`',
      ],
    },
  );
}

/** Variables that batch systems set: index of the task, and how many there are. */
const BATCH_SYSTEMS = [
  {
    name: 'Slurm array',
    index: 'SLURM_ARRAY_TASK_ID',
    of: 'SLURM_ARRAY_TASK_COUNT',
    first: 'SLURM_ARRAY_TASK_MIN',
  },
  // Kubernetes gives a job's pods their index alone: the job file has to repeat `completions`.
  { name: 'Kubernetes Indexed Job', index: 'JOB_COMPLETION_INDEX', of: 'JOB_COMPLETIONS' },
  { name: 'AWS Batch array', index: 'AWS_BATCH_JOB_ARRAY_INDEX', of: 'AWS_BATCH_JOB_ARRAY_SIZE' },
  { name: 'SkyPilot', index: 'SKYPILOT_NODE_RANK', of: 'SKYPILOT_NUM_NODES' },
  { name: 'GitLab CI', index: 'CI_NODE_INDEX', of: 'CI_NODE_TOTAL', fromOne: true },
] as const;

/** The share that a batch system's environment gives this task (`--shard auto`). Throws `usage.invalid`. */
export function shardFromEnvironment(env: Readonly<Record<string, string | undefined>>): Shard {
  for (const system of BATCH_SYSTEMS) {
    const given = env[system.index];
    if (given === undefined) continue;
    const of = env[system.of];
    if (of === undefined) {
      throw new MmdeployError(
        'usage.invalid',
        `\`--shard auto\`: ${system.index} is set (${system.name}), but not ${system.of}`,
        {
          hints: [
            `set it to the number of tasks, or \`mmdeploy estimate --shard "$${system.index}/N"\``,
          ],
        },
      );
    }
    const first = 'fromOne' in system ? 1 : 'first' in system ? Number(env[system.first] ?? 0) : 0;
    return parseShard(`${Number(given) - first}/${of}`);
  }
  const names = BATCH_SYSTEMS.map(({ index }) => index).join(', ');
  throw new MmdeployError('usage.invalid', `\`--shard auto\`: none of ${names} is set`, {
    hints: ['name the share yourself: `mmdeploy estimate --shard 0/4`'],
  });
}

const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;
const UINT32 = 2 ** 32;

/** FNV-1a over UTF-16 code units, then mixed (murmur3's finaliser): spreads names that differ in one digit. */
export function keyHash(key: string): number {
  let value = FNV_OFFSET;
  for (let at = 0; at < key.length; at++) {
    value = Math.imul(value ^ key.charCodeAt(at), FNV_PRIME);
  }
  value = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  value = Math.imul(value ^ (value >>> 13), 0xc2b2ae35);
  return (value ^ (value >>> 16)) >>> 0;
}

/** Whether what goes by `key` is in this share; each key is in just one share of a split. */
export function isMine(shard: Shard | null, key: string): boolean {
  return shard === null || Math.floor((keyHash(key) / UINT32) * shard.of) === shard.index;
}

/** A digest of all keys in their order, so that shares of different lists are not taken for one. */
export class KeyDigest {
  #value = FNV_OFFSET;
  #count = 0;

  add(key: string): void {
    this.#value = Math.imul(this.#value ^ keyHash(key), FNV_PRIME);
    this.#count += 1;
  }

  toString(): string {
    return `${this.#count}-${(this.#value >>> 0).toString(16).padStart(8, '0')}`;
  }
}
