import type { EngineTarget } from '../engine-target.ts';
import { watchLimits, type WatchLimits } from '../progress.ts';
import type { Relief, ReliefScope } from '../relief.ts';
import type { RestartPolicy } from '../restart-policy.ts';
import type { EngineCommand } from './engine-process.ts';
import type { StopTimings } from './stop-process.ts';

export type SupervisorPhase =
  | { readonly kind: 'loading'; readonly pid: number | undefined; readonly logFile: string | null }
  | { readonly kind: 'ready'; readonly tookMs: number; readonly target: EngineTarget }
  | {
      readonly kind: 'crashed';
      readonly reason: string;
      readonly restartInMs: number | null;
      /** It starts with less next time: what it was working on is not to blame yet. */
      readonly relieved: boolean;
    }
  /** Memory ran out: the next start is with this. */
  | { readonly kind: 'relieved'; readonly relief: Relief }
  /** Nobody asked for so long that it was unloaded; `whenReady` starts it again. */
  | { readonly kind: 'asleep'; readonly afterMs: number };

/** What an engine runs with, which is less than planned where memory ran out. */
export type EngineSettings = {
  /** As `life`: settings of another life may be others. */
  readonly life: number;
  readonly args: readonly string[];
  readonly relief: Relief;
};

export type ReliefOptions = {
  readonly scope: ReliefScope;
  /** What earlier runs found out. */
  readonly initial: Relief;
  readonly remember: (relief: Relief) => Promise<void>;
};

export type SupervisorOptions = {
  readonly command: EngineCommand;
  /** How long the engine may print nothing while it loads. */
  readonly readyTimeoutMs: number;
  readonly stop: StopTimings;
  readonly restart: RestartPolicy;
  readonly watch?: WatchLimits;
  /** Absent: an engine that runs out of memory is started as before. */
  readonly relief?: ReliefOptions;
  /** An engine without requests for so long is unloaded; null or absent: never. */
  readonly idleUnloadMs?: number | null;
  /** Uniform in [0, 1). */
  readonly random: () => number;
  readonly onPhase: (phase: SupervisorPhase) => void;
};

/** One encode of a large picture by a large encoder on a CPU takes minutes, and shows no progress. */
export const DEFAULT_WATCH: WatchLimits = watchLimits(600_000);
