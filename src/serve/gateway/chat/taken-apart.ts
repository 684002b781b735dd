import { createHash } from 'node:crypto';
import type { MediaPart, PreparedMedia, Tenant } from '../../seams.ts';
import type { Json } from '../json.ts';

/** One piece of a prompt, in order: words (and what surrounds them), or the medium of that number. */
export type PromptPiece =
  | { readonly kind: 'words'; readonly words: string }
  | { readonly kind: 'media'; readonly part: number };

/**
 * A request of any of the interfaces (chat, responses, messages) with its media taken out. The media
 * go through the firewall, and what comes back is put where they stood.
 */
export type TakenApart = {
  /** Media in the order in which the engine will see them. */
  readonly parts: readonly MediaPart[];
  readonly pieces: readonly PromptPiece[];
  /** The request for the engine: one list per part, since a PDF or a film is several images. */
  readonly putBack: (media: readonly (readonly EngineMedia[])[]) => Json;
  /** The media were moved in front of the texts. */
  readonly reordered: boolean;
};

/** What the engine needs of a prepared medium: its kind and an address it may read (`file://`, `data:`). */
export type EngineMedia = Pick<PreparedMedia, 'kind' | 'url'>;

/**
 * Digests of the prompt's beginnings, each over everything before it and over the tenant: equal digests
 * mean equal prompts up to there, and never the prompts of two tenants.
 */
export function prefixDigests(
  pieces: readonly PromptPiece[],
  media: readonly (readonly { readonly key: string }[])[],
  tenant: Tenant,
): { readonly prefix: readonly string[]; readonly lastMedia: number } {
  const prefix: string[] = [];
  let lastMedia = -1;
  let before = tenant;
  for (const [index, piece] of pieces.entries()) {
    const keys = piece.kind === 'media' ? (media[piece.part] ?? []).map(({ key }) => key) : [];
    const own = piece.kind === 'media' ? `media ${keys.join(' ')}` : `words ${piece.words}`;
    before = createHash('sha256').update(`${before}\n${own}`).digest('hex').slice(0, 32);
    prefix.push(before);
    if (piece.kind === 'media') lastMedia = index;
  }
  return { prefix, lastMedia };
}
