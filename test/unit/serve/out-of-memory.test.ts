import { expect, test } from 'vitest';
import { outOfMemoryIn } from '../../../src/serve/out-of-memory.ts';

/** As public bug reports of llama.cpp and its users quote them, or as the sources format them. */
test.each([
  [
    'ggml_backend_cuda_buffer_type_alloc_buffer: allocating 620.31 MiB on device 0: cudaMalloc failed: out of memory',
  ],
  ['0.02.1 E CUDA error: out of memory'],
  ['ROCm error: out of memory'],
  ['ggml_vulkan: Device memory allocation of size 1037832192 failed.'],
  ['ggml_vulkan: vk::Device::allocateMemory: ErrorOutOfDeviceMemory'],
  ['0.02.468.179 E alloc_tensor_range: failed to allocate Vulkan0 buffer of size 1037832192'],
  ['ggml_gallocr_reserve_n_impl: failed to allocate CUDA0 buffer of size 1337982976'],
  ['llama_model_load: error loading model: unable to allocate Vulkan0 buffer'],
  ['clip_encode: failed to allocate compute graph'],
  ['error: Insufficient Memory (00000008:kIOGPUCommandBufferCallbackErrorOutOfMemory)'],
  ['ggml_metal_buffer_init: error: failed to allocate buffer, size =  4096.00 MiB'],
  [
    "ggml_backend_sycl_buffer_type_alloc_buffer: can't allocate 5368709120 Bytes of memory on device",
  ],
  ['graph_reserve: failed to allocate compute buffers'],
])('a card: %s', (line) => {
  expect(outOfMemoryIn(line)).toBe('device');
});

test.each([
  ['ggml_backend_cpu_buffer_type_alloc_buffer: failed to allocate buffer of size 2566914048'],
  ['ggml_aligned_malloc: insufficient memory (attempted to allocate 2448.00 MB)'],
  ['alloc_tensor_range: failed to allocate CPU buffer of size 2566914048'],
  ['ggml_vulkan: vk::Device::allocateMemory: ErrorOutOfHostMemory'],
  ["terminate called after throwing an instance of 'std::bad_alloc'"],
])('the machine: %s', (line) => {
  expect(outOfMemoryIn(line)).toBe('host');
});

test.each([
  ['ggml_cuda_host_malloc: failed to allocate 1024.00 MiB of pinned memory: out of memory'],
  ['0.00.117.390 I srv    load_model: loaded multimodal model, mmproj.gguf'],
  ['CUDA error: an illegal memory access was encountered'],
  ['failed to open file: no such file or directory'],
  ['srv  update_slots: failed to find free space in the KV cache'],
])('neither: %s', (line) => {
  expect(outOfMemoryIn(line)).toBeNull();
});
