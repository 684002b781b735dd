import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import OpenAI, { toFile } from 'openai';
import { describe, expect, inject, test } from 'vitest';
import type { Estimate } from '../../src/contracts/estimate.ts';
import type { EncoderDims } from '../../src/layout/encoder.ts';
import { monoWav } from '../../src/wav.ts';
import { mmdeploy } from '../helpers/cli.ts';
import { servePair } from '../helpers/serve-pair.ts';
import { temporaryFolder } from '../helpers/serve-supervisor.ts';
import { noise, writeSmallPair } from '../helpers/small-pair.ts';

const TONES = [
  { seconds: 1.5, hertz: 440 },
  { seconds: 31, hertz: 220 },
  { seconds: 2, hertz: 330, rate: 44_100 },
];

const small = (projectorType: string): EncoderDims => ({
  ...{ projectorType, layers: 1, embedding: 64, feedForward: 128, heads: 2 },
  ...{ patchSize: 0, imageSize: 0, merge: 1, projectionDim: 128, melBins: 128 },
});

/** One that hears 30 s in every clip, of which a slot holds one, and one that hears what is there. */
const TOWERS: [EncoderDims, (typeof TONES)[number][]][] = [
  [small('qwen2a'), TONES.slice(0, 1)],
  [{ ...small('qwen3a'), channels: 16 }, TONES],
];

const tone = ({ seconds, hertz, rate = 16_000 }: (typeof TONES)[number]) =>
  monoWav(Math.round(seconds * rate), rate, (at) =>
    Math.round(8000 * Math.sin((2 * Math.PI * hertz * at) / rate)),
  );

async function hearing(dims: EncoderDims) {
  const folder = temporaryFolder();
  const pair = await writeSmallPair(folder, dims, [], noise);
  // A model of noise writes until its slot is full.
  const serving = await servePair(pair, { contextPerSlot: 1024 });
  const client = new OpenAI({ baseURL: `${serving.url}/v1`, apiKey: 'none', maxRetries: 0 });
  return { folder, ...pair, client };
}

describe.skipIf(inject('llamaServer') === null)('a model that hears, in the real engine', () => {
  test.each(TOWERS)('$projectorType: a chat and a transcription', async (dims, tones) => {
    const { folder, model, client } = await hearing(dims);
    const sounds = tones.map(tone);
    const paths = sounds.map((_, at) => join(folder, `${at}.wav`));
    for (const [at, path] of paths.entries()) writeFileSync(path, sounds[at]!);
    const argv = ['estimate', ...paths, '--model', model, '--items', '-o', 'json'];
    const { stdout } = await mmdeploy(argv, { cwd: folder });
    const items = (JSON.parse(stdout) as Estimate).models[0]?.items ?? [];

    const served = [];
    for (const [at, sound] of sounds.entries()) {
      const input_audio = { data: sound.toString('base64'), format: 'wav' } as const;
      const { data, response } = await client.chat.completions
        .create({
          model: 'small',
          max_completion_tokens: 4,
          messages: [
            {
              role: 'user',
              content: [
                { type: 'text', text: 'hear' },
                { type: 'input_audio', input_audio },
              ],
            },
          ],
        })
        .withResponse();
      const said = /;(\d+)tok;hit=none/.exec(response.headers.get('x-mmdeploy-audio') ?? '')?.[1];
      const { prompt_tokens: prompt = 0, prompt_tokens_details: details } = data.usage ?? {};
      served.push({ input: paths[at], tokens: details?.audio_tokens, said, text: prompt });
    }
    const words = served[0]!.text - served[0]!.tokens!;
    expect(served).toEqual(
      items.map(({ input, tokens }) => ({
        ...{ input, tokens, said: `${tokens}`, text: words + tokens! },
      })),
    );

    const file = await toFile(sounds[0]!, 'a.wav');
    const { text, usage } = await client.audio.transcriptions.create({ model: 'small', file });
    expect(typeof text).toBe('string');
    expect(usage).toMatchObject({ input_token_details: { audio_tokens: items[0]?.tokens } });
  });
});
