import type { PreparedMedia } from '../../seams.ts';

/** Where a medium was found: in a slot, prepared in the store, or nowhere. */
export type MediaHit = 'kv' | 'media' | 'none';

type Shown = Pick<PreparedMedia, 'kind' | 'key' | 'size' | 'frames' | 'seconds' | 'tokens'>;

/**
 * One value of `X-Mmdeploy-Image` or `X-Mmdeploy-Audio` for each medium, in the order of the request:
 * `SHA256;1024x768;576tok;hit=kv|media|none;encode_ms=12`; a film is an image of `320x240x12`, frames
 * last. `encodeMs` is the time of the whole prompt that
 * was encoded ahead for this request; it is told where the medium was not in a slot.
 */
export function mediaHeaders(
  media: readonly Shown[],
  hits: readonly MediaHit[],
  encodeMs: number | null,
): Readonly<Record<string, readonly string[]>> {
  const headers: Record<string, string[]> = {};
  for (const [index, medium] of media.entries()) {
    const name = `x-mmdeploy-${medium.kind === 'audio' ? 'audio' : 'image'}`;
    (headers[name] ??= []).push(headerOf(medium, hits[index] ?? 'none', encodeMs));
  }
  return headers;
}

function headerOf(
  { key, size, frames, seconds, tokens }: Shown,
  hit: MediaHit,
  encodeMs: number | null,
): string {
  const extent =
    size === null
      ? `${(seconds ?? 0).toFixed(2)}s`
      : [size.width, size.height, ...(frames === undefined ? [] : [frames])].join('x');
  const count = tokens === null ? '?tok' : `${tokens.media + tokens.wrapper}tok`;
  const encoded = hit === 'kv' || encodeMs === null ? [] : [`encode_ms=${Math.round(encodeMs)}`];
  return [key, extent, count, `hit=${hit}`, ...encoded].join(';');
}
