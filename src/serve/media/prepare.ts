import { MmdeployError } from '../../errors.ts';
import { decodeBase64, decodedLength } from '../gateway/base64.ts';
import { GatewayError } from '../gateway/errors.ts';
import type {
  MediaPart,
  MediaPreparer,
  MediaTokens,
  Observer,
  PreparedMedia,
  Tenant,
} from '../seams.ts';
import { Gate } from './gate.ts';
import { contentKey, rawKey } from './keys.ts';
import type { MediaLimits } from './limits.ts';
import { overLimit, refused } from './limits.ts';
import { makersOf } from './makers.ts';
import type { RemoteMedia } from './remote-media.ts';
import { bareHost, notAllowed } from './remote-media.ts';
import type { MediaRules } from './rules.ts';
import { SharedWork, type Share } from './shared-work.ts';
import type { MediaMeta, MediaStore, MediaStores, StoredMedia } from './types.ts';
import { DecodeThread } from './worker/decode-thread.ts';

export type MediaPreparerOptions = {
  readonly stores: MediaStores;
  readonly rules: MediaRules;
  readonly limits: MediaLimits;
  readonly observer: Pick<Observer, 'stage' | 'mediaBytes'>;
  /** Left out, or null: no address is fetched. */
  readonly remote?: RemoteMedia | null;
  /** The worker's file, where it does not stand beside the compiled module. */
  readonly workerFile?: URL;
  /** The program that decodes sound and film; `ffmpeg` of the PATH where left out. */
  readonly ffmpeg?: string;
  /** Whether the engine reads films; left out: it gets their frames as pictures. */
  readonly takesFilms?: (signal: AbortSignal) => Promise<boolean>;
};

/** Sound has this many samples a second once it is prepared. */
const SAMPLE_RATE = 16_000;

/** The media firewall: nothing that a client sent reaches the engine but what is made of it here. */
export function createMediaPreparer(options: MediaPreparerOptions): MediaPreparer {
  const preparer = new Preparer(options);
  return { prepare: (parts, tenant, signal) => preparer.prepare(parts, tenant, signal) };
}

class Preparer {
  readonly #options: MediaPreparerOptions;
  readonly #shared = new SharedWork();
  readonly #gate: Gate;
  readonly #thread: DecodeThread;

  constructor(options: MediaPreparerOptions) {
    this.#options = options;
    this.#gate = new Gate(options.limits.maxImagePixels);
    this.#thread = new DecodeThread(options.workerFile ?? null);
  }

