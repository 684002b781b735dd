import { describe, expect, it } from 'vitest';
import {
  isMine,
  KeyDigest,
  parseShard,
  shardFromEnvironment,
} from '../../../src/estimate/shard.ts';

describe('parseShard', () => {
  it('counts from 0', () => {
    expect(parseShard('0/1')).toEqual({ index: 0, of: 1 });
    expect(parseShard(' 15/16 ')).toEqual({ index: 15, of: 16 });
  });
  it.each(['', '1', '4/4', '-1/4', '1/0', '1.5/4', 'a/b', '1/4/8', '0/9999999'])(
    'refuses %j',
    (text) => {
      expect(() => parseShard(text)).toThrow('--shard');
    },
  );
});

describe('shardFromEnvironment', () => {
  it.each([
    [
      { JOB_COMPLETION_INDEX: '2', JOB_COMPLETIONS: '8' },
      { index: 2, of: 8 },
    ],
    [
      { SLURM_ARRAY_TASK_ID: '5', SLURM_ARRAY_TASK_COUNT: '10', SLURM_ARRAY_TASK_MIN: '1' },
      { index: 4, of: 10 },
    ],
    [
      { AWS_BATCH_JOB_ARRAY_INDEX: '0', AWS_BATCH_JOB_ARRAY_SIZE: '3' },
      { index: 0, of: 3 },
    ],
    [
      { SKYPILOT_NODE_RANK: '1', SKYPILOT_NUM_NODES: '2' },
      { index: 1, of: 2 },
    ],
    [
      { CI_NODE_INDEX: '1', CI_NODE_TOTAL: '4' },
      { index: 0, of: 4 },
    ],
  ])('%j', (env, shard) => {
    expect(shardFromEnvironment(env)).toEqual(shard);
  });
  it('says what is missing', () => {
    expect(() => shardFromEnvironment({})).toThrow('none of SLURM_ARRAY_TASK_ID');
    expect(() => shardFromEnvironment({ JOB_COMPLETION_INDEX: '1' })).toThrow('JOB_COMPLETIONS');
  });
});

describe('isMine', () => {
  const keys = Array.from({ length: 20_000 }, (_, index) => `photos/${index}.jpg`);
  it('gives each key to just one share, all shares about as many', () => {
    const of = 16;
    const sizes = Array.from({ length: of }, (_, index) =>
      keys.filter((key) => isMine({ index, of }, key)),
    );
    expect(sizes.flat().sort()).toEqual([...keys].sort());
    for (const { length } of sizes) expect(Math.abs(length - 1250)).toBeLessThan(200);
  });
});

describe('KeyDigest', () => {
  const digest = (...keys: string[]) => {
    const all = new KeyDigest();
    for (const key of keys) all.add(key);
    return all.toString();
  };
  it('tells lists apart by content, order and length', () => {
    const lists = [digest(), digest('a'), digest('a', 'b'), digest('b', 'a'), digest('a', 'c')];
    expect(new Set(lists).size).toBe(5);
    expect(digest('a', 'b')).toBe(digest('a', 'b'));
  });
});
