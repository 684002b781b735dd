import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { mmdeploy } from '../helpers/cli.ts';

const readme = readFileSync('README.md', 'utf8');
const examplesOf = (page: string) =>
  [...page.matchAll(/```\n\$ mmdeploy ([^\n]+)\n([\s\S]*?)\n?```/g)].map(
    ([, command = '', output = '']) => ({ command, output }),
  );
const examples = examplesOf(readme);
const guide = examplesOf(readFileSync('docs/estimate.md', 'utf8'));
/** A page is older than the day on which it is read. */
const ageless = (text: string) => text.replace(/, \d+ days? ago/g, '').trimEnd();

describe('README and guide', () => {
  it('has the two commands of a fresh machine', () => {
    expect(readme).toContain('npm ci && npm run demo');
    expect(readme).toContain('npm ci && npm test');
    expect(readme.split('\n').length).toBeLessThan(250);
  });

  it('shows a plan and an estimate', () => {
    expect(examples.map(({ command }) => command.split(' ')[0])).toEqual(
      expect.arrayContaining(['plan', 'estimate']),
    );
  });

  // `npm run docs:readme` pastes the output anew.
  it.each([...examples, ...guide])(
    'mmdeploy $command prints what is pasted below it',
    async ({ command, output }) => {
      const argv = [...command.matchAll(/"([^"]*)"|(\S+)/g)].map(([, a, b]) => a ?? b ?? '');
      const { code, stdout } = await mmdeploy(argv);
      expect(code).toBe(0);
      expect(ageless(stdout)).toBe(ageless(output));
    },
  );
});
