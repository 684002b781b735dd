/**
 * The seams between the parts of `serve`, types only: HTTP in front (`gateway/`), media (`media/`),
 * slots and the queue (`schedule/`), the engine's process (`supervisor/`), what is counted
 * (`observe/`). A chat request passes them in this order: the body is checked, its media are prepared
 * and named, their tokens compared with the engine's own count, a turn on a slot is waited for, and
 * the request goes to the engine.
 */
import type { Pool } from 'undici';
import type { Confidence } from '../contracts/basis.ts';

/**
 * Who asks: the first 16 hex digits of the SHA-256 of the key, or `anonymous`. Stored media, slot
 * files and places in the queue are kept apart by it.
 */
export type Tenant = string;

/** What is needed of an `AbortSignal` to follow it. */
export type Cancellation = {
  readonly aborted: boolean;
  readonly reason: unknown;
  readonly addEventListener: (type: 'abort', listener: () => void) => void;
  readonly removeEventListener: (type: 'abort', listener: () => void) => void;
};

/** The engine behind the gateway, as the parts in front of it see it. */
export type EngineSource = {
  /** null unless the engine is ready. */
  readonly engine: Pool | null;
  /** Counts the engine's starts: what was known about its slots is void when it changes. */
  readonly life: number;
  /** Counts how often memory ran out: the next engine has other arguments, and may take other media. */
  readonly reliefs?: number;
  /** Unloaded because nobody asked for a while: `whenReady` starts it again. */
  readonly asleep?: boolean;
  /** Whole seconds, at least 1. */
  readonly retryAfterSeconds: number;
  /**
   * Resolves with the engine as soon as one is ready (it may be asleep, or starting again); rejects
   * when `signal` is aborted, and when no engine will come any more.
   */
  readonly whenReady: (signal: Cancellation) => Promise<Pool>;
  /** Tells the restart policy that this engine does answer. */
  readonly requestCompleted: () => void;
};

export type MediaKind = 'image' | 'audio' | 'video';

/** One medium as a client sent it. */
export type MediaPart = {
  readonly kind: MediaKind;
  /** Where it stands, for errors: `messages[0].content[2]`. */
  readonly place: string;
  readonly source:
    | { readonly kind: 'bytes'; readonly bytes: Buffer }
    /** Not decoded, nor known to be valid: what is known by its base64 need not be. */
    | { readonly kind: 'base64'; readonly text: string | Buffer }
    | { readonly kind: 'remote'; readonly url: string };
};

export type MediaTokens = {
  /** Tokens of the medium itself. */
  readonly media: number;
  /** Tokens of the marks around it that the template does not write (`<|vision_start|>` …). */
  readonly wrapper: number;
  readonly confidence: Confidence;
};

/** What the engine is given instead of what the client sent: a plain file under its `--media-path`. */
export type PreparedMedia = {
  /** `video`: a film that the engine takes apart itself; where it cannot, its frames are images. */
  readonly kind: MediaKind;
  /** Hex SHA-256 over preprocessing options, shape and samples or pixels, and the tenant. */
  readonly key: string;
  /** `file://…` below the media path. */
  readonly url: string;
  /** Pixels as the engine will decode them; null for sound. */
  readonly size: { readonly width: number; readonly height: number } | null;
  /** Of a film. */
  readonly frames?: number;
  /** Length of the sound; null for images and films. */
  readonly seconds: number | null;
  /** By the estimate's rule; null where the model has none. */
  readonly tokens: MediaTokens | null;
  /** It was in the store: nothing was decoded for this request. */
  readonly known: boolean;
  /** The file may be evicted again. To be called once, when the request has ended. */
  readonly release: () => void;
};

/**
 * Media in, plain files out. One list per part: a PDF becomes several images. Throws
 * `GatewayError` (400, 413, 501 …) that names the part. Nothing stays pinned when it throws.
 */
export type MediaPreparer = {
  readonly prepare: (
    parts: readonly MediaPart[],
    tenant: Tenant,
    signal: AbortSignal,
  ) => Promise<readonly (readonly PreparedMedia[])[]>;
};

/** One piece of a prompt (tools, the words of a message, a medium) as the slots know it. */
export type PrefixPiece = {
  /** Over this piece, all before it, and the tenant: equal digests are equal beginnings of one tenant. */
  readonly digest: string;
  readonly kind: 'words' | 'media';
  /** Media: by the rule. Words: about a quarter of their bytes; only summed and compared. */
  readonly tokens: number;
};

/** A request that wants a slot. */
export type TurnRequest = {
  readonly tenant: Tenant;
  readonly prefix: readonly PrefixPiece[];
  /** The request for the engine, without `id_slot`; it is sent ahead with `max_tokens: 0` to encode. */
  readonly body: Readonly<Record<string, unknown>>;
  /** The engine's path for `body`. */
  readonly path: string;
  /**
   * Aborted when the client hangs up, the deadline passes or the server stops; a `GatewayError` as its
   * reason is what `take` throws.
   */
  readonly signal: Cancellation;
  /** Called when the request is first sent to the engine, if that is before the turn is given. */
  readonly begins?: () => void;
};

/** What the engine's answer says of its prompt (`usage`): shows whether a promised hit was one. */
export type PromptUsage = { readonly promptTokens: number; readonly cachedTokens: number };

/** The right to run on one slot. */
export type Turn = {
  /** For `id_slot`: every request carries one, so that the engine never places any by itself. */
  readonly slot: number;
  /** So many pieces from the first were in the slot already: media among them are not encoded again. */
  readonly held: number;
  /** `kv`: all media were; `none`: at least one was encoded for this request. */
  readonly media: 'kv' | 'none';
  readonly queuedMs: number;
  /** Time the encode (with the prompt before it) took; null where nothing was encoded ahead. */
  readonly encodeMs: number | null;
  /**
   * To be called when the answer begins. Where nothing could be encoded ahead, the next image waits
   * for it; `end` implies it.
   */
  readonly begun: () => void;
  /**
   * The first call ends it, later ones change nothing. `aborted`: the client is gone, the engine may
   * still be at it; `lost`: the engine went away, the slot holds nothing.
   */
  readonly end: (how: 'done' | 'aborted' | 'lost', usage?: PromptUsage) => void;
};

/** The bounded queue in front of the slots. Throws `GatewayError` (429, 503, 504) instead of a turn. */
export type TurnTaker = {
  readonly take: (request: TurnRequest) => Promise<Turn>;
};

/** `decode`: resizing too, which is one pass with it: what is shrunk is never whole in memory. */
type Stage = 'fetch' | 'decode' | 'queue' | 'encode' | 'prefill' | 'first_token' | 'inter_token';

/** What the parts report, once per event; the metrics and the log are made from it. */
export type Observer = {
  /** A stage took `ms` milliseconds. */
  readonly stage: (stage: Stage, ms: number) => void;
  /** A medium was asked about; where it was found. */
  readonly media: (kind: MediaKind, hit: 'kv' | 'media' | 'none') => void;
  /** The engine encoded the medium with this key. */
  readonly encoded: (key: string) => void;
  /** Bytes of media received and bytes handed to the engine. */
  readonly mediaBytes: (received: number, handedOn: number) => void;
  /**
   * Something went wrong that requests survive, `what` being one of few words (`media_disk_write`):
   * it is counted by it. `detail` is for the log, and holds nothing that a client wrote.
   */
  readonly trouble: (what: string, detail?: string) => void;
};
