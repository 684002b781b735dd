import { Readable } from 'node:stream';
import type { Io } from './io.ts';
import { run } from './program.ts';

/** Commands in the order in which the reference shows them. */
const PAGES: readonly (readonly string[])[] = [
  [],
  ['demo'],
  ['doctor'],
  ['plan'],
  ['estimate'],
  ['serve'],
  ['ask'],
  ['models'],
  ['engine', 'install'],
  ['engine', 'list'],
  ['engine', 'path'],
];
const TOPICS = ['exit-codes', 'environment', 'output'];

/** `docs/cli.md`: the help of every command and topic, as the program prints it in 80 columns. */
export async function cliReference(): Promise<string> {
  const sections = [
    '# Command line',
    '',
    'Made by `npm run docs:cli` from the command definitions.',
  ];
  for (const page of PAGES) {
    const name = ['mmdeploy', ...page].join(' ');
    sections.push(
      '',
      `## ${name}`,
      '',
      '```',
      (await output([...page, '--help'])).trimEnd(),
      '```',
    );
  }
  for (const topic of TOPICS) {
    sections.push('', `## ${topic}`, '', '```', (await output(['help', topic])).trimEnd(), '```');
  }
  return `${sections.join('\n')}\n`;
}

async function output(argv: readonly string[]): Promise<string> {
  let text = '';
  const never = new AbortController().signal;
  const io: Io = {
    stdout: (part) => void (text += part),
    stderr: () => undefined,
    stdoutIsTty: false,
    stderrIsTty: false,
    stdinIsTty: false,
    stdin: () => Readable.from([]),
    columns: 80,
    env: {},
    cwd: '/',
    platform: 'linux',
    now: () => new Date(0),
    signal: never,
    force: never,
  };
  await run(argv, io);
  return text;
}
