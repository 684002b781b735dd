import type { TokenSettings } from '../tokens/settings.ts';
import type { CountedModel } from './count.ts';
import type { TallyState } from './tally.ts';

const SHOWN_REASONS = 3;

/** What the person should know about one model's entry: inputs left out, settings without effect. */
export function warningsOf(
  model: CountedModel,
  tally: TallyState,
  settings: TokenSettings,
): string[] {
  const name = `${model.id} on ${model.engine}`;
  return [
    ...refusals(tally).map((text) => `${name}: ${text}`),
    ...decoding(model, tally).map((text) => `${name}: ${text}`),
    ...idleSettings(model, settings),
    ...longInputs(model, tally),
  ];
}

function refusals(tally: TallyState): string[] {
  const all = tally.refusals.map(({ value, count }) => `${inputs(count)} not counted: ${value}`);
  const rest = all.length - SHOWN_REASONS;
  return rest > 0
    ? [...all.slice(0, SHOWN_REASONS), `and ${rest} more reasons; see \`--items\``]
    : all;
}

function decoding(model: CountedModel, { needs, turned }: TallyState): string[] {
  return [
    ...needs.map(({ value }) => `WebP needs ${value}`),
    ...(turned > 0 && model.engine === 'llama.cpp'
      ? [
          `${inputs(turned)} with a rotation noted in the file, which it ignores: it sees them on their side`,
        ]
      : []),
  ];
}

function idleSettings(model: CountedModel, settings: TokenSettings): string[] {
  const rule = model.description.imageTokens[model.engine]?.rule;
  if (rule === undefined) return [];
  const limited = settings.imageMinTokens !== null || settings.imageMaxTokens !== null;
  return [
    ...(limited && rule !== 'smart-resize'
      ? [`image token limits change nothing for ${model.id} on ${model.engine} (${rule})`]
      : []),
    ...(settings.detail !== null && !DETAILED.includes(rule)
      ? [`\`--detail\` changes nothing for ${model.id} on ${model.engine} (${rule})`]
      : []),
    ...(settings.mediaResolution !== null && !obeysResolution(model, rule)
      ? [`\`--media-resolution\` changes nothing for ${model.id} on ${model.engine} (${rule})`]
      : []),
  ];
}

/** Rules that `detail` of an OpenAI image part decides. */
const DETAILED = ['openai-patch', 'openai-tile'];

function obeysResolution({ description, engine }: CountedModel, rule: string): boolean {
  if (rule !== 'smart-resize') return rule.startsWith('gemini-');
  return description.imageTokens[engine]?.params.highMaxPixels !== undefined;
}

function longInputs(model: CountedModel, { tooLong }: TallyState): string[] {
  const { text, hosted } = model.description;
  const context = text?.contextMax ?? hosted?.contextTokens ?? null;
  return tooLong === 0
    ? []
    : [`${inputs(tooLong)} longer than the ${context} tokens of context of ${model.id}`];
}

function inputs(count: number): string {
  return count === 1 ? '1 input' : `${count} inputs`;
}
