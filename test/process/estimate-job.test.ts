import { execFile } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { planFor, rendered } from '../helpers/deployments.ts';
import { expanded, kubeObjects, type Container, type KubeObject } from '../helpers/kubernetes.ts';

const BIN = fileURLToPath(new URL('../../bin/mmdeploy.js', import.meta.url));
const SHARES = 2;

/** The folders of the pods, on this machine. */
let data: string;
let bin: string;
let job: KubeObject;
let merge: KubeObject;

beforeAll(async () => {
  const root = mkdtempSync(join(tmpdir(), 'mmdeploy-job-'));
  data = join(root, 'data');
  bin = join(root, 'bin');
  mkdirSync(data);
  mkdirSync(bin);
  writeFileSync(join(bin, 'mmdeploy'), `#!/bin/sh\nexec "${process.execPath}" "${BIN}" "$@"\n`, {
    mode: 0o755,
  });
  const lines = Array.from({ length: 40 }, (_, index) => ({
    image: { width: 64 + 31 * index, height: 48 + 17 * index },
    text: `What is in picture ${index}?`,
  }));
  const manifest = lines.map((line) => `${JSON.stringify(line)}\n`).join('');
  writeFileSync(join(data, 'manifest.jsonl'), manifest);
  const plan = await planFor({ model: 'qwen2.5-vl-7b', gpus: ['RTX 4090'] });
  const { text } = await rendered(plan, ['k8s-job']);
  const objects = kubeObjects(text('estimate-job.yaml'));
  const [map] = objects.filter(({ kind }) => kind === 'ConfigMap');
  writeFileSync(join(data, 'plan.json'), map?.data['plan.json'] ?? '');
  job = objects.find(({ kind }) => kind === 'Job') ?? fail('no job');
  merge = kubeObjects(text('estimate-merge.yaml'))[0] ?? fail('no merge');
});

function fail(why: string): never {
  throw new Error(why);
}

/** Runs the command line of a job's container, with its folders replaced by those of this machine. */
function run({ spec }: KubeObject, variables: Record<string, string>, shares = SHARES) {
  const container: Container = spec.template.spec.containers[0];
  const set = Object.fromEntries((container.env ?? []).map(({ name, value }) => [name, value]));
  const env = { ...set, PATH: `${bin}${delimiter}${process.env['PATH']}`, ...variables };
  const here = (word: string) =>
    word === '16'
      ? String(shares)
      : word.replace(/^\/data/, data).replace(/^\/etc\/mmdeploy/, data);
  const words = [...container.command, ...container.args].map((word) => here(expanded(word, {})));
  const [program = '', ...args] = words;
  return new Promise<{ code: number; stdout: string; stderr: string }>((done) => {
    execFile(program, args, { env, timeout: 60_000 }, (error, stdout, stderr) => {
      done({ code: error === null ? 0 : Number(error.code), stdout, stderr });
    });
  });
}

const share = (index: number) =>
  run(job, { JOB_COMPLETION_INDEX: String(index), JOB_COMPLETIONS: String(SHARES) });

describe('the job of an estimate', () => {
  it('counts in shares what one machine counts, by its own command lines', async () => {
    for (const index of [0, 1]) expect(await share(index)).toMatchObject({ code: 0 });
    expect(readdirSync(join(data, 'parts')).sort()).toEqual([
      'part-0-of-2.json',
      'part-1-of-2.json',
    ]);
    const { code, stdout } = await run(merge, {});
    expect(code).toBe(0);
    const alone = await new Promise<string>((done) => {
      const whole = ['estimate', '--manifest', join(data, 'manifest.jsonl')];
      const flags = ['--plan', join(data, 'plan.json'), '--requests', 'per-line', '-o', 'json'];
      execFile(process.execPath, [BIN, ...whole, ...flags], (_, text) => done(text));
    });
    const totals = (text: string) => (JSON.parse(text) as { models: object[] }).models;
    expect(totals(stdout)).toEqual(totals(alone));
    expect(totals(stdout)).toHaveLength(1);
  });

  it('leaves no share behind that was not counted', async () => {
    const { code, stderr } = await run(job, {
      JOB_COMPLETION_INDEX: '7',
      JOB_COMPLETIONS: String(SHARES),
    });
    // A wrong index stays wrong: the job fails instead of trying again.
    expect(code).toBe(2);
    expect(stderr).toContain('not INDEX/COUNT');
    expect(readdirSync(join(data, 'parts'))).not.toContain('part-7-of-2.json');
  });

  it('adds up nothing where a share is missing', async () => {
    const { code } = await run(merge, {}, 3);
    expect(code).not.toBe(0);
  });

  it('tells each pod how many there are', () => {
    const { completions } = job.spec as unknown as { completions: number };
    const [container] = job.spec.template.spec.containers;
    expect(container.env).toContainEqual({ name: 'JOB_COMPLETIONS', value: String(completions) });
    expect(merge.spec.template.spec.containers[0].args).toContain(String(completions));
  });

  it('is refused for a file that only this machine has', async () => {
    const plan = await planFor({ model: 'qwen2.5-vl-7b', gpus: ['RTX 4090'] });
    const model = { path: '/home/me/own.gguf', source: null, bytes: 1, sha256: null };
    const own = { ...plan, files: { model, mmproj: null } };
    await expect(rendered(own, ['k8s-job'])).rejects.toThrow(/which nobody publishes/);
  });
});
