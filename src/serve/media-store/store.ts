import { messageOf } from '../../errors.ts';
import type { MediaMeta, MediaStore, MediaStores, NewMedia, StoredMedia } from '../media/types.ts';
import type { Tenant } from '../seams.ts';
import { checkKey, tenantFolder } from './names.ts';
import { rawLink, type RawLinks } from './raw-links.ts';
import { idOf, type Entry, type Shelf } from './shelf.ts';

/** After a failed write the shelf is left alone for this long: a full disk stays full for a while. */
const REST_MS = 10_000;

export type StoreShelf = {
  readonly place: 'disk' | 'memory';
  readonly shelf: Shelf;
  /** From the engine's media path to the shelf: empty, or a folder with its slash. */
  readonly prefix: string;
};

/** What requests survive and somebody should know of; `what` is one of few words. */
export type StoreTrouble = (what: string, detail: string) => void;

export type StoreOptions = {
  /** In the order of preference. */
  readonly shelves: readonly StoreShelf[];
  readonly links: RawLinks;
  readonly now: () => number;
  readonly trouble: StoreTrouble;
};

/** The shelves as one store: what cannot be written to the first goes to the next, or along inline. */
export class Store implements MediaStores {
  readonly #options: StoreOptions;
  readonly #restUntil = new Map<StoreShelf, number>();
  #inlined = 0;

  constructor(options: StoreOptions) {
    this.#options = options;
  }

  /** How often a content could be written nowhere. */
  get inlined(): number {
    return this.#inlined;
  }

  of(tenant: Tenant): MediaStore {
    const folder = tenantFolder(tenant);
    return {
      lookup: (rawKey) => this.#lookup(folder, checkKey(rawKey)),
      put: (media) => this.#put(folder, media),
      link: (rawKey, keys) => this.#link(folder, checkKey(rawKey), keys.map(checkKey)),
    };
  }

  async #lookup(folder: string, rawKey: string): Promise<readonly StoredMedia[] | null> {
    const link = this.#options.links.get(idOf(folder, rawKey));
    if (link === undefined) return null;
    const found: StoredMedia[] = [];
    for (const key of link.keys) {
      const media = await this.#find(folder, key);
      if (media === null) {
        for (const each of found) each.release();
        await this.#options.links.drop(link);
        return null;
      }
      found.push(media);
    }
    return found;
  }

  async #find(folder: string, key: string): Promise<StoredMedia | null> {
    for (const place of this.#options.shelves) {
      const entry = await place.shelf.use(idOf(folder, key));
      if (entry !== null) return stored(place, entry);
    }
    return null;
  }

  async #put(folder: string, media: NewMedia): Promise<StoredMedia> {
    const found =
      (await this.#find(folder, checkKey(media.key))) ?? (await this.#add(folder, media));
    if (found === null) return this.#inline(media);
    if (sameMeta(found.meta, media.meta)) return found;
    // A key that stands for two shapes would show one request the other's picture.
    found.release();
    this.#options.trouble('media_key_conflict', `${media.key} has two shapes`);
    return this.#inline(media);
  }

  async #add(folder: string, media: NewMedia): Promise<StoredMedia | null> {
    const { shelves, now, trouble } = this.#options;
    for (const place of shelves) {
      if (now() < (this.#restUntil.get(place) ?? 0)) continue;
      try {
        return stored(place, await place.shelf.add(folder, media));
      } catch (error) {
        this.#restUntil.set(place, now() + REST_MS);
        trouble(`media_${place.place}_write`, messageOf(error));
      }
    }
    return null;
  }

  #inline({ key, bytes, meta }: NewMedia): StoredMedia {
    this.#inlined += 1;
    const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64');
    const url = `data:${meta.kind}/${meta.format};base64,${data}`;
    return { key, url, bytes: bytes.byteLength, meta, release: () => undefined };
  }

  /** Contents that were handed over inline are not there to be found again. */
  async #link(folder: string, rawKey: string, keys: readonly string[]): Promise<void> {
    const { shelves, links, trouble } = this.#options;
    const places = keys.map((key) => shelves.find(({ shelf }) => shelf.peek(idOf(folder, key))));
    if (keys.length === 0 || places.includes(undefined)) return;
    const lasting = places.every((place) => place?.place === 'disk');
    try {
      await links.add(rawLink(idOf(folder, rawKey), folder, rawKey, keys), lasting);
    } catch (error) {
      trouble('media_disk_write', messageOf(error));
    }
  }
}

function stored({ shelf, prefix }: StoreShelf, entry: Entry): StoredMedia {
  const { key, bytes, meta, folder, name } = entry;
  let pinned = true;
  const release = () => {
    if (pinned) shelf.unpin(entry);
    pinned = false;
  };
  return { key, bytes, meta, release, url: `file://${prefix}${folder}/${name}` };
}

function sameMeta(one: MediaMeta, other: MediaMeta): boolean {
  if (one.kind === 'audio') return other.kind === 'audio' && one.samples === other.samples;
  if (other.kind !== one.kind || one.width !== other.width || one.height !== other.height)
    return false;
  return one.kind === 'image' || (other.kind === 'video' && one.frames === other.frames);
}
