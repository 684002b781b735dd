import { describe, expect, test } from 'vitest';
import { MmdeployError } from '../../../src/errors.ts';
import { parseMachine } from '../../../src/match/machine-file.ts';
import { machine } from '../detect/support.ts';

function failure(text: string): MmdeployError {
  try {
    parseMachine(text, 'saved.json');
  } catch (error) {
    if (error instanceof MmdeployError) return error;
    throw error;
  }
  throw new Error('it was accepted');
}

describe('parseMachine', () => {
  test('takes what doctor prints, also with the mark that Windows shells write', () => {
    const text = JSON.stringify(machine());
    expect(parseMachine(text, 'saved.json')).toEqual(machine());
    expect(parseMachine(`\uFEFF${text}`, 'saved.json')).toEqual(machine());
  });

  test.each([
    ['not JSON', 'gpus: 2', /^saved\.json is not JSON/],
    [
      'another version',
      JSON.stringify({ ...machine(), schema: 'mmdeploy.machine/v2' }),
      /saved\.json is "mmdeploy\.machine\/v2", wanted mmdeploy\.machine\/v1/,
    ],
    ['another document', '{"gpus": []}', /has no `schema` field/],
    ['an array', '[]', /has no `schema` field/],
    [
      'a wrong field',
      JSON.stringify({ ...machine(), memory: { totalBytes: -1 } }),
      /^saved\.json: memory\.totalBytes: /,
    ],
    [
      'a wrong GPU',
      JSON.stringify({ ...machine(), gpus: [{ id: 'gpu0', vendor: 'matrox' }] }),
      /^saved\.json: gpus\[0\]\.vendor: /,
    ],
  ])('%s is refused by file and field', (_, text, message) => {
    const error = failure(text);
    expect(error.code).toBe('machine.invalid');
    expect(error.exitCode).toBe(2);
    expect(error.message).toMatch(message);
    expect(error.hints.join()).toContain('`mmdeploy doctor -o json > machine.json`');
  });
});
