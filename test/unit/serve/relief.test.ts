import { expect, test } from 'vitest';
import { NO_RELIEF, nextRelief, reliefFlags, withRelief } from '../../../src/serve/relief.ts';
import type { Relief, ReliefScope } from '../../../src/serve/relief.ts';

const FLAGS = ['--no-mmproj-offload', '--image-max-tokens', '--parallel'];
const scope: ReliefScope = { flags: FLAGS, imageTokens: { largest: 4096, least: 700 } };
const args = '-m m.gguf --mmproj p.gguf --ctx-size 16384 --parallel 4'.split(' ');

function ladder(
  from: readonly string[],
  within: ReliefScope,
  memory: 'device' | 'host' = 'device',
): string[] {
  const steps: string[] = [];
  let relief: Relief | null = NO_RELIEF;
  while ((relief = nextRelief(from, relief, within, memory)) !== null) {
    steps.push(reliefFlags(relief));
  }
  return steps;
}

test('encoder, image tokens down to the floor, slots down to one, and no further', () => {
  expect(ladder(args, scope)).toEqual([
    '--no-mmproj-offload',
    '--no-mmproj-offload, --image-max-tokens 2048',
    '--no-mmproj-offload, --image-max-tokens 1024',
    '--no-mmproj-offload, --image-max-tokens 700',
    '--no-mmproj-offload, --image-max-tokens 700, --parallel 2',
    '--no-mmproj-offload, --image-max-tokens 700, --parallel 1',
  ]);
});

test('what the plan has done already is not done again', () => {
  const planned = [...args, '--no-mmproj-offload', '--image-max-tokens', '900'];
  expect(ladder(planned, scope)).toEqual([
    '--image-max-tokens 700',
    '--image-max-tokens 700, --parallel 2',
    '--image-max-tokens 700, --parallel 1',
  ]);
});

test('images of one size, an engine without the flag, a model without an encoder', () => {
  expect(ladder(args, { ...scope, imageTokens: null })[1]).toBe(
    '--no-mmproj-offload, --parallel 2',
  );
  expect(ladder(args, { ...scope, flags: [] })[0]).toBe('--parallel 2');
  expect(ladder(['-m', 'm.gguf', '-c', '512', '-np', '1'], scope)).toEqual([]);
});

test("where the machine's own memory ran out the encoder does not move there", () => {
  expect(ladder(args, scope, 'host')[0]).toBe('--image-max-tokens 2048');
});

test('each slot keeps its context; a cap is replaced, in short and long spelling', () => {
  const relief = { encoderOnCpu: true, imageMaxTokens: 700, slots: 1 };
  expect(withRelief([...args, '--image-max-tokens', '2048'], relief).join(' ')).toBe(
    '-m m.gguf --mmproj p.gguf --ctx-size 4096 --parallel 1 --no-mmproj-offload --image-max-tokens 700',
  );
  const short = ['-c', '8192', '-np', '2'];
  expect(withRelief(short, { ...NO_RELIEF, slots: 1 })).toEqual(['-c', '4096', '-np', '1']);
  expect(withRelief(args, NO_RELIEF)).toEqual(args);
});
