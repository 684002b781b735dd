import type { TokenSettings } from '../tokens/settings.ts';
import type { CountedInput, CountedModel } from './count.ts';
import { formatNeeds } from './formats.ts';

const SHOWN_REASONS = 3;

/** What the person should know about one model's entry: inputs left out, settings without effect. */
export function warningsOf(
  model: CountedModel,
  counted: readonly CountedInput[],
  settings: TokenSettings,
): string[] {
  const name = `${model.id} on ${model.engine}`;
  return [
    ...refusals(counted).map((text) => `${name}: ${text}`),
    ...decoding(model, counted).map((text) => `${name}: ${text}`),
    ...idleSettings(model, settings),
    ...longInputs(model, counted),
  ];
}

function refusals(counted: readonly CountedInput[]): string[] {
  const reasons = new Map<string, number>();
  for (const { refused, input } of counted) {
    if (refused !== null) reasons.set(refused, (reasons.get(refused) ?? 0) + input.count);
  }
  const all = [...reasons].map(([why, count]) => `${inputs(count)} not counted: ${why}`);
  const rest = all.length - SHOWN_REASONS;
  return rest > 0
    ? [...all.slice(0, SHOWN_REASONS), `and ${rest} more reasons; see \`--items\``]
    : all;
}

function decoding(model: CountedModel, counted: readonly CountedInput[]): string[] {
  const taken = counted.filter(({ refused }) => refused === null);
  const needs = new Set(taken.map(({ input }) => formatNeeds(model.engine, input.format)));
  const turned = taken.filter(({ input }) => input.turned).length;
  return [
    ...[...needs].filter((need) => need !== null).map((need) => `WebP needs ${need}`),
    ...(turned > 0 && model.engine === 'llama.cpp'
      ? [`${inputs(turned)} with an EXIF rotation, which it ignores: it sees them on their side`]
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

function longInputs(model: CountedModel, counted: readonly CountedInput[]): string[] {
  const { text, hosted } = model.description;
  const context = text?.contextMax ?? hosted?.contextTokens ?? null;
  if (context === null) return [];
  const long = counted.filter(({ item }) => (item.tokens ?? 0) > context);
  return long.length === 0
    ? []
    : [`${inputs(long.length)} longer than the ${context} tokens of context of ${model.id}`];
}

function inputs(count: number): string {
  return count === 1 ? '1 input' : `${count} inputs`;
}
