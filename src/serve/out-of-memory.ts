/** Whose memory ran out: that of a card, or that of the machine. */
export type OutOfMemory = 'device' | 'host';

/**
 * What llama.cpp prints when an allocation fails, backend by backend: `ggml-cuda.cu` (HIP and MUSA are
 * built from it), `ggml-vulkan.cpp`, `ggml-metal`, `ggml-sycl`, then what the callers of any backend say
 * (`ggml-alloc.c`, `llama-model.cpp`, `clip.cpp`). First match wins.
 */
const LINES: readonly (readonly [RegExp, OutOfMemory | null])[] = [
  // Host memory that could not be pinned: CUDA goes on with ordinary memory.
  [/pinned memory/i, null],
  [/ggml_aligned_malloc: insufficient memory/i, 'host'],
  [/ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate/i, 'host'],
  [/failed to allocate CPU\w* buffer|unable to allocate CPU\w* buffer/i, 'host'],
  [/ErrorOutOfHostMemory|std::bad_alloc|Cannot allocate memory/i, 'host'],
  [/(?:cuda|hip|musa)Malloc(?:Async|Managed)? failed/i, 'device'],
  [/\b(?:CUDA|ROCm|HIP|MUSA) error: out of memory/i, 'device'],
  [/CUBLAS_STATUS_ALLOC_FAILED/i, 'device'],
  [/ErrorOutOfDeviceMemory|ggml_vulkan: Device memory allocation of size \d+ failed/i, 'device'],
  [/kIOGPUCommandBufferCallbackErrorOutOfMemory/i, 'device'],
  [/ggml_metal\w*: error: failed to allocate buffer/i, 'device'],
  [
    /can't allocate \d+ Bytes of memory on device|UR_RESULT_ERROR_OUT_OF_(?:DEVICE|HOST)/i,
    'device',
  ],
  [/failed to allocate \w+ buffer of size|unable to allocate \w+ buffer/i, 'device'],
  [/clip_encode: failed to allocate compute graph/i, 'device'],
  [/failed to allocate (?:compute (?:pp|tg)? ?buffers|buffer for kv cache)/i, 'device'],
];

/** Whether a line of the engine's log says that memory ran out, and whose. */
export function outOfMemoryIn(line: string): OutOfMemory | null {
  const found = LINES.find(([pattern]) => pattern.test(line));
  return found?.[1] ?? null;
}
