import { hash } from 'node:crypto';
import type { MediaPart, PrefixPiece, PreparedMedia, Tenant } from '../../seams.ts';
import type { Json } from '../json.ts';
import type { MediaHit } from './media-header.ts';

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

/** What a medium counts as where the model has no rule for it: about a LLaVA-1.5 image. */
const UNKNOWN_MEDIA_TOKENS = 576;

/**
 * The prompt as slots know it: digests of its beginnings, each over everything before it and over the
 * tenant, so that equal digests mean equal prompts up to there, and never the prompts of two tenants.
 */
export function prefixOf(
  pieces: readonly PromptPiece[],
  media: readonly (readonly Pick<PreparedMedia, 'key' | 'tokens'>[])[],
  tenant: Tenant,
): readonly PrefixPiece[] {
  let digest = tenant;
  return pieces.map((piece) => {
    const files = piece.kind === 'media' ? (media[piece.part] ?? []) : [];
    const own =
      piece.kind === 'media'
        ? `media ${files.map(({ key }) => key).join(' ')}`
        : `words ${piece.words}`;
    digest = hash('sha256', `${digest}\n${own}`).slice(0, 32);
    const tokens =
      piece.kind === 'media'
        ? files.reduce((sum, file) => sum + (file.tokens?.media ?? UNKNOWN_MEDIA_TOKENS), 0)
        : Math.ceil(Buffer.byteLength(piece.words) / 4);
    return { digest, kind: piece.kind, tokens };
  });
}

/**
 * Where each medium was found, one entry per prepared file: in the slot's first `held` pieces, prepared in
 * the store, or nowhere.
 */
export function mediaHits(
  pieces: readonly PromptPiece[],
  media: readonly (readonly Pick<PreparedMedia, 'known'>[])[],
  held: number,
): readonly MediaHit[] {
  const inSlot = new Set<number>();
  for (const piece of pieces.slice(0, held)) if (piece.kind === 'media') inSlot.add(piece.part);
  return media.flatMap((files, part) =>
    files.map(({ known }) => (inSlot.has(part) ? 'kv' : known ? 'media' : 'none')),
  );
}

/** A request of words only (`/v1/completions`): its prompt is one piece. */
export function takeTextApart(request: Json): TakenApart {
  const words = JSON.stringify(request['prompt'] ?? null);
  return {
    parts: [],
    pieces: [{ kind: 'words', words }],
    putBack: () => request,
    reordered: false,
  };
}
