type Env = Readonly<Record<string, string | undefined>>;

/**
 * The environment that llama.cpp's programs get from us: the caller's, without the `LLAMA_ARG_*` and
 * `LLAMA_API_KEY` that silently change settings, in plain English, and without gdb on an abort. CUDA numbers
 * cards as the driver does, as it will where the engine serves.
 */
export function engineEnvironment(env: Env): NodeJS.ProcessEnv {
  const kept = Object.entries(env).filter(
    ([name, value]) =>
      value !== undefined && !name.startsWith('LLAMA_ARG_') && name !== 'LLAMA_API_KEY',
  );
  const order = { CUDA_DEVICE_ORDER: 'PCI_BUS_ID' };
  return { ...order, ...Object.fromEntries(kept), LC_ALL: 'C', GGML_NO_BACKTRACE: '1' };
}

// What makes the same binary show other devices: part of the key of a cached probe.
const DEVICE_VARIABLES = [
  'CUDA_VISIBLE_DEVICES',
  'CUDA_DEVICE_ORDER',
  'NVIDIA_VISIBLE_DEVICES',
  'HIP_VISIBLE_DEVICES',
  'ROCR_VISIBLE_DEVICES',
  'HSA_OVERRIDE_GFX_VERSION',
  'ONEAPI_DEVICE_SELECTOR',
  'GGML_VK_VISIBLE_DEVICES',
  'VK_DRIVER_FILES',
  'VK_ICD_FILENAMES',
  'GGML_BACKEND_PATH',
  'LD_LIBRARY_PATH',
];

/** The variables of `env` that decide which devices an engine sees, as one comparable text. */
export function deviceEnvironmentKey(env: Env): string {
  return DEVICE_VARIABLES.map((name) => `${name}=${env[name] ?? ''}`).join('\n');
}
