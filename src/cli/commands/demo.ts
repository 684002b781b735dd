import { basename } from 'node:path';
import { EXIT_CODES } from '../../errors.ts';
import type { Registrar, Shell } from '../shell.ts';

/** `mmdeploy demo`. */
export function registerDemo({ begin, action }: Registrar): void {
  begin('demo')
    .description(
      'Detects this machine, plans the demo model, estimates a few images, starts a real llama-server,\n' +
        'asks it about images and compares the tokens it bills with the estimate. Installs llama-server\n' +
        'below your data folder where there is none.',
    )
    .action(action(runDemo));
}

async function runDemo(shell: Shell): Promise<number> {
  const { demoWorkflow } = await import('../../workflows/demo.ts');
  const { machineLine } = await import('../../report/plan.ts');
  const { gib } = await import('../../plan/wording.ts');
  const { palette, quiet } = shell.view;
  const table = shell.options.output === 'table';
  const say = table && !quiet ? (text: string) => shell.io.stdout(text) : () => undefined;
  const step = (label: string, text: string) => say(`${palette.bold(label.padEnd(9))} ${text}\n`);
  // Notices may come between the question and the first word of the answer.
  let answering = false;
  const result = await demoWorkflow(
    shell.context,
    {
      machine: ({ machine }) => step('machine', machineLine(machine)),
      model: ({ model, mmproj }, plan) => {
        step('model', `${basename(model)} + ${basename(mmproj)}, generated`);
        const peak = plan.memory.devices.map(({ id, peakBytes }) => `${gib(peakBytes)} on ${id}`);
        step('plan', `${plan.verdict}: ${peak.join(', ')}`);
      },
      estimated: (estimate, images) => {
        estimate.models[0]?.items.forEach((item, index) => {
          const size = `${item.width ?? '?'}x${item.height ?? '?'}`;
          const text = `${String(item.tokens ?? '?').padStart(5)} tokens  ${basename(item.input)}  ${size}  ${images[index]?.trait ?? ''}`;
          step(index === 0 ? 'estimate' : '', text);
        });
      },
      engine: (path, version) => step('engine', `llama-server ${version}  ${path}`),
      serving: (url) => step('serving', url),
      question: (question, images) => {
        step('ask', `${question}  (${images.map((path) => basename(path)).join(', ')})`);
      },
      answer: (text) => {
        if (!answering) say(palette.bold('answer'.padEnd(9)));
        answering = true;
        say(text);
      },
    },
    shell.io.force,
  );
  say('\n');
  const { text, image, total } = result.estimated;
  step('compare', `estimated ${total} prompt tokens (text ${text}, images ${image})`);
  step('', `billed    ${result.billed ?? '?'} prompt tokens: ${palette.good('equal')}`);
  if (!table) await shell.print(result, () => '');
  return EXIT_CODES.ok.code;
}
