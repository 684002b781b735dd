import { describe, expect, it } from 'vitest';
import { DecodeThread } from '../../../../src/serve/media/worker/decode-thread.ts';
import { bmpBytes } from '../../../helpers/bmp.ts';

const file = bmpBytes({ width: 4, height: 2, bits: 24 });
const job = { kind: 'bmp', file, maxPixels: 100 } as const;
const never = () => new AbortController().signal;
const worker = (code: string) =>
  new URL(
    `data:text/javascript,${encodeURIComponent(`import { parentPort } from 'node:worker_threads'; ${code}`)}`,
  );

describe.each(['serve/media/worker', 'app'])('the worker in dist/%s', (folder) => {
  const thread = () =>
    new DecodeThread(new URL(`../../../../dist/${folder}/decode-worker.js`, import.meta.url));

  it('decodes', async () => {
    const picture = await thread().run<'bmp'>(job, never());
    expect(picture).toMatchObject({ width: 4, height: 2, channels: 3 });
  });

  it('says what is wrong with a file', async () => {
    const few = { ...job, maxPixels: 7 };
    await expect(thread().run<'bmp'>(few, never())).rejects.toMatchObject({
      failure: { kind: 'pixels', width: 4, height: 2 },
    });
    const cut = { ...job, file: file.subarray(0, 60) };
    await expect(thread().run<'bmp'>(cut, never())).rejects.toMatchObject({
      failure: { kind: 'damaged' },
    });
  });
});

it('is given up with the job that hangs in it, and the next job has another', async () => {
  const hangs = worker(
    'parentPort.on("message", ({ id, job }) => { if (job.maxPixels === 1) for (;;); parentPort.postMessage({ id, result: "done" }); })',
  );
  const thread = new DecodeThread(hangs);
  const gone = new AbortController();
  const first = thread.run<'bmp'>({ ...job, maxPixels: 1 }, gone.signal);
  const second = thread.run<'bmp'>(job, never());
  gone.abort(new Error('hung up'));
  await expect(first).rejects.toThrow('hung up');
  await expect(second).resolves.toBe('done');
});

it('is replaced when a decoder takes it down', async () => {
  const dies = worker(
    'parentPort.on("message", ({ id, job }) => { if (job.maxPixels === 1) process.exit(3); parentPort.postMessage({ id, result: "done" }); })',
  );
  const thread = new DecodeThread(dies);
  await expect(thread.run<'bmp'>({ ...job, maxPixels: 1 }, never())).rejects.toMatchObject({
    failure: { kind: 'damaged' },
  });
  await expect(thread.run<'bmp'>(job, never())).resolves.toBe('done');
});
