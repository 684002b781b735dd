import { flatPng } from '../../src/estimate/flat-png.ts';
import type { RunningLlama } from './llama.ts';

export type Size = { readonly width: number; readonly height: number };

/** Numbers from 0 to 1, the same in every run: the draws of a failing run are those of the next. */
export function fixedDraws(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 8) / 2 ** 24;
  };
}

const ODD_SIZES = [
  ...['1x1', '1x2000', '2000x1', '27x29', '100x1600', '3000x100', '336x336', '337x336'],
  ...['448x449', '640x480', '480x640', '1023x767', '1280x720', '1920x1080', '1080x1920'],
  ...['2480x3508', '3840x2160', '4032x3024'],
];

/** Sizes that have gone wrong somewhere, and thirty drawn: half of them of any magnitude, half as photos are. */
export function exactnessSizes(): readonly Size[] {
  const draw = fixedDraws(20_261_122);
  const anyMagnitude = () => Math.max(1, Math.round(Math.exp(draw() * Math.log(4096))));
  const photo = () => 200 + Math.floor(draw() * 1800);
  const drawn = Array.from({ length: 30 }, (_, index) => {
    const side = index % 2 === 0 ? anyMagnitude : photo;
    return { width: side(), height: side() };
  });
  const odd = ODD_SIZES.map((size) => {
    const [width = 0, height = 0] = size.split('x').map(Number);
    return { width, height };
  });
  return [...odd, ...drawn];
}

/** A picture of one colour. */
export function picturePart(size: Size): Promise<unknown> {
  const url = `data:image/png;base64,${flatPng(size).toString('base64')}`;
  return Promise.resolve({ type: 'image_url', image_url: { url } });
}

async function countRequest(llama: RunningLlama, parts: readonly unknown[]): Promise<number> {
  const content = [...parts, { type: 'text', text: 'x' }];
  const body = { messages: [{ role: 'user', content }] };
  const answer = await llama.post('/v1/chat/completions/input_tokens', body);
  return (answer as { input_tokens: number }).input_tokens;
}

/**
 * What the engine counts for each part alone. With an SPM vocabulary the first image also splits the text
 * around it, so what is taken off is one part's request less what a second such part adds.
 */
export async function engineCounts(
  llama: RunningLlama,
  parts: readonly (() => Promise<unknown>)[],
): Promise<readonly number[]> {
  const [first] = parts;
  if (first === undefined) return [];
  const probe = await first();
  const one = await countRequest(llama, [probe]);
  const around = 2 * one - (await countRequest(llama, [probe, probe]));
  const counts: number[] = [];
  for (const part of parts) counts.push((await countRequest(llama, [await part()])) - around);
  return counts;
}
