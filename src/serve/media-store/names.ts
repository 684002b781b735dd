import { createHash } from 'node:crypto';
import type { MediaMeta } from '../media/types.ts';
import type { Tenant } from '../seams.ts';

/**
 * All that is known of an entry is in its file's name, so there is no second file that could disagree
 * with it and the index is a listing of the folder:
 *
 *     <content key>-<digest of the bytes>-1024x768.png    (…-16000.wav: samples, …-64x48x12.nut: frames)
 *     <raw key>-<i>of<n>-<content key>                        an empty file: content i of a raw key
 *
 * Only `[0-9a-z.-]` occurs: llama-server takes `file://` names as they are, without percent-decoding.
 */
export type FileFacts = {
  readonly key: string;
  /** Of the file's bytes, which tells damage; the key is of what they decode to. */
  readonly digest: string;
  readonly meta: MediaMeta;
};

export type LinkFacts = {
  readonly rawKey: string;
  readonly index: number;
  readonly count: number;
  readonly key: string;
};

const KEY = /^[0-9a-f]{64}$/;
const IMAGE = /^([0-9a-f]{64})-([0-9a-f]{32})-([1-9]\d{0,8})x([1-9]\d{0,8})\.(png|jpeg)$/;
const VIDEO = /^([0-9a-f]{64})-([0-9a-f]{32})-([1-9]\d{0,8})x([1-9]\d{0,8})x([1-9]\d{0,8})\.nut$/;
const AUDIO = /^([0-9a-f]{64})-([0-9a-f]{32})-(\d{1,12})\.wav$/;
const LINK = /^([0-9a-f]{64})-(\d{1,5})of(\d{1,5})-([0-9a-f]{64})$/;
/** Of the listing: whatever else lies in the folder, names as long as these are not ours. */
const FOLDER = /^[0-9a-f]{32}$/;

/** Throws on anything but 64 hex digits: a key becomes part of a path. */
export function checkKey(key: string): string {
  if (KEY.test(key)) return key;
  throw new TypeError('a media key is 64 hex digits');
}

export function tenantFolder(tenant: Tenant): string {
  return createHash('sha256').update(tenant).digest('hex').slice(0, 32);
}

export function isTenantFolder(name: string): boolean {
  return FOLDER.test(name);
}

/** 128 bits: against damage, not against whoever may write to the folder. */
export function digestOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 32);
}

export function fileName({ key, digest, meta }: FileFacts): string {
  return `${key}-${digest}-${shapeOf(meta)}.${meta.format}`;
}

function shapeOf(meta: MediaMeta): string {
  switch (meta.kind) {
    case 'image':
      return `${meta.width}x${meta.height}`;
    case 'video':
      return `${meta.width}x${meta.height}x${meta.frames}`;
    case 'audio':
      return String(meta.samples);
  }
}

export function parseFileName(name: string): FileFacts | null {
  const image = IMAGE.exec(name);
  if (image !== null) {
    const [, key = '', digest = '', width, height, format] = image;
    const meta = { kind: 'image', width: Number(width), height: Number(height) } as const;
    return { key, digest, meta: { ...meta, format: format === 'png' ? 'png' : 'jpeg' } };
  }
  const video = VIDEO.exec(name);
  if (video !== null) {
    const [, key = '', digest = '', width, height, frames] = video;
    const size = { width: Number(width), height: Number(height), frames: Number(frames) };
    return { key, digest, meta: { kind: 'video', format: 'nut', ...size } };
  }
  const audio = AUDIO.exec(name);
  if (audio === null) return null;
  const [, key = '', digest = '', samples] = audio;
  return { key, digest, meta: { kind: 'audio', format: 'wav', samples: Number(samples) } };
}

export function linkName({ rawKey, index, count, key }: LinkFacts): string {
  return `${rawKey}-${index}of${count}-${key}`;
}

export function parseLinkName(name: string): LinkFacts | null {
  const match = LINK.exec(name);
  if (match === null) return null;
  const [, rawKey = '', index, count, key = ''] = match;
  return { rawKey, index: Number(index), count: Number(count), key };
}
