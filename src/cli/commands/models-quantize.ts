import type { Command } from 'commander';
import { EXIT_CODES } from '../../errors.ts';
import type { QuantizeOptions } from '../requests/quantize.ts';
import type { Registrar, Shell } from '../shell.ts';

/** `mmdeploy models quantize ID|FILE`. */
export function registerModelsQuantize(models: Command, { action }: Registrar): void {
  models
    .command('quantize')
    .summary('make a projector or weights in another format')
    .description(
      'Makes the projector or the weights in another format with the engine’s llama-quantize, sees that\n' +
        'the engine loads them, and measures how far the next-token distribution drifts from the source.\n' +
        'MODEL is a GGUF file, or a profile id whose files are in MODELS_DIR or in the working folder.' +
        '\n\nExamples:\n' +
        '  mmdeploy models quantize ./model.gguf --mmproj ./mmproj-f16.gguf --encoder Q8_0\n' +
        '  mmdeploy models quantize ./model-f16.gguf --weights Q4_K_M --encoder Q8_0\n' +
        '  mmdeploy models quantize llava-1.5-7b --encoder Q8_0 --images photo.jpg chart.png',
    )
    .argument('<model>', 'profile id or path of a GGUF file')
    .optionsGroup('Formats:')
    .option('--encoder <format>', 'make the projector in it: Q8_0, BF16 …')
    .option('--weights <format>', 'make the language model in it: Q4_K_M, Q8_0 …')
    .option('--allow-requantize', 'start from a file that is quantised already')
    .optionsGroup('Files:')
    .option('--mmproj <file>', 'projector of a GGUF path (default: found beside it)')
    .option('--out <file>', 'file to write (default: named after the source, beside it)')
    .option('--force', 'replace a file that is there')
    .optionsGroup('Drift:')
    .option('--images <files...>', 'pictures to ask about (default: a few drawn ones)')
    .option('--no-drift', 'only see that the engine loads the new files')
    .optionsGroup('Engine:')
    .option('--llama-server <file>', 'the engine whose llama-quantize is taken')
    .action(action(runQuantize));
}

async function runQuantize(shell: Shell, command: Command): Promise<number> {
  const { toQuantizeRequest } = await import('../requests/quantize.ts');
  const { quantizeWorkflow } = await import('../../workflows/quantize.ts');
  const { quantizeText } = await import('../../report/quantize.ts');
  const [model = ''] = command.args;
  const request = toQuantizeRequest(model, command.opts<QuantizeOptions>());
  const result = await quantizeWorkflow(request, shell.context);
  await shell.print(result, () => quantizeText(result, shell.view));
  shell.warn(result.warnings);
  return EXIT_CODES.ok.code;
}
