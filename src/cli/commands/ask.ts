import type { Command } from 'commander';
import { EXIT_CODES } from '../../errors.ts';
import { repeated, wholeNumber } from '../requests/values.ts';
import type { CommonOptions, Registrar, Shell } from '../shell.ts';

type AskOptions = CommonOptions & {
  readonly image?: readonly string[];
  readonly url: string;
  readonly demo?: boolean;
  readonly maxTokens?: string;
};

/** `mmdeploy ask "question" --image FILE…`. */
export function registerAsk({ begin, action }: Registrar): void {
  begin('ask')
    .description(
      'Sends a question and images to a running `mmdeploy serve` and prints the answer as it comes,\n' +
        'with the tokens that were estimated and the tokens that were billed.' +
        '\n\nExamples:\n  mmdeploy ask "what is this?" --image photo.jpg\n' +
        '  mmdeploy ask "what differs?" before.heic after.heic --url http://gpu-box:8080',
    )
    .argument('<question>', 'what to ask')
    .argument('[images...]', 'images, as from `photos/*.jpg`')
    .option('--image <file>', 'an image (repeatable), in any format that sharp decodes', repeated)
    .option('--url <url>', 'the server', 'http://127.0.0.1:8080')
    .option('--demo', 'start the demo model for this one question')
    .option('--max-tokens <n>', 'longest answer in tokens')
    .action(action(runAsk));
}

async function runAsk(shell: Shell, command: Command): Promise<number> {
  const { io, context } = shell;
  const options = command.opts<AskOptions>();
  const { askWorkflow } = await import('../../workflows/ask.ts');
  const { askReport } = await import('../../report/ask.ts');
  const text = options.output === 'table';
  const ask = async (url: string) => {
    const result = await askWorkflow(
      {
        question: command.args[0] ?? '',
        images: [...(options.image ?? []), ...command.args.slice(1)],
        url,
        maxTokens: wholeNumber('--max-tokens', options.maxTokens),
        apiKey: io.env['OPENAI_API_KEY'] ?? null,
        stream: text,
      },
      context,
      text ? io.stdout : () => undefined,
    );
    if (text) io.stdout('\n');
    if (text && options.quiet !== true) io.stderr(askReport(result, shell.view.palette));
    if (!text) await shell.print(result, () => '');
  };
  if (options.demo !== true) await ask(options.url);
  else {
    const { withDemoServer } = await import('../../workflows/demo-server.ts');
    await withDemoServer(context, io.force, ({ url }) => ask(url));
  }
  return EXIT_CODES.ok.code;
}
