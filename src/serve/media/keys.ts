import { createHash } from 'node:crypto';
import type { MediaKind, Tenant } from '../seams.ts';
import type { MediaMeta } from './types.ts';

/** To be raised whenever the same bytes would come to other pixels or samples. */
const VERSION = 1;

/**
 * What a client sent, by its bytes or by their base64: `options` is everything else that decides what
 * is made of them.
 */
export function rawKey(
  sent: Uint8Array | string,
  form: 'bytes' | 'base64',
  kind: MediaKind,
  options: string,
  tenant: Tenant,
): string {
  return digest(['sent', form, tenant, kind, options], sent);
}

/**
 * What came of it. Shape and mode are hashed with the pixels: the same bytes in another shape are another
 * picture (vLLM, CVE-2025-46722).
 */
export function contentKey(
  meta: MediaMeta,
  samples: Uint8Array,
  options: string,
  tenant: Tenant,
): string {
  return digest(['content', tenant, options, ...shapeOf(meta)], samples);
}

function shapeOf(meta: MediaMeta): readonly string[] {
  switch (meta.kind) {
    case 'image':
      return ['image', 'rgb8', `${meta.width}x${meta.height}`];
    case 'video':
      return ['video', meta.format, `${meta.width}x${meta.height}x${meta.frames}`];
    case 'audio':
      return ['audio', 'mono-s16-16000', `${meta.samples}`];
  }
}

/** Each field has its length before it: no two lists of fields are the same bytes. */
function digest(fields: readonly string[], bytes: Uint8Array | string): string {
  const hash = createHash('sha256').update(`mmdeploy media ${VERSION}\n`);
  for (const field of fields) hash.update(`${Buffer.byteLength(field)}:${field}\n`);
  return hash.update(bytes).digest('hex');
}
