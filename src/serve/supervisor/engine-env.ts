type Env = Readonly<Record<string, string | undefined>>;

const SCRUBBED = /^(LLAMA_ARG_|LLAMA_LOG_|LLAMA_API_KEY$|NODE_OPTIONS$|FFREPORT$)/;

/**
 * The environment of an engine. llama-server takes any flag from `LLAMA_ARG_*` (a stray one changes
 * slots and context behind the plan's back) and a key from `LLAMA_API_KEY` (our own requests would
 * get 401). The engine reads films by the ffmpeg and ffprobe of its PATH, which stays; `FFREPORT` would make
 * them write a log file for each. Without `GGML_NO_BACKTRACE` an abort starts gdb where it is installed, which can hang.
 * CUDA, left alone, numbers the fastest card first; plans and `--tensor-split` number cards as the driver does.
 */
export function engineEnv(env: Env): Record<string, string> {
  const kept = Object.entries(env).filter(
    (entry): entry is [string, string] => entry[1] !== undefined && !SCRUBBED.test(entry[0]),
  );
  return { CUDA_DEVICE_ORDER: 'PCI_BUS_ID', ...Object.fromEntries(kept), GGML_NO_BACKTRACE: '1' };
}
