import type { DeploymentPlan } from '../../contracts/plan.ts';
import { GIB, MIB } from '../../units.ts';
import type { HostMemory, Shape } from '../types.ts';
import { GATEWAY_BYTES, GATEWAY_MEDIA_BYTES } from './gateway.ts';
import { vllmHostMemory } from './vllm-host-memory.ts';

/** llama-server's own `--cache-ram`. */
const DEFAULT_CACHE_MIB = 8192;
/** Where nobody knows what the host has. */
const UNKNOWN_HOST_CACHE_MIB = 2048;
/** Left to the system and to the page cache of a host whose memory is known. */
const SYSTEM_BYTES = GIB;
/** The plan's host figures leave out what grows with load: connections, answers, the allocator. */
const LEAST_MARGIN_BYTES = 512 * MIB;
const MARGIN_SHARE = 0.1;

/**
 * The host's side of a plan as limits of a container or unit. llama-server keeps finished prompts in the
 * host's memory up to `--cache-ram`: a limit without it would end the engine after a day, so the cache gets
 * what the host has to spare, at most the engine's own 8 GiB. The gateway keeps prompts with media itself, in
 * files in `/dev/shm`, which count as well: it gets half of that. The limit holds all of it.
 */
export function hostMemory(plan: DeploymentPlan, shape: Shape): HostMemory {
  const { memory, machine, engine } = plan;
  if (engine?.name === 'vllm') return vllmHostMemory(plan);
  const gateway = shape === 'gateway';
  const engineBytes = memory.devices.find(({ id }) => id === 'host')?.peakBytes ?? 0;
  const peak = engineBytes + (gateway ? GATEWAY_BYTES : 0);
  const margin = Math.max(LEAST_MARGIN_BYTES, peak * MARGIN_SHARE);
  const { totalBytes, limitBytes } = machine.memory;
  const host = limitBytes ?? totalBytes;
  const spare = host === null ? null : host - SYSTEM_BYTES - peak - margin;
  const cachesMib =
    spare === null
      ? UNKNOWN_HOST_CACHE_MIB
      : Math.max(0, Math.min(DEFAULT_CACHE_MIB, Math.floor(spare / MIB)));
  const slotCacheMib = gateway ? Math.floor(cachesMib / 2) : 0;
  return {
    requestBytes: peak,
    limitBytes: Math.ceil((peak + margin) / MIB) * MIB + cachesMib * MIB,
    cacheRamMib: cachesMib - slotCacheMib,
    slotCacheMib,
    mediaCacheGib: null,
    sharedBytes: gateway ? slotCacheMib * MIB + GATEWAY_MEDIA_BYTES : 0,
  };
}
