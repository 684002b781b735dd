import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { EXIT_CODES } from '../../src/errors.ts';
import { cliReference } from '../../src/cli/reference.ts';
import { mmdeploy } from '../helpers/cli.ts';

describe('mmdeploy', () => {
  it('without arguments says what it is and what to try, exit 0', async () => {
    const { code, stdout, stderr } = await mmdeploy([]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toMatch(/mmdeploy plan .*\n.*mmdeploy estimate .*\n.*\n.*mmdeploy serve /);
  });

  it('prints the version of package.json', async () => {
    const { version } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string };
    expect((await mmdeploy(['--version'])).stdout).toBe(`${version}\n`);
  });

  it('refuses an unknown command with the near one, exit 2', async () => {
    const { code, stdout, stderr } = await mmdeploy(['estimat']);
    expect(code).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toMatch(/did you mean `estimate`/);
  });

  it('gives one JSON object on stderr for an error in JSON mode', async () => {
    const { code, stdout, stderr } = await mmdeploy(['models', 'nope', '-o', 'json']);
    expect(stdout).toBe('');
    expect(code).toBe(2);
    expect(JSON.parse(stderr)).toMatchObject({
      error: { code: 'usage.unknown-model', exitCode: 2 },
    });
  });

  it('documents every exit code', async () => {
    const { stdout } = await mmdeploy(['help', 'exit-codes']);
    for (const [name, { code }] of Object.entries(EXIT_CODES)) {
      expect(stdout).toMatch(new RegExp(`^ *${code}  ${name} `, 'm'));
    }
  });

  it('keeps every help line within 80 columns', async () => {
    const { stdout } = await mmdeploy(['--help']);
    const commands = [...stdout.matchAll(/^ {2}([a-z]+) /gm)].map(([, name]) => name ?? '');
    expect(commands).toEqual(
      expect.arrayContaining(['demo', 'doctor', 'plan', 'estimate', 'serve', 'ask', 'engine']),
    );
    for (const command of commands) {
      const help = await mmdeploy([command, '--help']);
      expect(help.code).toBe(0);
      expect(Math.max(...help.stdout.split('\n').map((line) => line.length))).toBeLessThanOrEqual(
        80,
      );
    }
  });

  it('never asks where nobody can answer', async () => {
    const { code, stderr } = await mmdeploy(['plan', '-i']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/needs a terminal/);
  });
});

describe('docs/cli.md', () => {
  it('is what the program says: `npm run build && npm run docs:cli` writes it', async () => {
    expect(readFileSync('docs/cli.md', 'utf8')).toBe(await cliReference());
  });
});
