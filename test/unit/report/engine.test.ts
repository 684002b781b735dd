import { describe, expect, it } from 'vitest';
import type { EngineInstallResult, EngineList } from '../../../src/contracts/engine.ts';
import type { EngineFound } from '../../../src/contracts/machine.ts';
import { engineInstallText, enginesText } from '../../../src/report/engine.ts';
import { PLAIN } from '../../../src/report/palette.ts';

const view = { palette: PLAIN, boxes: false, quiet: false } as const;
const engine: EngineFound = {
  name: 'llama.cpp',
  path: '/usr/bin/llama-server',
  version: '0.7.0',
  build: 11669,
  devices: [],
  source: 'path',
};
const list = (overrides: Partial<EngineList>): EngineList => ({
  schema: 'mmdeploy.engines/v1',
  engines: [engine],
  unusable: [],
  choice: { kind: 'ready', engine, why: 'the only one found' },
  ...overrides,
});

describe('enginesText', () => {
  it('is a table with the chosen one marked, and why', () => {
    expect(enginesText(list({}), view)).toMatchInlineSnapshot(`
      "   llama-server           version  build  devices   found by
      *  /usr/bin/llama-server  0.7.0    11669  CPU only  PATH

      used: /usr/bin/llama-server (the only one found)"
    `);
  });

  it('has a next command for each thing that is wrong', () => {
    const unusable = [{ path: '/a', source: 'path' as const, reason: 'it is not a program' }];
    const none = list({
      engines: [],
      unusable,
      choice: { kind: 'none', why: 'no llama-server was found' },
    });
    expect(enginesText(none, view)).toMatchInlineSnapshot(`
      "no llama-server was found: \`mmdeploy engine install\` gets one
      /a cannot be used: it is not a program"
    `);
    const cpu = list({ choice: { kind: 'cpu-only', engine, why: 'x', gpus: ['RTX 4090'] } });
    expect(enginesText(cpu, view)).toContain('does not show RTX 4090: `mmdeploy engine install`');
    const old = list({ choice: { kind: 'too-old', engine, why: 'x', minBuild: 5353 } });
    expect(enginesText(old, view)).toContain('`mmdeploy engine install --force`');
  });

  it('is only the path when quiet', () => {
    expect(enginesText(list({}), { ...view, quiet: true })).toBe('/usr/bin/llama-server');
  });
});

describe('engineInstallText', () => {
  const result: EngineInstallResult = {
    schema: 'mmdeploy.engine-install/v1',
    installed: true,
    path: '/data/llama-server',
    id: 'release-b11541-cuda-12.8',
    source: 'release',
    release: 'b11541',
    accelerator: 'cuda',
    why: 'CUDA',
  };

  it('says what was installed and where', () => {
    expect(engineInstallText(result, view)).toBe(
      'installed llama.cpp (release, cuda, b11541): /data/llama-server',
    );
    expect(engineInstallText(result, { ...view, quiet: true })).toBe('/data/llama-server');
  });

  it('says when nothing was, and how to insist', () => {
    const there = { ...result, installed: false, why: 'already there: the first on PATH' };
    expect(engineInstallText(there, view)).toMatch(/already there.*\n`--force`/);
  });
});