  async prepare(
    parts: readonly MediaPart[],
    tenant: Tenant,
    signal: AbortSignal,
  ): Promise<readonly (readonly PreparedMedia[])[]> {
    this.#checkCount(parts);
    const failed = new AbortController();
    const either = AbortSignal.any([signal, failed.signal]);
    const settled = await Promise.allSettled(
      parts.map((part) =>
        this.#one(part, tenant, either).catch((error: unknown) => {
          failed.abort(error);
          throw error;
        }),
      ),
    );
    const done = settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []));
    try {
      if (done.length < parts.length) throw failed.signal.reason;
      this.#checkPictures(parts, done);
      return done;
    } catch (error) {
      for (const each of done.flat()) each.release();
      throw error;
    }
  }

  #checkCount(parts: readonly MediaPart[]): void {
    const { maxImages } = this.#options.limits;
    const images = parts.filter(({ kind }) => kind === 'image');
    const first = images[maxImages];
    if (first === undefined) return;
    throw overLimit(first.place, `image ${maxImages + 1} of ${images.length}`, maxImages, FLAG);
  }

  /** Pages are pictures too, and only now it is known how many there are. */
  #checkPictures(parts: readonly MediaPart[], done: readonly (readonly PreparedMedia[])[]): void {
    const { maxImages } = this.#options.limits;
    let images = 0;
    for (const [index, { kind, place }] of parts.entries()) {
      if (kind !== 'image') continue;
      images += done[index]?.length ?? 0;
      if (images > maxImages) throw overLimit(place, `image ${images} with it`, maxImages, FLAG);
    }
  }

  async #one(
    part: MediaPart,
    tenant: Tenant,
    signal: AbortSignal,
  ): Promise<readonly PreparedMedia[]> {
    const { stores, observer } = this.#options;
    // They may change with the engine's next start; one medium is prepared and counted by the same.
    const rules = { ...this.#options.rules };
    refuseSenseless(part, rules);
    const sent = await this.#sentOf(part, signal);
    const films = part.kind === 'video' && ((await this.#options.takesFilms?.(signal)) ?? false);
    const madeFor = films ? `${rules.fingerprint} films` : rules.fingerprint;
    const key = rawKey(sent.content, sent.form, part.kind, madeFor, tenant);
    const store = stores.of(tenant);
    const known = await store.lookup(key);
    const share =
      known === null
        ? await this.#shared.join(key, signal, (shared) =>
            this.#make({
              part,
              bytes: bytesOf(sent, part),
              key,
              tenant,
              store,
              rules,
              films,
              signal: shared,
            }),
          )
        : { media: known, release: () => known.forEach((each) => each.release()) };
    const handedOn = share.media.reduce((sum, each) => sum + each.bytes, 0);
    observer.mediaBytes(sent.bytes, handedOn);
    try {
      return prepared(part.place, share, known !== null, rules);
    } catch (error) {
      share.release();
      throw error;
    }
  }

  async #sentOf({ source, place }: MediaPart, signal: AbortSignal): Promise<Sent> {
    if (source.kind === 'bytes') return asBytes(source.bytes);
    if (source.kind === 'base64') {
      const { text } = source;
      return { form: 'base64', content: text, bytes: decodedLength(text) };
    }
    const { remote = null, observer } = this.#options;
    if (remote === null) {
      throw notAllowed(place, URL.canParse(source.url) ? bareHost(source.url) : null);
    }
    const startedAt = performance.now();
    const bytes = await remote.fetch(place, source.url, signal);
    observer.stage('fetch', performance.now() - startedAt);
    return asBytes(bytes);
  }

  async #make(job: Job): Promise<readonly StoredMedia[]> {
    const { limits, observer, ffmpeg = 'ffmpeg' } = this.#options;
    const { part, bytes, key, tenant, store, rules, films, signal } = job;
    const tools = { gate: this.#gate, thread: this.#thread, ffmpeg };
    const shop = { rules, limits, films, signal, ...tools };
    const stored: StoredMedia[] = [];
    const startedAt = performance.now();
    try {
      for await (const made of makersOf({ place: part.place, bytes }, part.kind, shop)) {
        signal.throwIfAborted();
        const { meta, samples, encode } = made;
        const content = contentKey(meta, samples, rules.fingerprint, tenant);
        stored.push(await store.put({ key: content, bytes: await encode(), meta }));
      }
      observer.stage('decode', performance.now() - startedAt);
      await store.link(
        key,
        stored.map((each) => each.key),
      );
      return stored;
    } catch (error) {
      for (const each of stored) each.release();
      throw error;
    }
  }
}

const FLAG = '--max-images';

type Job = {
  readonly part: MediaPart;
  readonly bytes: Buffer;
  readonly key: string;
  readonly tenant: Tenant;
  readonly store: MediaStore;
  readonly rules: MediaRules;
  readonly films: boolean;
  readonly signal: AbortSignal;
};

/** A medium in the form in which it came. */
type Sent =
  | { readonly form: 'bytes'; readonly content: Buffer; readonly bytes: number }
  | { readonly form: 'base64'; readonly content: string | Buffer; readonly bytes: number };

function asBytes(content: Buffer): Sent {
  return { form: 'bytes', content, bytes: content.length };
}

function bytesOf(sent: Sent, { place }: MediaPart): Buffer {
  if (sent.form === 'bytes') return sent.content;
  const { content } = sent;
  return decodeBase64(typeof content === 'string' ? content : content.toString('latin1'), place);
}

function refuseSenseless({ kind, place }: MediaPart, { blind, deaf }: MediaRules): void {
  const why = kind === 'audio' ? deaf : blind;
  if (why !== null) throw new GatewayError(400, 'unsupported_media', `\`${place}\`: ${why}`);
}

/** Each of them may be released alone; the file is free when the last one is. */
function prepared(
  place: string,
  { media, release }: Share,
  known: boolean,
  rules: MediaRules,
): readonly PreparedMedia[] {
  const held = new Set(media.keys());
  return media.map(({ key, url, meta }, index) => ({
    kind: meta.kind,
    key,
    url,
    size: meta.kind === 'audio' ? null : { width: meta.width, height: meta.height },
    ...(meta.kind === 'video' ? { frames: meta.frames } : {}),
    seconds: meta.kind === 'audio' ? meta.samples / SAMPLE_RATE : null,
    tokens: tokensOf(place, meta, rules),
    known,
    release: () => {
      if (held.delete(index) && held.size === 0) release();
    },
  }));
}

function tokensOf(place: string, meta: MediaMeta, rules: MediaRules): MediaTokens | null {
  try {
    if (meta.kind === 'audio') return rules.audioTokens(meta.samples);
    return meta.kind === 'image' ? rules.imageTokens(meta) : rules.filmTokens(meta);
  } catch (error) {
    if (error instanceof MmdeployError) throw refused(place, error.message);
    throw error;
  }
}
