import type { ModelDescription } from '../contracts/model.ts';
import type { DeviceMemory, Verdict } from '../contracts/plan.ts';
import type { DeviceInput, LaunchSettings } from '../memory/types.ts';

/** One request of the workload and how many users send such requests at once. */
export type Workload = {
  readonly users: number;
  readonly images: {
    readonly count: number;
    readonly width: number;
    readonly height: number;
  } | null;
  /** Clips of so many seconds. */
  readonly audio: { readonly count: number; readonly seconds: number } | null;
  readonly video: {
    readonly count: number;
    readonly seconds: number;
    readonly width: number;
    readonly height: number;
  } | null;
  readonly textTokens: number;
  readonly outputTokens: number;
};

/** What the user asked for; null leaves the choice to the search. */
export type Wishes = {
  readonly quant: string | null;
  readonly encoderQuant: string | null;
  readonly contextPerSlot: number | null;
  readonly slots: number | null;
  readonly kvType: string | null;
  /** Type of V where it is not to be that of K. */
  readonly kvTypeV: string | null;
  /** One cache that all slots share (`--kv-unified`), not a part of it for each. */
  readonly unifiedKv: boolean;
  /** Sliding layers keep the whole context (`--swa-full`). */
  readonly swaFull: boolean;
  readonly flashAttention: boolean;
  /** Blocks, from the first, whose experts stay on the CPU; `Infinity`: those of every block. */
  readonly cpuMoeLayers: number;
  /** The encoder stays on the CPU (`--no-mmproj-offload`). */
  readonly encoderOnCpu: boolean;
  readonly ubatch: number | null;
  /** A number of layers (`Infinity`: all, and nothing less), or null: as many as fit. */
  readonly gpuLayers: number | null;
  readonly tensorSplit: readonly number[] | null;
  readonly imageMaxTokens: number | null;
  readonly workload: Workload | null;
  /** What `--require` asks for: reached before anything is made better; null: nothing. */
  readonly minimum: Minimum | null;
};

/** Least values of a plan; null leaves one open. */
export type Minimum = {
  readonly contextPerSlot: number | null;
  readonly slots: number | null;
  readonly quant: string | null;
};

export const NO_WISHES: Wishes = {
  quant: null,
  encoderQuant: null,
  contextPerSlot: null,
  slots: null,
  kvType: null,
  kvTypeV: null,
  unifiedKv: false,
  swaFull: false,
  flashAttention: true,
  cpuMoeLayers: 0,
  encoderOnCpu: false,
  ubatch: null,
  gpuLayers: null,
  tensorSplit: null,
  imageMaxTokens: null,
  workload: null,
  minimum: null,
};

/** The devices a model may use. GPUs whose memory is unknown are not among them. */
export type Resources = {
  readonly gpus: readonly DeviceInput[];
  readonly host: DeviceInput;
};

/** Weight formats of a candidate; null for an API model. */
export type Formats = { readonly quant: string; readonly encoderQuant: string | null };

/** A model whose weight formats can still be chosen (a profile), or that is what it is (a GGUF pair). */
export type ModelSource = {
  /** In whichever formats: identity, dimensions and token rules. */
  readonly model: ModelDescription;
  /** The model laid out in these formats; throws `usage.unknown-quant` for one the engine has not. */
  readonly inFormats: (formats: Formats) => ModelDescription;
};

/** A configuration with its memory and what became of it. */
export type Evaluated = {
  readonly formats: Formats;
  /** The model in just these formats: its tensors are what was counted. */
  readonly model: ModelDescription;
  readonly settings: LaunchSettings;
  readonly encoderGpu: number | null;
  /** Cap on the tokens of one image that the search found; null: none was needed. */
  readonly imageCap: number | null;
  readonly devices: readonly DeviceMemory[];
  readonly verdict: Exclude<Verdict, 'api'>;
  /** Smallest room that any device has left at its peak, bytes; negative when something does not fit. */
  readonly roomBytes: number;
  /** What was changed so that the server does not fail later (`launch.ts`). */
  readonly notes: readonly string[];
  /** Why it would start and then fail; null: it would not. */
  readonly fault: string | null;
};
