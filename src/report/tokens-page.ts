import type { EngineName } from '../contracts/basis.ts';
import type { TokenRuleUse } from '../contracts/model.ts';

/** How models of one family are counted by one engine. */
export type TokensRow = {
  readonly family: string;
  readonly models: readonly string[];
  readonly engine: EngineName;
  readonly what: 'image' | 'sound';
  readonly use: TokenRuleUse;
  /** Last day on which it held; null for today's rules. */
  readonly until: string | null;
  readonly status: string;
};

/** A projector that is counted by the keys of its file. */
export type ProjectorRow = {
  readonly projector: string;
  readonly what: 'image' | 'sound';
  readonly rule: string;
  readonly wrapper: TokenRuleUse['wrapper'];
  readonly status: string;
};

const MOST_NAMED = 4;

/** `docs/tokens.md`; `npm run docs:tokens` writes it. */
export function tokensPage(
  rows: readonly TokensRow[],
  projectors: readonly ProjectorRow[],
  verified: { readonly build: number; readonly date: string },
): string {
  return [
    '# How tokens are counted',
    '',
    'Made by `npm run docs:tokens` from the rules and the profiles.',
    '',
    'Engines count the same picture differently, so a rule belongs to a model and an engine. Each row names the',
    'rule (a file of `src/tokens/rules/`, whose doc comment cites the code or the page that it mirrors), its',
    'parameters, what the engine puts around each input, and where the numbers were read. Its status is',
    '',
    `- \`exact\`: equal to llama-server build ${verified.build} for every size and length that was asked`,
    `  (${verified.date}): \`test/process/exactness-*.test.ts\` draws them, and asks again whenever the tests run;`,
    '- `formula`: the published formula or the engine’s code, reproduced with its own examples;',
    '- `range`: the vendor’s documents disagree, or the count depends on what surrounds the input;',
    '- `believed`: read at second hand.',
    '',
    'What no rule is known for is `unknown`, never 0. `mmdeploy estimate --exact auto` asks llama.cpp itself.',
    '',
    ...section('Images under llama.cpp', rows, 'llama.cpp', 'image'),
    ...section('Images under vLLM', rows, 'vllm', 'image'),
    ...section('Images at their vendors', rows, 'api', 'image'),
    ...section('Sound under llama.cpp', rows, 'llama.cpp', 'sound'),
    ...section('Sound under vLLM', rows, 'vllm', 'sound'),
    ...section('Sound at its vendors', rows, 'api', 'sound'),
    '## GGUF pairs without a profile',
    '',
    'A model given as a file is counted by the `clip.*` keys of its projector, whoever made it:',
    '',
    line(['Projector', 'What', 'Rule', 'Around it', 'Status']),
    line(['---', '---', '---', '---', '---']),
    ...projectors.map(({ projector, what, rule, wrapper, status }) =>
      line([code(projector), what, code(rule), around(wrapper), status]),
    ),
    '',
    '## Film',
    '',
    'llama.cpp takes frames of a film (`--video-fps`, 4 a second by default) and counts each as an image, with',
    'a text every 5 s; Qwen joins two frames that follow each other. Only builds with ffmpeg beside them do it.',
    'Status `exact` where a GGUF file gives the vocabulary of the texts: `test/process/exactness-films.test.ts`',
    'compares films of MP4, MKV, WebM, AVI and MPEG-TS; of one whose frames are not evenly spaced the count may be',
    'a frame off. The engine takes no note of a rotation.',
    'Vendors charge by the second, as the profiles say.',
    '',
  ].join('\n');
}

function section(
  title: string,
  rows: readonly TokensRow[],
  engine: EngineName,
  what: TokensRow['what'],
): string[] {
  const own = rows.filter((row) => row.engine === engine && row.what === what);
  if (own.length === 0) return [];
  return [
    `## ${title}`,
    '',
    line(['Family', 'Models', 'Rule', 'Parameters', 'Around it', 'Source', 'Status']),
    line(['---', '---', '---', '---', '---', '---', '---']),
    ...own.map(({ family, models, use, until, status }) =>
      line([
        family,
        named(models),
        code(use.rule) + (until === null ? '' : ` until ${until}`),
        parameters(use.params),
        around(use.wrapper),
        use.source,
        status,
      ]),
    ),
    '',
  ];
}

function named(models: readonly string[]): string {
  const more = models.length - MOST_NAMED;
  const shown = models.slice(0, MOST_NAMED).join(', ');
  return more > 0 ? `${shown} and ${more} more` : shown;
}

function parameters(params: TokenRuleUse['params']): string {
  const parts = Object.entries(params).map(([name, value]) => `${name} ${shown(value)}`);
  return parts.length === 0 ? '-' : parts.join(', ');
}

function shown(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(shown).join(' ')}]`;
  if (typeof value !== 'object' || value === null) return String(value);
  const { columns, rows, width, height, tokens } = value as Readonly<Record<string, unknown>>;
  if (typeof columns === 'number' && typeof rows === 'number') return `${columns}x${rows}`;
  if (typeof width === 'number') return `${width}x${String(height)}=${String(tokens)}`;
  return `{${Object.entries(value)
    .map(([name, entry]) => `${name} ${shown(entry)}`)
    .join(', ')}}`;
}

function around({ begin, end, tokens }: TokenRuleUse['wrapper']): string {
  if (tokens === 0) return '-';
  const marks = [begin, end]
    .filter((mark) => mark !== '')
    .map((mark) => code(mark.replace('\n', '\\n')));
  return marks.length === 0 ? `${tokens}` : `${marks.join(' ')} (${tokens})`;
}

/** A bar would end the cell, within back-ticks too. */
function code(text: string): string {
  return `\`${text.replaceAll('|', '\\|')}\``;
}

function line(cells: readonly string[]): string {
  return `| ${cells.join(' | ')} |`;
}
