import { createHash } from 'node:crypto';
import { execFile } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, inject, it } from 'vitest';
import { MERGE_SCRIPT, SHARE_SCRIPT } from '../../src/render/k8s-job.ts';
import { FETCH_SCRIPT, wantedFiles } from '../../src/render/parts/fetch.ts';
import { shellcheck } from '../../src/validators/shell.ts';
import { planFor, rendered } from '../helpers/deployments.ts';
import { validatorContext } from '../helpers/validators.ts';

const has = (name: string) =>
  (process.env['PATH'] ?? '').split(delimiter).some((folder) => existsSync(join(folder, name)));

const CONTENT = Buffer.from('0123456789'.repeat(1000));
const SUM = createHash('sha256').update(CONTENT).digest('hex');
const NASTY = `-it's "a" $(id) #1;\\\n.gguf`;

/** What the container of Kubernetes runs, by this machine's shell and curl. */
describe.skipIf(!has('curl') || !has('sh'))('the script that fetches a model', () => {
  let server: Server;
  let origin: string;
  let asked: { path: string; range: string | undefined; token: string | undefined }[];
  let models: string;

  beforeEach(async () => {
    models = mkdtempSync(join(tmpdir(), 'mmdeploy-fetch-'));
    asked = [];
    server = createServer(({ url = '', headers }, response) => {
      asked.push({ path: url, range: headers.range, token: headers.authorization });
      if (url.startsWith('/gated')) return void response.writeHead(401).end();
      if (url.startsWith('/whole-only')) return void response.writeHead(200).end(CONTENT);
      const from = Number(/bytes=(\d+)-/.exec(headers.range ?? '')?.[1] ?? 0);
      if (from >= CONTENT.length) return void response.writeHead(416).end();
      const range = `bytes ${from}-${CONTENT.length - 1}/${CONTENT.length}`;
      response.writeHead(from > 0 ? 206 : 200, from > 0 ? { 'content-range': range } : {});
      response.end(CONTENT.subarray(from));
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });

  afterEach(() => {
    server.close();
    server.closeAllConnections();
  });

  function run(files: readonly string[], env: Record<string, string> = {}, mode = 'alone') {
    const script = join(mkdtempSync(join(tmpdir(), 'mmdeploy-script-')), 'fetch.sh');
    writeFileSync(script, FETCH_SCRIPT['fetch.sh'] ?? '');
    const variables = { PATH: process.env['PATH'], POD_NAME: 'pod-1', ...env };
    return new Promise<{ code: number; stderr: string }>((done) => {
      const options = { env: variables, timeout: 20_000 };
      execFile('sh', [script, models, mode, ...files], options, (error, _stdout, stderr) => {
        done({ code: error === null ? 0 : Number(error.code), stderr });
      });
    });
  }

  const there = (name: string) => readFileSync(join(models, name));

  it('fetches what is missing, whatever it is called, and then nothing', async () => {
    const files = [NASTY, `${origin}/file`, String(CONTENT.length), SUM];
    expect(await run(files)).toMatchObject({ code: 0 });
    expect(there(NASTY).equals(CONTENT)).toBe(true);
    expect(await run(files)).toMatchObject({ code: 0 });
    expect(asked).toHaveLength(1);
  });

  it('goes on where an earlier start was ended', async () => {
    writeFileSync(join(models, 'a.gguf.part'), CONTENT.subarray(0, 4000));
    expect(await run(['a.gguf', `${origin}/a`, '-', SUM])).toMatchObject({ code: 0 });
    expect(asked[0]?.range).toBe('bytes=4000-');
    expect(there('a.gguf').equals(CONTENT)).toBe(true);
  });

  it('begins anew where the server cannot go on, at the next start', async () => {
    writeFileSync(join(models, 'a.gguf.part'), CONTENT.subarray(0, 4000));
    const files = ['a.gguf', `${origin}/whole-only`, '-', SUM];
    expect((await run(files)).code).toBe(1);
    expect(await run(files)).toMatchObject({ code: 0 });
    expect(there('a.gguf').equals(CONTENT)).toBe(true);
  });

  it('takes a whole file that only lacks its name', async () => {
    writeFileSync(join(models, 'a.gguf.part'), CONTENT);
    expect(await run(['a.gguf', `${origin}/a`, '-', SUM])).toMatchObject({ code: 0 });
    expect(there('a.gguf').equals(CONTENT)).toBe(true);
  });

  it('gives nothing a name that is not the planned file', async () => {
    const { code, stderr } = await run(['a.gguf', `${origin}/a`, '-', SUM.replace(/./, 'x')]);
    expect(code).toBe(1);
    expect(stderr).toContain('a.gguf.part is not the planned file');
    expect(existsSync(join(models, 'a.gguf'))).toBe(false);
    expect(existsSync(join(models, 'a.gguf.part'))).toBe(false);
  });

  it('sends the token, which no list of processes shows', async () => {
    const files = ['a.gguf', `${origin}/a`, '-', '-'];
    expect(await run(files, { HF_TOKEN: 'hf_secret' })).toMatchObject({ code: 0 });
    expect(asked[0]?.token).toBe('Bearer hf_secret');
    expect(FETCH_SCRIPT['fetch.sh']).not.toMatch(/curl[^|]*HF_TOKEN/);
  });

  it('says what a file needs that asks who you are', async () => {
    const { code, stderr } = await run(['a.gguf', `${origin}/gated`, '-', '-']);
    expect(code).toBe(1);
    expect(stderr).toContain('kubectl create secret generic hf-token');
  });

  it('keeps copies that share a volume apart', async () => {
    writeFileSync(join(models, 'a.gguf.part'), 'of another pod');
    expect(await run(['a.gguf', `${origin}/a`, '-', SUM], {}, 'shared')).toMatchObject({ code: 0 });
    expect(asked[0]?.range).toBeUndefined();
  });

  it('says where a file has to be put that nobody publishes, and sees it come', async () => {
    // The script sleeps between two looks: the copy arrives while it does.
    const bin = join(models, 'bin');
    mkdirSync(bin);
    const sleep = `#!/bin/sh\nmv ${models}/file.part ${models}/own.gguf\n`;
    writeFileSync(join(bin, 'sleep'), sleep, { mode: 0o755 });
    writeFileSync(join(models, 'file.part'), CONTENT);
    const PATH = `${bin}${delimiter}${process.env['PATH']}`;
    const { code, stderr } = await run(['own.gguf', '-', String(CONTENT.length), '-'], { PATH });
    expect(stderr).toContain(`kubectl cp FILE pod-1:${models}/file.part --container fetch-model`);
    expect(code).toBe(0);
  });

  it('refuses a file of another size where nobody publishes the right one', async () => {
    writeFileSync(join(models, 'own.gguf'), 'short');
    const { code, stderr } = await run(['own.gguf', '-', '10000', '-']);
    expect(code).toBe(1);
    expect(stderr).toContain('own.gguf has 5 bytes and not 10000');
  });
});

describe.skipIf(inject('validators').shellcheck === null)('shellcheck', () => {
  it.each([
    ['fetches a model', FETCH_SCRIPT['fetch.sh'] ?? ''],
    ['counts a share', `#!/bin/sh -eu\n${SHARE_SCRIPT}`],
    ['adds up the shares', `#!/bin/sh -eu\n${MERGE_SCRIPT}`],
  ])('finds nothing in the script that %s', async (_, script) => {
    const file = join(mkdtempSync(join(tmpdir(), 'mmdeploy-script-')), 'script.sh');
    writeFileSync(file, script);
    expect(await shellcheck(file, validatorContext())).toMatchObject({ ok: true, findings: [] });
  });
});

describe('the files that have to be fetched', () => {
  it('are all of a model in several', async () => {
    const plan = await planFor({ model: 'qwen2.5-vl-7b', gpus: ['RTX 4090'] });
    const { deployment } = await rendered(plan, []);
    const source = 'hf:o/r/Q8 #1/m-00001-of-00002.gguf';
    const model = { name: 'm-00001-of-00002.gguf', folder: '/m', bytes: null, sha256: null };
    const files = wantedFiles({ ...deployment, files: [{ ...model, source }] });
    expect(files.map(({ name, url }) => [name, url])).toEqual([
      [model.name, 'https://huggingface.co/o/r/resolve/main/Q8%20%231/m-00001-of-00002.gguf'],
      [
        'm-00002-of-00002.gguf',
        'https://huggingface.co/o/r/resolve/main/Q8%20%231/m-00002-of-00002.gguf',
      ],
    ]);
  });
});
