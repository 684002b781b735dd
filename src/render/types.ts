import type { EngineName } from '../contracts/basis.ts';
import type { Gpu } from '../contracts/machine.ts';
import type { DeploymentPlan } from '../contracts/plan.ts';

/** What the containers and units of a deployment compute on. */
export type Accelerator = 'nvidia' | 'amd' | 'intel' | 'apple' | 'cpu';

/** Linux has two drivers for Intel's cards, and Intel's device plugin offers each by the name of its own. */
export type IntelDriver = 'i915' | 'xe';

/** `engine`: llama-server or vLLM alone; `gateway`: `mmdeploy serve`, which starts llama-server itself. */
export type Shape = 'engine' | 'gateway';

/** Container images, each with its tag: never `latest`. */
export type Images = {
  /** The engine for the plan's accelerator; null where nobody publishes one. */
  readonly engine: string | null;
  /** `mmdeploy serve` with an engine inside, built from the Dockerfile that is written beside. */
  readonly gateway: string;
  /** llama-server inside of it. */
  readonly program: string;
  /** Has Node.js, for that Dockerfile. */
  readonly node: string;
  /** Has curl and a shell, for what fetches the model's files. */
  readonly fetch: string;
};

/** Builds that have a flag, as far as known (`profiles/engines.yaml`). */
export type FlagRange = {
  readonly flag: string;
  readonly since?: number | undefined;
  readonly seenIn?: number | undefined;
  readonly until?: number | undefined;
};

/** The release of the engine that the files are written for: that of the image. */
export type EngineRelease = {
  readonly version: string;
  /** llama.cpp counts builds; null for vLLM. */
  readonly build: number | null;
  /** Flags that not every build has. */
  readonly flags: readonly FlagRange[];
};

/** A file of the model where the engine will look for it. */
export type DeployedFile = {
  /** File name, without a folder. */
  readonly name: string;
  /** Folder on the machine that the plan was made for. */
  readonly folder: string;
  /** `hf:owner/repo/file`, or null: it has to be put there by hand. */
  readonly source: string | null;
  readonly bytes: number | null;
  readonly sha256: string | null;
};

/**
 * A file of the model in a folder where files are links, and what it leads to: whoever mounts such a folder
 * mounts links to nowhere.
 */
export type LinkedFile = {
  readonly folder: string;
  readonly name: string;
  readonly real: string;
};

/** Memory of the host that a deployment may use, in bytes. */
export type HostMemory = {
  /** What the plan says the engine takes at its peak. */
  readonly requestBytes: number;
  /** With the engine's cache of prompts and a margin: above it the engine is stopped. */
  readonly limitBytes: number;
  /** `--cache-ram` in MiB: what llama-server keeps of finished prompts; 0 for vLLM, which has none. */
  readonly cacheRamMib: number;
  /** `--slot-cache` of the gateway in MiB: prompts with media, in files in memory; 0 without one. */
  readonly slotCacheMib: number;
  /** `--mm-processor-cache-gb` of vLLM, in GiB; null for llama.cpp. */
  readonly mediaCacheGib: number | null;
  /** Most of `/dev/shm`, which is part of `limitBytes`: vLLM's tensors, or what the gateway keeps; 0: none needed. */
  readonly sharedBytes: number;
};

/**
 * How often the model runs and over what each of its copies is spread. `replicas` copies of `nodes` machines
 * each; a copy splits every layer over `tensor` GPUs of a node and its layers over `pipeline` nodes.
 */
export type Scale = {
  readonly replicas: number;
  readonly nodes: number;
  readonly tensor: number;
  readonly pipeline: number;
};

/** One copy on one machine. */
export const ONE_NODE: Scale = { replicas: 1, nodes: 1, tensor: 1, pipeline: 1 };

/** What every target renders: one plan, and how its user wants it deployed. */
export type Deployment = {
  /** A DNS label (RFC 1123, at most 40 characters): of units, services, containers. */
  readonly name: string;
  readonly plan: DeploymentPlan;
  readonly engine: Extract<EngineName, 'llama.cpp' | 'vllm'>;
  readonly shape: Shape;
  readonly accelerator: Accelerator;
  /** The GPUs that the plan puts something on. */
  readonly gpus: readonly Gpu[];
  /** Of Intel cards: the driver that Linux has for their family; null for any other. */
  readonly intelDriver: IntelDriver | null;
  /** NVIDIA cards in containers: by Docker's own driver, or by their CDI names. */
  readonly cdi: boolean;
  /** Groups of the machine that may open its GPUs, by number: images define none. Null where not known. */
  readonly groups: { readonly video: number; readonly render: number } | null;
  readonly images: Images;
  readonly release: EngineRelease;
  /** The model, then the projector; of vLLM none, it reads a repository. */
  readonly files: readonly DeployedFile[];
  /** Every file, of split models all, in those of their folders that hold links. */
  readonly links: readonly LinkedFile[];
  readonly memory: HostMemory;
  readonly scale: Scale;
  /** Longest that a start may take before it counts as failed. */
  readonly startSeconds: number;
  /** Where clients reach it. */
  readonly listen: { readonly host: string; readonly port: number };
  readonly origin: Origin;
};

/** Where the files come from: in the head of each. */
export type Origin = {
  /** `mmdeploy` and its version. */
  readonly version: string;
  /** The command line that made them, as a shell reads it. */
  readonly command: string;
  /** `sha256:` over the plan as it is written beside them. */
  readonly planDigest: string;
};

/** Who reads a file, and so who checks it (`validators/`). */
export type Reader =
  | 'sh'
  | 'router'
  | 'compose'
  | 'systemd'
  | 'quadlet'
  | 'kubernetes'
  | 'llama-swap'
  | 'prometheus'
  | 'prometheus-config'
  | 'grafana'
  | 'dockerfile'
  | 'plan';

export type RenderedFile = {
  /** Relative to the deployment's folder. */
  readonly path: string;
  readonly text: string;
  readonly reader: Reader;
  readonly executable?: boolean;
};

/** Why a target cannot do it, and which targets can. */
export type Refusal = { readonly reason: string; readonly instead: readonly string[] };

export type Target = {
  readonly id: string;
  /** One line for help and docs/targets.md. */
  readonly title: string;
  /** Null where it can be rendered. */
  readonly refuses: (deployment: Deployment) => Refusal | null;
  readonly render: (deployment: Deployment) => readonly RenderedFile[];
  /** Commands that start it, in the deployment's folder. */
  readonly start: (deployment: Deployment) => readonly string[];
  /** It brings the model's files where they are needed, or needs none. */
  readonly fetchesModel?: boolean;
};

/** Keeps the literal id of a target: the registry's keys are checked against it. */
export function defineTarget<const T extends Target>(target: T): T {
  return target;
}
