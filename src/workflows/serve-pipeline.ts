import { performance } from 'node:perf_hooks';
import type { ImageOrder } from '../serve/gateway/chat/chat-request.ts';
import { countInput, countText } from '../serve/gateway/chat/count-input.ts';
import { FilmTrial } from '../serve/gateway/chat/film-trial.ts';
import { makeReferences } from '../serve/gateway/chat/references.ts';
import { Witness } from '../serve/gateway/chat/witness.ts';
import type { PromptOptions } from '../serve/gateway/gateway.ts';
import type { OpenMediaStore } from '../serve/media-store/open.ts';
import { DEFAULT_MEDIA_LIMITS, type MediaLimits } from '../serve/media/limits.ts';
import { createRemoteMedia, type RemoteMedia } from '../serve/media/remote-media.ts';
import { createMediaPreparer } from '../serve/media/prepare.ts';
import type { MediaRules } from '../serve/media/rules.ts';
import { DEFAULT_QUARANTINE, Quarantine } from '../serve/quarantine.ts';
import { createScheduler, type Scheduler } from '../serve/schedule/scheduler.ts';
import {
  makeSlotFolder,
  slotArguments,
  slotFileLimits,
  type SlotFolder,
} from '../serve/schedule/slot-folder.ts';
import type { LateEngine } from '../serve/late-engine.ts';
import type { Observer } from '../serve/seams.ts';
import type { Context } from './context.ts';
import { followingRules } from './media-rules.ts';
import { mediaPathArgs, openMediaCache, type MediaCacheRequest } from './serve-media.ts';

/** How requests are treated on their way to the engine. */
export type PipelineSettings = {
  readonly imageOrder: ImageOrder;
  /** Requests that may wait for a slot. */
  readonly queueLimit: number;
  /** How long one may wait for it. */
  readonly queueTimeoutMs: number;
  /** Of slot files in all; null: a quarter of what is free in memory. */
  readonly slotCacheBytes: number | null;
  readonly isolateTenants: boolean;
  readonly limits: Omit<MediaLimits, 'maxRemoteBytes'>;
  /** Hosts from which media may be fetched. */
  readonly remoteHosts: ReadonlySet<string>;
  /** Of one request's body. */
  readonly maxBodyBytes: number;
};

export const DEFAULT_PIPELINE: Omit<PipelineSettings, 'maxBodyBytes'> = {
  imageOrder: 'as-sent',
  queueLimit: 64,
  queueTimeoutMs: 600_000,
  slotCacheBytes: null,
  isolateTenants: false,
  limits: DEFAULT_MEDIA_LIMITS,
  remoteHosts: new Set(),
};

export type PipelineRequest = {
  readonly pipeline: PipelineSettings;
  readonly media: MediaCacheRequest;
  /** Flags that the engine knows; absent: all that there are. */
  readonly engineFlags?: readonly string[];
};

/** What the pipeline has to know of the served model and its plan. */
export type ServedModel = {
  readonly rules: MediaRules;
  /** The same with another `--image-max-tokens`, which an engine short of memory was given. */
  readonly rulesWith: (imageMaxTokens: number) => MediaRules;
  readonly slots: number;
  /** By the plan; null where it is not known: no slot files are written then. */
  readonly kvBytesPerToken: number | null;
};

export type Pipeline = {
  /** What the engine has to be started with. */
  readonly engineArgs: readonly string[];
  readonly prompts: PromptOptions;
  /** To be called when the engine died of what it was working on. */
  readonly crashed: () => void;
  /** To be called when the next engine has other arguments: what killed this one may not kill that. */
  readonly relieved: () => void;
  readonly scheduler: Scheduler;
  readonly store: OpenMediaStore;
  /** To be called when the engine has gone: it deletes what the engine reads. */
  readonly close: () => Promise<void>;
};

/** Opens the folders that gateway and engine share, and the parts of a request's way that need them. */
export async function openPipeline(
  { pipeline: settings, media, engineFlags }: PipelineRequest,
  model: ServedModel,
  source: LateEngine,
  observer: Observer,
  ctx: Context,
): Promise<Pipeline> {
  const store = await openMediaCache(media, ctx, observer.trouble);
  const folder = await makeSlotFolder(ctx.env);
  const scheduler = createScheduler({
    source,
    slots: model.slots,
    queueLimit: settings.queueLimit,
    waitLimitMs: settings.queueTimeoutMs,
    isolateTenants: settings.isolateTenants,
    files: slotFiles(folder, model, settings, observer),
    observer,
    now: () => performance.now(),
  });
  const remote = await remoteMedia(settings);
  const films = new FilmTrial(source, countInput);
  const preparer = createMediaPreparer({
    stores: store,
    rules: followingRules(model, () => source.imageMaxTokens),
    limits: { ...settings.limits, maxRemoteBytes: settings.maxBodyBytes },
    remote,
    observer,
    takesFilms: (signal) => films.takesFilms(signal),
  });
  const witness = new Witness({
    source,
    countInput,
    countText,
    references: makeReferences(model.rules),
    onOdd: (detail) => observer.trouble('media_tokens_odd', detail),
  });
  const quarantine = new Quarantine(DEFAULT_QUARANTINE, () => performance.now());
  const { imageOrder } = settings;
  return {
    engineArgs: [
      ...mediaPathArgs(store),
      ...slotArguments(
        folder,
        settings.isolateTenants,
        (flag) => engineFlags?.includes(flag) ?? true,
      ),
    ],
    prompts: { preparer, witness, turns: scheduler, observer, quarantine, imageOrder },
    crashed: () => quarantine.crashed(),
    relieved: () => quarantine.reset(),
    scheduler,
    store,
    close: async () => {
      await scheduler.close();
      await folder?.remove();
      await store.close();
      await remote?.close();
    },
  };
}

async function remoteMedia({
  remoteHosts: hosts,
  maxBodyBytes: maxBytes,
}: PipelineSettings): Promise<RemoteMedia | null> {
  return hosts.size === 0 ? null : createRemoteMedia({ hosts, maxBytes });
}

function slotFiles(
  folder: SlotFolder | null,
  { kvBytesPerToken }: ServedModel,
  { slotCacheBytes }: PipelineSettings,
  observer: Observer,
) {
  if (folder === null || kvBytesPerToken === null) return null;
  const limits = slotFileLimits(folder, slotCacheBytes);
  const onUnsaved = () => observer.trouble('slot_file_write');
  return { limits, bytesPerToken: kvBytesPerToken, erase: folder.erase, onUnsaved };
}
