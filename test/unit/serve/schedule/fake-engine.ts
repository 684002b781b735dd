import { Pool } from 'undici';
import type { EngineSlots } from '../../../../src/serve/schedule/engine-slots.ts';
import {
  createScheduler,
  type Scheduler,
  type SchedulerOptions,
} from '../../../../src/serve/schedule/scheduler.ts';
import type { EngineSource, Turn, TurnRequest } from '../../../../src/serve/seams.ts';
import { prompt } from './pieces.ts';

export type FakeEngine = {
  readonly scheduler: Scheduler;
  /** What was done to the slots, in order: `prime 0 s A`, `save 0 1-1.slot`, `restore 1 1-1.slot` … */
  readonly done: readonly string[];
  /** Asks for a turn with a prompt in short (see `prompt`). */
  readonly take: (text: string, more?: Partial<TurnRequest>) => Promise<Turn>;
  /** Ends the encode that waits longest; nothing else ends one. */
  readonly encoded: () => Promise<void>;
  /** The engine dies: what runs is lost, and what is there next knows nothing. */
  readonly die: () => Promise<void>;
  /** The slots still at work for clients that are gone. */
  readonly atWork: Set<number>;
};

export type FakeHabits = {
  readonly slots?: number;
  /** Answers every `action=save` with 501, as builds do that cannot with a projector. */
  readonly cannotSave?: boolean;
  readonly cannotRestore?: boolean;
  readonly cannotErase?: boolean;
};

/** A scheduler in front of slots that do what the test says, when it says so. */
export function fakeEngine(
  { slots = 2, cannotSave = false, cannotRestore = false, cannotErase = false }: FakeHabits,
  options: Partial<SchedulerOptions> = {},
): FakeEngine {
  const done: string[] = [];
  const atWork = new Set<number>();
  const encoding: { finish: () => void; fail: (error: Error) => void }[] = [];
  const pool = new Pool('http://nowhere');
  let life = 1;
  const engineSlots: EngineSlots = {
    count: () => Promise.resolve(slots),
    isBusy: (_, slot) => Promise.resolve(atWork.has(slot)),
    prime: (_, { body }, slot) => {
      done.push(`prime ${slot} ${String(body['text'])}`);
      return new Promise((resolve, reject) => {
        encoding.push({ finish: () => resolve({ kind: 'primed', usage: null }), fail: reject });
      });
    },
    save: (_, slot, file) => {
      done.push(`save ${slot} ${file}`);
      return Promise.resolve(cannotSave ? null : { bytes: 1000, tokens: 586, ms: 0 });
    },
    restore: (_, slot, file) => {
      done.push(`restore ${slot} ${file}`);
      return Promise.resolve(!cannotRestore);
    },
    erase: (_, slot) => {
      done.push(`erase ${slot}`);
      return Promise.resolve(!cannotErase);
    },
  };
  const source: EngineSource = {
    engine: pool,
    get life() {
      return life;
    },
    retryAfterSeconds: 7,
    whenReady: () => Promise.resolve(pool),
    requestCompleted: () => undefined,
  };
  let clock = 0;
  const scheduler = createScheduler({
    source,
    slots,
    queueLimit: 10,
    files: {
      limits: { totalBytes: 1e6, fileBytes: 1e6 },
      bytesPerToken: 2,
      erase: (name) => Promise.resolve(void done.push(`delete ${name}`)),
    },
    isolateTenants: false,
    observer: { stage: () => undefined, trouble: () => undefined },
    now: () => (clock += 10),
    engineSlots,
    ...options,
  });
  return {
    scheduler,
    done,
    atWork,
    take: (text, more = {}) => {
      const turn = scheduler.take({
        tenant: 'me',
        prefix: prompt(text),
        body: { text },
        path: '/v1/chat/completions',
        signal: new AbortController().signal,
        ...more,
      });
      // Tests look at it later.
      turn.catch(() => undefined);
      return turn;
    },
    encoded: async () => {
      await settled();
      encoding.shift()?.finish();
      await settled();
    },
    die: async () => {
      life += 1;
      for (const each of encoding.splice(0)) each.fail(new Error('socket hang up'));
      await settled();
    },
  };
}

/** Everything that can go on without time passing has gone on. */
export function settled(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(() => setImmediate(resolve));
  });
}
