import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { mmdeploy } from '../helpers/cli.ts';
import { imageBytes, imageFolder } from '../helpers/images.ts';

const page = readFileSync('docs/ci.md', 'utf8');
const blocks = (kind: string) =>
  [...page.matchAll(new RegExp(`\`\`\`${kind}\\n([\\s\\S]*?)\`\`\``, 'g'))].map(
    ([, text = '']) => text,
  );

type Step = { readonly run?: string };
type GitHub = { readonly jobs: { readonly tokens: { readonly steps: readonly Step[] } } };
type GitLab = { readonly tokens: { readonly script: readonly string[] } };

/** Shell lines of the page's pipelines that run us. */
const [github, gitlab] = blocks('yaml').map((text) => parse(text) as unknown);
const ours = (lines: readonly string[]) =>
  lines
    .flatMap((text) => text.split('\n'))
    .map((line) => line.trim())
    .filter((line) => line.startsWith('mmdeploy '));
const githubLines = ours((github as GitHub).jobs.tokens.steps.flatMap(({ run }) => run ?? []));
const gitlabLines = ours((gitlab as GitLab).tokens.script);
const [baselineLine = ''] = ours(blocks('sh'));

/** A repository with a few prompts in it. */
async function repository(images: number): Promise<string> {
  const folder = imageFolder();
  mkdirSync(join(folder.path, 'prompts'));
  const image = await imageBytes({ width: 640, height: 480, format: 'png' });
  for (let index = 0; index < images; index++) folder.add(`prompts/${index}.png`, image);
  folder.add('prompts/question.txt', 'What is in this picture?');
  return folder.path;
}

/** As a shell would: words at blanks, `> FILE` takes what is printed. */
async function shell(line: string, cwd: string) {
  const [command = '', file = ''] = line.split(' > ');
  const result = await mmdeploy(command.split(' ').slice(1), { cwd });
  writeFileSync(join(cwd, file), result.stdout);
  return result;
}

describe('the pipelines of docs/ci.md', () => {
  it('are there', () => {
    expect([githubLines.length, gitlabLines.length]).toEqual([1, 2]);
    expect(baselineLine).toContain('-o json > tokens-baseline.json');
  });

  it('GitHub: passes as it was, and fails with the report when the prompts grew', async () => {
    const cwd = await repository(3);
    expect(await shell(baselineLine, cwd)).toMatchObject({ code: 0, stderr: '' });
    const [line = ''] = githubLines;
    expect((await shell(line, cwd)).code).toBe(0);
    const grown = await repository(4);
    copyFileSync(join(cwd, 'tokens-baseline.json'), join(grown, 'tokens-baseline.json'));
    const { code, stdout, stderr } = await shell(line, grown);
    expect(code).toBe(4);
    expect(stderr).toContain('budget.exceeded');
    expect(stdout).toMatch(/\| all \|.*\+\d+\.\d+ % over/);
  });

  it.each(gitlabLines)('GitLab: %s', async (line) => {
    const { code, stdout } = await shell(line, await repository(2));
    expect(code).toBe(0);
    expect(stdout).toContain('gpt-4o-mini');
  });
});
