/**
 * The port to the store of prepared media (`media-store/` implements it): content-addressed files below the
 * engine's `--media-path`, and which of them a file that a client sent comes to.
 *
 * Two names, both hex SHA-256 and both with the tenant in them, so that tenants share no entry:
 * - a raw key names what was sent: its bytes and the options it would be prepared with. A hit means that
 *   nothing is decoded;
 * - a content key names what came of it: options, shape and pixels or samples. Several raw keys may lead
 *   to one content (the same picture in two formats), and one raw key to several (pages, frames).
 */
import type { Tenant } from '../seams.ts';

/** What the engine decodes in the file: facts that cannot be told again without reading it. */
export type MediaMeta =
  | {
      readonly kind: 'image';
      readonly format: 'png' | 'jpeg';
      readonly width: number;
      readonly height: number;
    }
  /** At llama.cpp's own rate, each frame whole and lossless. */
  | {
      readonly kind: 'video';
      readonly format: 'nut';
      readonly width: number;
      readonly height: number;
      readonly frames: number;
    }
  /** Mono, 16-bit, 16 kHz. */
  | { readonly kind: 'audio'; readonly format: 'wav'; readonly samples: number };

export type StoredMedia = {
  /** The content key. */
  readonly key: string;
  /** `file://…` below the media path; a data URI where no file could be made for it. */
  readonly url: string;
  readonly bytes: number;
  readonly meta: MediaMeta;
  /** Undoes the one pin that the call which handed it out has put on it; more calls change nothing. */
  readonly release: () => void;
};

export type NewMedia = {
  readonly key: string;
  readonly bytes: Uint8Array;
  readonly meta: MediaMeta;
};

export type MediaStore = {
  /**
   * All contents of a raw key, in order and each pinned; null unless all of them are there and sound.
   * Never throws: what cannot be read is not there.
   */
  readonly lookup: (rawKey: string) => Promise<readonly StoredMedia[] | null>;
  /**
   * Keeps a content and pins it; one that is there already is pinned and not written again. Never
   * rejects: what can be written nowhere is handed over in a data URI, and not found again.
   */
  readonly put: (media: NewMedia) => Promise<StoredMedia>;
  /** Remembers what a raw key comes to; the contents are pinned meanwhile. Never throws: see `lookup`. */
  readonly link: (rawKey: string, contentKeys: readonly string[]) => Promise<void>;
};

/** One store a tenant, in a folder of its own: whatever keys they come up with, tenants share no entry. */
export type MediaStores = {
  readonly of: (tenant: Tenant) => MediaStore;
};
