import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { expect, onTestFinished, test } from 'vitest';
import { DEFAULT_QUARANTINE, Quarantine } from '../../src/serve/quarantine.ts';
import { NO_RELIEF } from '../../src/serve/relief.ts';
import { createScheduler } from '../../src/serve/schedule/scheduler.ts';
import type { MediaPreparer } from '../../src/serve/seams.ts';
import type { SupervisorOptions } from '../../src/serve/supervisor/options.ts';
import { openGateway } from '../helpers/serve-gateway.ts';
import { plainPrompts } from '../helpers/serve-prompts.ts';
import { fakeEngine, supervise, temporaryFolder } from '../helpers/serve-supervisor.ts';

const CHAT = '/v1/chat/completions';
const CUDA =
  'ggml_backend_cuda_buffer_type_alloc_buffer: allocating 620.31 MiB on device 0: cudaMalloc failed: out of memory';

type Setting = {
  readonly args?: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly relief?: SupervisorOptions['relief'];
  readonly preparer?: (reliefs: () => number) => MediaPreparer;
};

/** A gateway, its queue for one slot, and a fake behind it whose deaths the quarantine is told of. */
async function serveOneSlot(fake: string, { args = [], env, relief, preparer }: Setting) {
  const quarantine = new Quarantine(DEFAULT_QUARANTINE, () => performance.now());
  const { supervisor } = supervise(
    fakeEngine(fake),
    { args, env: { ...process.env, ...env } },
    {
      onPhase: (phase) => {
        if (phase.kind === 'crashed' && !phase.relieved) quarantine.crashed();
        if (phase.kind === 'relieved') quarantine.reset();
      },
      ...(relief === undefined ? {} : { relief }),
    },
  );
  const turns = createScheduler({
    source: supervisor,
    slots: 1,
    queueLimit: 10,
    files: null,
    isolateTenants: false,
    observer: { stage: () => undefined, trouble: () => undefined },
    now: () => performance.now(),
  });
  onTestFinished(() => turns.close());
  await supervisor.start();
  const made = preparer?.(() => supervisor.reliefs);
  const prompts = plainPrompts({
    quarantine,
    turns,
    ...(made === undefined ? {} : { preparer: made }),
  });
  const { url } = await openGateway(supervisor, { prompts });
  const ask = async (content: unknown) => {
    const response = await fetch(url + CHAT, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ messages: [{ role: 'user', content }] }),
    });
    return { status: response.status, text: await response.text() };
  };
  return { supervisor, ask };
}

test('an engine that dies twice: the one that was at it once, and those that waited, are answered', async () => {
  const env = { FAKE_DEATHS: '2', FAKE_COUNT: join(temporaryFolder(), 'deaths') };
  const { supervisor, ask } = await serveOneSlot('dies-at-first', { env });
  const asked = await Promise.all(['one', 'two', 'three', 'four'].map((text) => ask(text)));
  expect(asked.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  expect(supervisor.life).toBe(3);
});

test('memory runs out three times: nobody is charged, and media are made anew for each engine', async () => {
  const env = {
    FAKE_ENOUGH: '--image-max-tokens 256',
    FAKE_MEMORY_WORDS: CUDA,
    FAKE_WHEN: 'chat',
  };
  const { supervisor, ask } = await serveOneSlot('out-of-memory', {
    args: '--mmproj p.gguf --ctx-size 8192 --parallel 2'.split(' '),
    env,
    relief: {
      scope: {
        flags: ['--no-mmproj-offload', '--image-max-tokens'],
        imageTokens: { largest: 1024, least: 256 },
      },
      initial: NO_RELIEF,
      remember: () => Promise.resolve(),
    },
    preparer: (reliefs) => ({
      prepare: (parts) =>
        Promise.resolve(parts.map(({ place }) => [imageOf(`${place}-${reliefs()}`)])),
    }),
  });
  const image = { type: 'image_url', image_url: { url: 'data:image/png;base64,iVBORw0KGgo=' } };
  const asked = await Promise.all([ask([image]), ask([image]), ask('words')]);
  expect(asked.map(({ status }) => status)).toEqual([200, 200, 200]);
  expect(supervisor.reliefs).toBe(3);
  // The fake's answer holds the request as it got it.
  for (const { text } of asked.slice(0, 2))
    expect(text).toContain('file:///messages[0].content[0]-3');
});

function imageOf(name: string) {
  return {
    kind: 'image' as const,
    key: name,
    url: `file:///${name}`,
    size: { width: 1, height: 1 },
    seconds: null,
    tokens: null,
    known: false,
    release: () => undefined,
  };
}
