import type { Modality } from '../../contracts/basis.ts';
import type { EstimateInput, UnreadableInput } from '../../contracts/estimate.ts';

/** `detail` of an OpenAI image part. */
export type ImageDetail = EstimateInput['detail'];

/** What is known of an input before it is opened. */
type Wanted = {
  /** As the manifest says; null: what the bytes turn out to be. */
  readonly modality: Modality | 'document' | null;
  /** How many inputs of just this kind it stands for. */
  readonly count: number;
  readonly detail: ImageDetail;
};

/** One input of a row: what it is called by, or where its bytes are. */
export type ManifestPart =
  | { readonly kind: 'described'; readonly input: EstimateInput }
  /** A path as the user would write it: joined to the manifest's folder. */
  | ({ readonly kind: 'file'; readonly path: string } & Wanted)
  | ({
      readonly kind: 'bytes';
      readonly name: string;
      /** Of a long picture only the beginning, where its header is. */
      readonly bytes: Uint8Array;
      /** Whether `bytes` is all of it. */
      readonly whole: boolean;
      /** As the data URI says, `image/png`; null where nothing was said. */
      readonly mediaType: string | null;
    } & Wanted)
  | ({ readonly kind: 'url'; readonly url: string } & Wanted)
  /** Stated well, but not to be had here: a file that only a vendor's server holds. */
  | { readonly kind: 'unreadable'; readonly entry: UnreadableInput };

/** A message of a chat request: how many of the row's parts are its own, in order. */
export type ManifestMessage = {
  readonly role: string;
  readonly parts: number;
  /** It calls tools, or answers such a call: more goes into the prompt than its parts. */
  readonly calls?: boolean;
};

export type RowSettings = {
  readonly model?: string;
  readonly detail?: NonNullable<ImageDetail>;
  /** Most tokens of all answers to this request. */
  readonly outputTokens?: number;
};

/** One line of a manifest, which is one request. */
export type ManifestRow = {
  /** From 1; of a Parquet file the row, else the line on which it starts. */
  readonly line: number;
  /** `id` or `custom_id` where there is one, else `line N`. */
  readonly key: string;
  readonly parts: readonly ManifestPart[];
  /** The messages of a chat request; null for a list of inputs. */
  readonly messages: readonly ManifestMessage[] | null;
  readonly settings?: RowSettings;
  /** Why nothing of this line could be read, its number in front; null when it could. */
  readonly problem: string | null;
};
