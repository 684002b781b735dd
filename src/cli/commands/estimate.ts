import type { Command } from 'commander';
import { Option } from 'commander';
import type { Estimate } from '../../contracts/estimate.ts';
import { EXIT_CODES } from '../../errors.ts';
import type { EstimateOptions } from '../requests/estimate.ts';
import { REQUEST_MODES } from '../../estimate/entry.ts';
import { MEDIA_RESOLUTIONS } from '../../tokens/settings.ts';
import { repeated } from '../requests/values.ts';
import type { Registrar, Shell } from '../shell.ts';
import { addListOptions } from './estimate-lists.ts';
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
    .option('--as-of <day>', "by the vendors' rules of that day, as 2026-03-01")
    .option('--pdf-dpi <n>', 'resolution of PDF pages as pictures (default: 150)')
    .option('--decode', 'prove that files decode, not only that their headers are sound')
    .option('--output-tokens <n>', 'answer tokens to price as well')
    .addOption(
      new Option(
        '--requests <mode>',
        'what makes a request, each with its chat template and answer',
      )
        .choices([...REQUEST_MODES])
        .default('one'),
    )
    .option('--dedupe', 'look for media that come several times, by their content')
    .option('--exact <auto|URL>', 'ask a llama-server too, one that runs or one started for it')
    .option('--items', 'one row per input (JSON has them up to 1000 inputs)')
    .option('--strict', 'exit 7 when an input could not be read');
  addCheckOptions(addPriceOptions(command)).action(action(runEstimate));
}

/** Prints an estimate in the form that was asked for; the reports are loaded as needed. */
export async function printEstimate(
  shell: Shell,
  estimate: Estimate,
  items: boolean,
): Promise<void> {
  await shell.print(
    estimate,
    async () => {
      const { estimateText } = await import('../../report/estimate.ts');
      return estimateText(estimate, { ...shell.view, items });
    },
    {
      csv: async () => {
        const { estimateCsv } = await import('../../report/estimate-csv.ts');
        return estimateCsv(estimate, items);
      },
      markdown: async () => {
        const { estimateMarkdown } = await import('../../report/estimate-markdown.ts');
        return estimateMarkdown(estimate);
      },
    },
  );
}

async function runEstimate(shell: Shell, command: Command): Promise<number> {
  const { toEstimateRequest } = await import('../requests/estimate.ts');
  const { estimateWorkflow, incomplete } = await import('../../workflows/estimate.ts');
  const request = toEstimateRequest(
    command.args,
    command.opts<EstimateOptions>(),
    shell.context.env,
  );
  const { openChecks } = await import('../../workflows/estimate-checks.ts');
  const check = await openChecks(request.checks, shell.context);
  const estimate = check(await estimateWorkflow(request, shell.context));
  await printEstimate(shell, estimate, request.items);
  shell.warn(estimate.warnings);
  const left = request.strict ? incomplete(estimate) : null;
  if (left !== null) throw left;
  const { overBudget } = await import('../../estimate/budget.ts');
  const over = overBudget(estimate);
  if (over !== null) throw over;
  return EXIT_CODES.ok.code;
}
