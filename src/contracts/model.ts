import type { Basis, Confidence, EngineName, Modality } from './basis.ts';

/** A tensor as a GGUF header lists it: `shape` fastest-varying dimension first, as ggml's `ne`. */
export type TensorInfo = {
  readonly name: string;
  readonly shape: readonly number[];
  /** ggml's type name, e.g. `F16`, `Q4_K`. */
  readonly type: string;
};

/** Value of a GGUF key that memory depends on: one for the model, or a list with one for each layer. */
export type HyperValue = number | boolean | string | readonly number[] | readonly boolean[];

/** Hyper-parameters of the language model, in the terms of GGUF keys. */
export type TextModel = {
  /** `general.architecture`: `llama`, `qwen2vl`, `internlm2` … */
  readonly arch: string;
  readonly layers: number;
  readonly embedding: number;
  readonly feedForward: number;
  readonly heads: number;
  /** KV heads of each layer (0 where a layer keeps no KV cache). */
  readonly kvHeads: readonly number[];
  /** Head size of K and of V. */
  readonly keyLength: number;
  readonly valueLength: number;
  readonly vocabulary: number;
  /** Largest context in tokens the model was trained for. */
  readonly contextMax: number;
  /**
   * What only some architectures have (experts, sliding windows, recurrent layers …): keys as the GGUF
   * header names them, without the architecture, e.g. `expert_count`, `attention.sliding_window`.
   */
  readonly hyper: Readonly<Record<string, HyperValue>>;
  readonly tensors: readonly TensorInfo[];
};

/** Hyper-parameters of the vision or audio tower and its projector, in the terms of `clip.*` keys. */
export type EncoderModel = {
  /** `clip.projector_type`: `mlp`, `internvl`, `qwen2.5vl_merger` … */
  readonly projectorType: string;
  readonly layers: number;
  readonly embedding: number;
  readonly feedForward: number;
  readonly heads: number;
  readonly patchSize: number;
  readonly imageSize: number;
  /** Side of the square of patches that becomes one token; 1 when none are merged. */
  readonly merge: number;
  /** Width of the projector's output: must equal the language model's embedding. */
  readonly projectionDim: number;
  /** Every so many blocks attend to the whole picture, the others within windows (Qwen2.5-VL). */
  readonly windowPattern?: number;
  /** Blocks that attend to the whole picture where the others have windows (Youtu-VL). */
  readonly wholeBlocks?: readonly number[];
  /** KV heads where they are fewer than heads. */
  readonly kvHeads?: number;
  /** Blocks after so many of which features are taken, side by side (Granite Vision). */
  readonly featureLayers?: readonly number[];
  /** Block after which squares of patches are joined (MiniCPM-V 4.6). */
  readonly mergerBlock?: number;
  /** Pixels of the smallest and the largest picture, where the file says so. */
  readonly pixels?: { readonly least: number; readonly most: number };
  /** A segmentation tower before this one (DeepSeek-OCR). */
  readonly sam?: {
    readonly layers: number;
    readonly embedding: number;
    readonly heads: number;
    /** Side of its windows, patches. */
    readonly window: number;
  };
  /** Learned queries of a resampler (MiniCPM-V): tokens of one tile. */
  readonly queries?: number;
  /** Audio towers only: mel bins of a frame. */
  readonly melBins?: number;
  /** Audio towers only: steps joined to one. */
  readonly stack?: number;
  /** Audio towers only: frames of a window of the resampler, and of how many one comes through (Granite Speech). */
  readonly window?: number;
  readonly downsample?: number;
  /** The ears beside the eyes, in one projector file (Qwen2.5-Omni, Gemma 4 E2B and E4B). */
  readonly audio?: EncoderModel;
  readonly tensors: readonly TensorInfo[];
};

export type TokenRuleUse = {
  readonly rule: string;
  readonly params: Readonly<Record<string, unknown>>;
  /** Strings the engine puts before and after each image or clip; each is tokenised with the model's vocabulary. */
  readonly wrapper: { readonly begin: string; readonly end: string; readonly tokens: number };
  /** Where the rule was read or confirmed. */
  readonly source: string;
  /** No better than this, whatever the rule itself knows. */
  readonly confidence?: Confidence | undefined;
};

/** Tokens a second of film and its sound, at each level of `media_resolution` that differs. */
type VideoRates = {
  readonly default: SecondRate;
  readonly low?: SecondRate | undefined;
  readonly medium?: SecondRate | undefined;
  readonly high?: SecondRate | undefined;
  readonly source: string;
};
type SecondRate = {
  readonly perSecond: number;
  readonly low?: number | undefined;
  readonly high?: number | undefined;
};

/** What a model at its vendor takes; null where it is not known. */
export type HostedModel = {
  readonly contextTokens: number | null;
  readonly outputTokens: number | null;
  /** As a file's first bytes name them: `png`, `heic` …; null: what most vendors take. */
  readonly imageFormats: readonly string[] | null;
  readonly video: VideoRates | null;
};

export type ModelFile = {
  readonly path: string | null;
  /** `hf:owner/repo/file`, or null when nobody publishes it. */
  readonly source: string | null;
  readonly bytes: number | null;
  readonly sha256: string | null;
  /** For a file that is not there: how to make it of one that is, or that is published. */
  readonly make?: FileToMake | undefined;
};

type FileToMake = {
  /** `mmdeploy models quantize …`, to be pasted. */
  readonly command: string;
  /** Path or `hf:owner/repo/file` of the unquantised file. */
  readonly from: string;
  /** Path or name of the new file. */
  readonly output: string;
};

/** What `plan`, `estimate` and `serve` know of a model, whether a profile or a GGUF pair told them. */
export type ModelDescription = {
  readonly id: string;
  readonly name: string;
  readonly family: string;
  readonly modalities: readonly Modality[];
  readonly engines: readonly EngineName[];
  readonly basis: Extract<Basis, 'gguf' | 'profile'>;
  /** `confirmed`, `read` or `doubtful` for a profile; null for a GGUF pair. */
  readonly confidence: string | null;
  /** null for an API model. */
  readonly text: TextModel | null;
  readonly encoder: EncoderModel | null;
  /** Image token rule per engine. */
  readonly imageTokens: Readonly<Partial<Record<EngineName, TokenRuleUse>>>;
  /** Audio token rule of each engine that hears with this model. */
  readonly audioTokens: Readonly<Partial<Record<EngineName, TokenRuleUse>>>;
  /** Left out for a model that runs here. */
  readonly hosted?: HostedModel;
  /** Fixed weight format of a GGUF file; null when a quant can still be chosen. */
  readonly quant: string | null;
  readonly encoderQuant: string | null;
};
