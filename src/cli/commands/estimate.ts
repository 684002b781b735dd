import type { Command } from 'commander';
import { Option } from 'commander';
import type { EstimateOptions } from '../requests/estimate.ts';
import { REQUEST_MODES } from '../../estimate/entry.ts';
import { MEDIA_RESOLUTIONS } from '../../tokens/settings.ts';
import { repeated } from '../requests/values.ts';
import type { EstimateRequest } from '../../workflows/estimate.ts';
import type { Registrar, Shell } from '../shell.ts';
import { addListOptions } from './estimate-lists.ts';
import { registerMerge } from './estimate-merge.ts';
import { addCheckOptions, addPriceOptions } from './estimate-money.ts';

const DETAILS = ['low', 'high', 'original', 'auto'];

/** `mmdeploy estimate [PATHS…]`. */
export function registerEstimate({ begin, action }: Registrar): void {
  const command = begin('estimate')
    .description(
      'Counts the tokens that files, folders or described inputs cost each model, by the rule of the\n' +
        'engine that will count them, and prices API models. Nothing is uploaded or decoded.' +
        '\n\nExamples:\n' +
        '  mmdeploy estimate photos/ --model gpt-4o,qwen2.5-vl-7b\n' +
        '  mmdeploy estimate --image 1920x1080*500 --model internvl2-26b --engine vllm -o json',
    )
    .usage('[options] [paths...]')
    .argument('[paths...]', 'files, folders, globs; `-`: a list of them on stdin')
    .option('--model <ids>', 'profile ids, API models or a GGUF file; commas between', repeated)
    .addOption(
      new Option('--engine <name>', 'whose counting rule')
        .choices(['llama.cpp', 'vllm', 'api', 'auto'])
        .default('auto'),
    )
    .option('--mmproj <file>', 'projector of a GGUF file (default: found beside it)')
    .option('--tokenizer <file>', 'tokenizer.json or GGUF to count text with');
  addListOptions(command);
  command
    .optionsGroup('Described inputs:')
    .option('--image <WxH[*N]>', 'images of a size in pixels', repeated)
    .option('--audio <SECONDSs[*N]>', 'sounds of a length', repeated)
    .option('--video <10s@WxH[@FPS][*N]>', 'films of a length and size', repeated)
    .option('--text <text>', 'a text', repeated)
    .option('--text-tokens <n>', 'a text of known tokens', repeated)
    .optionsGroup('What changes the count:')
    .addOption(new Option('--detail <level>', '`detail` of OpenAI images').choices(DETAILS))
    .addOption(
      new Option('--media-resolution <level>', '`media_resolution` of Gemini and Qwen').choices([
        ...MEDIA_RESOLUTIONS,
      ]),
    )
    .option('--image-min-tokens <n>', 'as the engine is started')
    .option('--image-max-tokens <n>', 'as the engine is started')
    .option('--ubatch <n>', 'as the engine is started')
    .option('--plan <file>', 'what a plan starts the engine with; its model where none is named')
    .option('--as-of <day>', "by the vendors' rules of that day, as 2026-03-01")
    .option('--pdf-dpi <n>', 'resolution of PDF pages as pictures (default: 150)')
    .option('--decode', 'prove that files decode, not only that their headers are sound');
  addRunOptions(command);
  addCheckOptions(addPriceOptions(command)).action(action(runEstimate));
  registerMerge(command, { action });
}

/** How the inputs are gone through, and what is kept of them. */
function addRunOptions(command: Command): void {
  command
    .option('--output-tokens <n>', 'answer tokens to price as well')
    .addOption(
      new Option(
        '--requests <mode>',
        'what makes a request, each with its chat template and answer',
      )
        .choices([...REQUEST_MODES])
        .default('one'),
    )
    .option('--shard <i/n>', 'count one share of the inputs, from 0; `auto` asks the batch system')
    .option('--dedupe', 'look for media that come several times, by their content')
    .option('--exact <auto|URL>', 'ask a llama-server too, one that runs or one started for it')
    .option('--items', 'one row per input (JSON has them up to 1000 inputs)')
    .option('--strict', 'exit 7 when an input could not be read');
}

async function runEstimate(shell: Shell, command: Command): Promise<number> {
  const { toEstimateRequest } = await import('../requests/estimate.ts');
  const { finishEstimate, printShare } = await import('./estimate-print.ts');
  const options = command.opts<EstimateOptions>();
  const asked = toEstimateRequest(command.args, options, shell.context.env);
  const request = options.plan === undefined ? asked : await planned(asked, options.plan, shell);
  if (request.shard !== null) return await printShare(shell, { ...request, shard: request.shard });
  const { estimateWorkflow } = await import('../../workflows/estimate.ts');
  return await finishEstimate(shell, request, () => estimateWorkflow(request, shell.context));
}

async function planned(asked: EstimateRequest, plan: string, { context }: Shell) {
  const { withPlan } = await import('../../workflows/estimate-plan.ts');
  return await withPlan(asked, plan, context);
}
