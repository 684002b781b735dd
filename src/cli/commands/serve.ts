import type { Command } from 'commander';
import { MmdeployError } from '../../errors.ts';
import type { CheckResult } from '../../serve/selftest/check.ts';
import type { ServeRequest, ServeTools } from '../../workflows/start-serving.ts';
import type { ServeOptions } from '../requests/serve.ts';
import { repeated } from '../requests/values.ts';
import { PACKAGE_VERSION } from '../version.ts';
import type { Registrar, Shell } from '../shell.ts';
import { addMachineOptions, addModelOptions, addSettingOptions } from './plan-options.ts';

/** `mmdeploy serve [MODEL | --plan FILE | --demo] [-- COMMAND]`. */
export function registerServe({ begin, action }: Registrar): void {
  const command = begin('serve')
    .description(
      'Plans the model, starts llama-server as a supervised child and answers OpenAI requests.\n' +
        'With `-- COMMAND` it runs COMMAND once ready and returns its exit code: for CI.' +
        '\n\nExamples:\n' +
        '  mmdeploy serve ./model.gguf --mmproj ./mmproj.gguf --port 8000\n' +
        '  mmdeploy serve --demo -- npm run integration-tests',
    )
    .argument('[model]', 'path of a GGUF file')
    .argument('[command...]', 'after `--`: a program to run with OPENAI_BASE_URL set')
    .option('--plan <file>', 'a plan of `mmdeploy plan -o json`')
    .option('--demo', 'the tiny generated model')
    .option('--selftest', 'try what serve promises on a server of its own, and exit')
    .optionsGroup('Server:')
    .option('--host <address>', 'where to listen', '127.0.0.1')
    .option('--port <n>', 'port to listen on; 0 takes a free one', '8080')
    .option(
      '--api-key-file <file>',
      'keys that clients must send, one a line, plain or `sha256:HEX`',
    )
    .option('--image-engine <url>', 'OpenAI-compatible server that makes images')
    .option('--cors-origin <list>', 'web pages that may ask from a browser; none by default')
    .option('--llama-server <file>', 'engine to use (env MMDEPLOY_LLAMA_SERVER)')
    .option('--engine-log <file>', "where the engine's log goes")
    .option('--cache-dir <dir>', 'where prepared images and sounds are kept')
    .option('--cache-bytes <size>', 'how much of them; 0 keeps none', '2GiB')
    .option('--log <file>', 'one line of JSON a request; `-` is stderr (serve.log)')
    .option('--log-level <level>', 'debug, info, warn, error or silent', 'info')
    .option('--ready-timeout <time>', 'longest silence of a loading engine', '120s')
    .option('--stall-timeout <time>', 'restart an engine that gets nowhere; 0: never', '10m')
    .option('--idle-unload <time>', 'unload the engine when unused for so long; 0: never', '0')
    .option('--drain <time>', 'how long running requests may take at the end', '30s')
    .optionsGroup('Requests:')
    .option('--max-body <size>', 'largest body of a request', '64MiB')
    .option('--queue <n>', 'requests that may wait for a slot; more get 429', '64')
    .option('--queue-timeout <time>', 'how long one may wait; then it gets 504', '10m')
    .option('--request-timeout <time>', 'how long a whole request may take; 0: as it takes', '0')
    .option('--slot-cache <size>', 'prompts with media in memory; a quarter of what is free')
    .option(
      '--image-order <order>',
      '`first` moves media in front of the text: more cache hits',
      'as-sent',
    )
    .option('--max-image-pixels <n>', 'of one picture, by its header', '64000000')
    .option('--max-images <n>', 'pictures of one request', '32')
    .option('--max-pdf-pages <n>', 'pages of one document', '16')
    .option('--max-audio-seconds <time>', 'length of one sound', '1800')
    .option('--max-video-seconds <time>', 'length of one film', '60')
    .option('--allow-remote-media <hosts>', 'hosts that media may be fetched from', repeated)
    .option('--isolate-tenants', 'each key has slots of its own, erased on hand-over');
  addModelOptions(command);
  addSettingOptions(command);
  addMachineOptions(command);
  command.action(action(runServe));
}

async function runServe(shell: Shell, command: Command): Promise<number> {
  const { separated, model, client } = splitArguments(shell, command);
  const options = command.opts<ServeOptions>();
  const { serveRequest } = await import('../requests/serve.ts');
  const wanted = serveRequest(options, model, separated ? client : null);
  const { prepareServe } = await import('../../workflows/serve-model.ts');
  const { serveWorkflow } = await import('../../workflows/serve.ts');
  const { request, tools } = await prepareServe(wanted, shell.context);
  if (options.selftest === true) return runSelftest(shell, request, tools);
  const { exitCode } = await serveWorkflow(request, shell.context, {
    ...tools,
    // The one line that a script waits for; a command behind `--` is told by its environment.
    ...(request.command === null ? { announce: (line) => shell.io.stderr(`${line}\n`) } : {}),
    version: PACKAGE_VERSION,
    force: shell.io.force,
  });
  return exitCode;
}

/** One line a check, as soon as it is known; with `-o json` all of them at the end. */
async function runSelftest(
  shell: Shell,
  request: ServeRequest,
  tools: ServeTools,
): Promise<number> {
  const { selftestWorkflow } = await import('../../workflows/selftest.ts');
  const json = shell.options.output === 'json';
  const done: CheckResult[] = [];
  const say = (result: CheckResult) => {
    done.push(result);
    const { outcome, id, promise, reason } = result;
    const line = `${outcome}  ${id.padEnd(22)} ${promise}${reason === null ? '' : `: ${reason}`}`;
    if (!json) shell.io.stdout(`${line}\n`);
  };
  try {
    await selftestWorkflow(request, shell.context, { ...tools, force: shell.io.force }, say);
  } finally {
    if (json) shell.io.stdout(`${JSON.stringify(done, null, 2)}\n`);
  }
  return 0;
}

/** commander drops the `--`: what stands behind it in argv is the command. */
function splitArguments(
  shell: Shell,
  command: Command,
): { separated: boolean; model: string | undefined; client: string[] } {
  const separator = shell.argv.indexOf('--');
  const client = separator === -1 ? [] : shell.argv.slice(separator + 1);
  const before = command.args.slice(0, command.args.length - client.length);
  if (before.length > 1) {
    throw new MmdeployError(
      'usage.invalid',
      `\`${before[1] ?? ''}\`: one model is served at a time`,
      {
        hints: ['a command to run stands behind `--`: `mmdeploy serve MODEL -- COMMAND`'],
      },
    );
  }
  if (separator !== -1 && client.length === 0) {
    throw new MmdeployError('usage.invalid', 'there is no command behind `--`', {
      hints: ['give one, as in `mmdeploy serve --demo -- npm test`, or leave `--` out'],
    });
  }
  return { separated: separator !== -1, model: before[0], client: [...client] };
}
