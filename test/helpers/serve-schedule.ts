import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { onTestFinished } from 'vitest';
import { textMetadata } from '../../src/demo/metadata.ts';
import { DEMO_VOCABULARY, demoTokenizer } from '../../src/demo/tokenizer.ts';
import { demoWeights } from '../../src/demo/weights.ts';
import { writeGgufOnce } from '../../src/gguf/write-file.ts';
import { textModel } from '../../src/layout/model.ts';
import type { PrefixPiece, PromptUsage, Turn, TurnRequest } from '../../src/serve/seams.ts';
import { LLAMA_SLOTS, promptUsage } from '../../src/serve/schedule/engine-slots.ts';
import {
  createScheduler,
  type Scheduler,
  type SchedulerOptions,
} from '../../src/serve/schedule/scheduler.ts';
import { prompt } from '../unit/serve/schedule/pieces.ts';
import { REAL_ENGINE, demoArgs, picture } from './serve-engine.ts';
import { supervise, temporaryFolder, type Supervised } from './serve-supervisor.ts';

export type ScheduledEngine = Supervised & {
  readonly scheduler: Scheduler;
  /** Names of the slot files that are there. */
  readonly files: () => readonly string[];
  /** Images that the engine has encoded since its start. */
  readonly encodes: () => number;
  /** A question in short (see `prompt`): capitals are images. */
  readonly ask: (text: string, more?: Partial<TurnRequest>) => Promise<Asked>;
  readonly request: (text: string, more?: Partial<TurnRequest>) => Promise<TurnRequest>;
  /** Sends what a turn was given for; the engine's own count of the prompt. */
  readonly send: (request: TurnRequest, turn: Turn, tokens?: number) => Promise<PromptUsage>;
};

type Asked = { readonly turn: Turn; readonly usage: PromptUsage };

/** A real engine with the demo model (or other files) and so many slots, and a scheduler in front of it. */
export async function scheduledEngine(
  slots: number,
  options: Partial<SchedulerOptions> = {},
  model: readonly string[] | null = null,
): Promise<ScheduledEngine> {
  const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-slots-'));
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
  const args = [
    ...(await demoArgs(slots)),
    ...(model ?? []),
    '--slot-save-path',
    folder,
    '-lv',
    '4',
  ];
  const supervised = supervise(REAL_ENGINE, { args });
  const { supervisor } = supervised;
  const limits = { totalBytes: 1e8, fileBytes: 1e7 };
  const erase = (name: string) => {
    rmSync(join(folder, name), { force: true });
    return Promise.resolve();
  };
  const scheduler = createScheduler({
    source: supervisor,
    slots,
    queueLimit: 100,
    files: { limits, bytesPerToken: 272, erase },
    isolateTenants: false,
    observer: { stage: () => undefined, trouble: () => undefined },
    now: () => performance.now(),
    ...options,
  });
  onTestFinished(() => scheduler.close());
  await supervisor.start();
  const send = async ({ path, body }: TurnRequest, { slot }: Turn, tokens = 4) => {
    const response = await supervisor.engine?.request({
      path,
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ ...body, id_slot: slot, max_tokens: tokens }),
    });
    const answer = (await response?.body.json()) as Record<string, unknown>;
    const usage = promptUsage(answer);
    if (usage === null) throw new Error(`no usage in ${JSON.stringify(answer)}`);
    return usage;
  };
  const request = async (text: string, more: Partial<TurnRequest> = {}) => {
    const prefix = forTenant(prompt(text), more.tenant ?? 'me');
    const body = await chatOf(text);
    const signal = new AbortController().signal;
    return { tenant: 'me', prefix, body, path: '/v1/chat/completions', signal, ...more };
  };
  return {
    ...supervised,
    scheduler,
    files: () => readdirSync(folder),
    encodes: () => supervised.readLog().match(/encoding mtmd batch/g)?.length ?? 0,
    request,
    send,
    ask: async (text, more) => {
      const asked = await request(text, more);
      const turn = await scheduler.take(asked);
      const usage = await send(asked, turn);
      turn.end('done', usage);
      return { turn, usage };
    },
  };
}

/** The demo model with a cache that forgets: one with sliding windows, or one with recurrent layers. */
export async function forgetfulModel(kind: 'sliding' | 'recurrent'): Promise<readonly string[]> {
  const own =
    kind === 'sliding'
      ? { arch: 'gemma3', layers: 6, kvHeads: 2, hyper: { 'attention.sliding_window': 128 } }
      : { arch: 'lfm2', layers: 4, kvHeads: [0, 0, 2, 0], hyper: { 'shortconv.l_cache': 3 } };
  const sizes = { embedding: 64, heads: 4, headSize: 16, feedForward: 128, qkvBias: false };
  const vocabulary = DEMO_VOCABULARY.length;
  const text = textModel({ ...sizes, vocabulary, tiedEmbeddings: true, ...own }, 32768);
  const file = join(temporaryFolder(), `${kind}.gguf`);
  const metadata = [...textMetadata(kind, text), ...demoTokenizer()];
  await writeGgufOnce(file, { metadata, tensors: text.tensors }, demoWeights);
  return ['-m', file];
}

export const isBusy = LLAMA_SLOTS.isBusy;

/** The digests of a prompt are its tenant's. */
function forTenant(prefix: readonly PrefixPiece[], tenant: string): readonly PrefixPiece[] {
  return prefix.map((piece) => ({ ...piece, digest: `${tenant} ${piece.digest}` }));
}

/** A chat of one message in which every capital is a picture of its own. */
async function chatOf(text: string): Promise<Record<string, unknown>> {
  const content = await Promise.all(
    text.split(' ').map(async (word) => {
      if (!/^[A-Z]/.test(word)) return { type: 'text', text: `${word} ` };
      const url = `data:image/png;base64,${(await picture(word.charCodeAt(0))).toString('base64')}`;
      return { type: 'image_url', image_url: { url } };
    }),
  );
  return { messages: [{ role: 'user', content }] };
}
