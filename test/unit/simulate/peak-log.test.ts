import { describe, expect, it } from 'vitest';
import { parsePeak } from '../../../src/simulate/peak-log.ts';
import { MIB } from '../../../src/units.ts';

// llama-server 0.7.0 (build 11669), -lv 5, a Qwen2.5-VL projector on one ggml-rpc-server, 1792 x 1792 px.
const LOG = `
0.00.310.369 I sched_reserve:        CPU compute buffer size =    67.02 MiB
0.03.742.491 D mtmd_batch_encode_impl: encoding batch with 1 entries and total 4096 tokens
0.03.871.137 I reserve_compute_meta: RPC0[127.0.0.1:54637] compute buffer size =  1350.28 MiB
0.03.871.346 I reserve_compute_meta:        CPU compute buffer size =   549.03 MiB
`;

describe('parsePeak', () => {
  it('reads the buffers of the encoder and no others', () => {
    expect(parsePeak(LOG, true)).toEqual({
      device: Math.round(1350.28 * MIB),
      host: Math.round(549.03 * MIB),
    });
  });

  it('takes the last of a buffer that grew', () => {
    const grown = `${LOG}reserve_compute_meta: RPC0[127.0.0.1:54637] compute buffer size = 1400.00 MiB\n`;
    expect(parsePeak(grown, true)?.device).toBe(1400 * MIB);
  });

  it('is one figure on the CPU, and null where there is none', () => {
    const [, , , , line = ''] = LOG.split('\n');
    expect(parsePeak(line, false)).toEqual({ device: Math.round(549.03 * MIB), host: 0 });
    expect(parsePeak('nothing', true)).toBeNull();
  });
});
