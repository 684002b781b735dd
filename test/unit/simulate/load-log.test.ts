import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parseUsage } from '../../../src/simulate/gpu-usage.ts';
import { parseLoad } from '../../../src/simulate/load-log.ts';
import { MIB } from '../../../src/units.ts';

// Lines of llama-server 0.7.0 (build 11669) at -lv 5: the demo model on two stand-in GPUs.
const log = readFileSync(
  new URL('../../fixtures/simulate/load-two-gpus.log', import.meta.url),
  'utf8',
);
const bytes = (mib: number) => Math.round(mib * MIB);

describe('parseLoad', () => {
  it('reads the buffers of every device and of the projector', () => {
    expect(parseLoad(log, 2)).toEqual({
      gpus: [
        { weights: bytes(0.14), kvCache: bytes(1), compute: bytes(10.68) },
        { weights: bytes(0.04), kvCache: 0, compute: 0 },
      ],
      host: { weights: bytes(0.04), kvCache: 0, compute: bytes(9.32) },
      encoder: { gpu: 0, bytes: bytes(0.29) + bytes(1.94), hostBytes: bytes(1.3) },
    });
  });

  it('adds the two caches of a model with sliding layers, and a recurrent state', () => {
    const more =
      'llama_kv_cache: RPC0[127.0.0.1:50811] KV buffer size =     2.50 MiB\n' +
      'llama_memory_recurrent: RPC0[127.0.0.1:50811] RS buffer size =     0.50 MiB\n';
    expect(parseLoad(log + more, 2)?.gpus[0]?.kvCache).toBe(bytes(1) + bytes(2.5) + bytes(0.5));
  });

  it('takes the last size of a compute buffer that is reserved anew', () => {
    const again = 'sched_reserve: RPC0[127.0.0.1:50811] compute buffer size =    12.00 MiB\n';
    expect(parseLoad(log + again, 2)?.gpus[0]?.compute).toBe(bytes(12));
  });

  it('is null for a log without buffers', () => {
    expect(parseLoad('error: failed to load model', 1)).toBeNull();
  });
});

describe('parseLoad of a real card', () => {
  // Spelled as llama.cpp spells a card of its own; no such machine was at hand.
  it('finds the device by its name, and pinned memory on the host', () => {
    const lines = [
      'llama_prepare_model_devices: using device CUDA0 (NVIDIA L4) (0000:01:00.0) - 22000 MiB free',
      'load_tensors:   CPU_Mapped model buffer size =     3.00 MiB',
      'load_tensors:        CUDA0 model buffer size =     5.00 MiB',
      'llama_kv_cache:      CUDA0 KV buffer size =     7.00 MiB',
      'sched_reserve:      CUDA0 compute buffer size =    11.00 MiB',
      'sched_reserve:  CUDA_Host compute buffer size =    13.00 MiB',
    ];
    expect(parseLoad(lines.join('\n'), 1)).toEqual({
      gpus: [{ weights: bytes(5), kvCache: bytes(7), compute: bytes(11) }],
      host: { weights: bytes(3), kvCache: 0, compute: bytes(13) },
      encoder: null,
    });
  });
});

describe('parseUsage', () => {
  // `nvidia-smi --query-compute-apps=gpu_uuid,used_gpu_memory,pid --format=csv,noheader,nounits`
  const APPS = 'GPU-a, 512, 100\nGPU-b, 256, 100\nGPU-a, 900, 7\nGPU-b, [N/A], 100\n';
  it('counts one process on each card, or every line', () => {
    expect([...parseUsage(APPS, '100')]).toEqual([
      ['GPU-a', 512 * MIB],
      ['GPU-b', 256 * MIB],
    ]);
    expect([...parseUsage('GPU-a, 1024\n', null)]).toEqual([['GPU-a', 1024 * MIB]]);
    expect(parseUsage('No devices were found', '1').size).toBe(0);
  });
});
