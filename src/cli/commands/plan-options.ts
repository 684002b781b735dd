import type { Command } from 'commander';
import { Option } from 'commander';
import { repeated } from '../requests/values.ts';

/** Flags that `plan` and `serve` share: the model, its settings and the machine. */
export function addModelOptions(command: Command): void {
  command
    .optionsGroup('Model:')
    .option('--mmproj <file>', 'projector of a GGUF file (default: found beside it)')
    .option('--quant <name>', 'weight format (default: the best that fits)')
    .option('--encoder-quant <name>', 'encoder format (default: the best that fits)')
    .addOption(
      new Option('--engine <name>', 'engine to plan for')
        .choices(['llama.cpp', 'vllm', 'auto'])
        .default('auto'),
    );
}

export function addSettingOptions(command: Command): void {
  command
    .optionsGroup('Settings:')
    .option('--context <n>', 'tokens of one slot (default: what fits)')
    .option('--slots <n>', 'requests served at once (default: what fits)')
    .option('--kv-type <type>', 'KV cache type: f16, q8_0, q4_0 … (vLLM: bf16, fp8)')
    .option('--kv-type-v <type>', 'type of V where it differs from that of K')
    .option('--kv-unified', 'one cache that all slots share (default: a part for each)')
    .option('--swa-full', 'sliding-window layers keep the whole context')
    .addOption(
      new Option('--flash-attn <mode>', 'flash attention; auto is on')
        .choices(['on', 'off', 'auto'])
        .default('auto'),
    )
    .option('--ubatch <n>', 'micro-batch in tokens (default: 512)')
    .option('--gpu-layers <n>', 'layers on the GPU: a number, `all` or `auto`')
    .option('--cpu-moe', 'experts of every layer stay on the CPU')
    .option('--n-cpu-moe <n>', 'experts of the first N layers stay on the CPU')
    .option('--no-mmproj-offload', 'the encoder stays on the CPU')
    .option('--tensor-split <a,b>', 'share of the layers of each GPU')
    .option('--image-max-tokens <n>', 'cap on the tokens of one image')
    .optionsGroup('Workload:')
    .option('--users <n>', 'requests at the same time')
    .option('--images <n@WxH>', 'images of one request, e.g. 2@1920x1080')
    .option('--audio <SECONDSs[*N]>', 'audio clips of one request, e.g. 30s')
    .option('--video <SECONDSs@WxH[*N]>', 'videos of one request, e.g. 10s@1280x720')
    .option('--text <tokens>', 'text tokens of one request')
    .option('--output-tokens <n>', 'tokens of one answer');
}

export function addMachineOptions(command: Command): void {
  command
    .optionsGroup('Machine:')
    .option(
      '--gpu <spec>',
      'what-if card instead of this machine: "RTX 4090", "2x L4", 24GiB, none',
      repeated,
    )
    .option('--machine <file>', 'a machine saved by `mmdeploy doctor -o json`');
}
