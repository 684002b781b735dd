type Env = Readonly<Record<string, string | undefined>>;

/** What would be flags, keys and log files of an engine behind the plan's back. */
const SCRUBBED = /^(LLAMA_ARG_|LLAMA_LOG_|LLAMA_API_KEY$|NODE_OPTIONS$|FFREPORT$)/;

/**
 * The environment that llama.cpp's programs get from us, when they serve and when they are asked. llama-server
 * takes any flag from `LLAMA_ARG_*` (a stray one changes slots and context behind the plan's back) and a key
 * from `LLAMA_API_KEY` (our own requests would get 401). It reads films by the ffmpeg and ffprobe of its PATH,
 * which stays; `FFREPORT` would make them write a log file for each. Without `GGML_NO_BACKTRACE` an abort
 * starts gdb where it is installed, which can hang. CUDA, left alone, numbers the fastest card first; plans and
 * `--tensor-split` number cards as the driver does. What they print is read: in plain English.
 */
export function engineEnvironment(env: Env): Record<string, string> {
  const kept = Object.entries(env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !SCRUBBED.test(entry[0]),
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
