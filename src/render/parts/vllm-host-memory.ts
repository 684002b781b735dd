import type { DeploymentPlan } from '../../contracts/plan.ts';
import { GIB, MIB } from '../../units.ts';
import type { HostMemory } from '../types.ts';
import { weightBytes } from './weights.ts';

/** Python with PyTorch, the tokenizer and the images that it decodes. Assumed. */
const API_SERVER_BYTES = 2 * GIB;
/** Of each GPU: PyTorch, the host's side of CUDA or ROCm with its pinned buffers, the compiler. Assumed. */
const WORKER_BYTES = 4 * GIB;
/** Most of one file of weights: publishers split at 5 GB (`max_shard_size` of Transformers). */
const SHARD_BYTES = 5e9;
/** `/dev/shm` in vLLM's own example for Kubernetes (docs/deployment/k8s.md). */
const SHARED_BYTES = 2 * GIB;
/** vLLM's own `--mm-processor-cache-gb`. */
const DEFAULT_CACHE_GIB = 4;
/** Steps in which the cache is made smaller for a host that has not as much. */
const CACHE_STEP_GIB = 0.5;
/** Processes that keep it: the API server and the engine. */
const CACHES = 2;
const MARGIN_SHARE = 0.1;
/** Left to the system of a host whose memory is known. */
const SYSTEM_BYTES = GIB;

/**
 * What vLLM takes of the host: the API server, a process for each GPU, one file of weights as it is read
 * (the rest of them is page cache, which the system takes back), shared memory, and what its processor made
 * of images, kept once in the API server and once in the engine: `mm_processor_cache_gb x (api_server_count
 * + data_parallel_size)` (docs/configuration/optimization.md). That cache grows to its full size in days of
 * traffic, so a limit without it would end the engine then; it is made smaller where the host is.
 */
export function vllmHostMemory(plan: DeploymentPlan): HostMemory {
  const { memory, machine } = plan;
  const base = API_SERVER_BYTES + memory.devices.length * WORKER_BYTES + SHARED_BYTES;
  const requestBytes = base + Math.min(SHARD_BYTES, weightBytes(plan));
  const withMargin = requestBytes * (1 + MARGIN_SHARE);
  const { totalBytes, limitBytes } = machine.memory;
  const host = limitBytes ?? totalBytes;
  const spare = host === null ? Infinity : host - SYSTEM_BYTES - withMargin;
  const steps = Math.floor(spare / GIB / CACHES / CACHE_STEP_GIB);
  const mediaCacheGib = Math.max(0, Math.min(DEFAULT_CACHE_GIB, steps * CACHE_STEP_GIB));
  return {
    requestBytes,
    limitBytes: Math.ceil((withMargin + CACHES * mediaCacheGib * GIB) / MIB) * MIB,
    cacheRamMib: 0,
    slotCacheMib: 0,
    mediaCacheGib,
    sharedBytes: SHARED_BYTES,
  };
}
