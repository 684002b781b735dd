import { describe, expect, it } from 'vitest';
import type { EngineName } from '../../../src/contracts/basis.ts';
import { wiredIn } from '../../../src/deploy/wiring/read.ts';
import { targets } from '../../../src/render/index.ts';
import { TARGET_NAMES, type TargetId } from '../../../src/render/target-names.ts';
import type { Target } from '../../../src/render/types.ts';
import { deploymentFor } from '../../../src/workflows/render-deployment.ts';
import { ENGINE_ALONE, MACHINES, planFor } from '../../helpers/deployments.ts';

/** Targets that start no engine, or whose file is not a command line: theirs are tested by their readers. */
const ELSEWHERE: readonly TargetId[] = ['models-ini'];

/** The engine's arguments as each target's files give them, folders, host and port put aside. */
async function argvs(gpus: readonly string[], engine: EngineName): Promise<Map<string, string>> {
  const plan = await planFor({ model: 'qwen2.5-vl-7b', gpus, engine });
  const options = { ...ENGINE_ALONE, targets: [], groups: null };
  const deployment = await deploymentFor({ plan, version: '0.1.0', command: '', options });
  const found = new Map<string, string>();
  for (const id of TARGET_NAMES) {
    const target: Target = targets[id];
    if (target.refuses(deployment) !== null || ELSEWHERE.includes(id)) continue;
    for (const { path, reader, text } of target.render(deployment)) {
      for (const { args } of wiredIn(reader, text) ?? []) {
        if (args.includes('--port')) found.set(`${id} ${path}`, placeless(args).join(' '));
      }
    }
  }
  return found;
}

function placeless(args: readonly string[]): readonly string[] {
  return args.map((word, index) => {
    const flag = args[index - 1] ?? '';
    if (['--host', '--port'].includes(flag)) return flag.toUpperCase();
    return ['--model', '--mmproj'].includes(flag) ? (word.split('/').pop() ?? '') : word;
  });
}

describe('the engine gets the same arguments from every target', () => {
  it.each([
    ['llama.cpp', MACHINES['one NVIDIA card'], 6],
    ['llama.cpp', MACHINES.CPU, 6],
    ['vllm', MACHINES['two NVIDIA cards'], 4],
  ] as const)('%s on %j', async (engine, gpus, least) => {
    const found = await argvs(gpus, engine);
    expect(found.size).toBeGreaterThanOrEqual(least);
    const [first = ''] = found.values();
    expect(first).toMatch(engine === 'vllm' ? /^serve .*--max-model-len / : /^--model .*--mmproj /);
    expect(Object.fromEntries(found)).toEqual(
      Object.fromEntries([...found.keys()].map((name) => [name, first])),
    );
  });
});
