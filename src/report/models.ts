import type { Profile } from '../profiles/layers.ts';
import type { Palette } from './palette.ts';
import { textTable } from './text-table.ts';

/** One row a profile. */
export function modelsText(profiles: readonly Profile[], boxes: number | false): string {
  return textTable(
    {
      head: ['id', 'name', 'takes', 'engines', 'dimensions'],
      rows: profiles.map((profile) => [
        profile.id,
        profile.name,
        profile.modalities.join(', '),
        profile.engines.join(', '),
        profile.text === undefined ? '-' : profile.confidence,
      ]),
    },
    boxes,
  );
}

/** What a profile says, with the sources it rests on. */
export function modelText(profile: Profile, palette: Palette): string {
  const lines = [
    `${palette.bold(profile.name)} (${profile.id})`,
    row('family', profile.familyTitle),
    row('aliases', profile.aliases.join(', ') || '-'),
    row('takes', profile.modalities.join(', ')),
    row('engines', profile.engines.join(', ')),
    row('weights', profile.repository ?? 'at the vendor'),
    row('files', profile.files?.repository ?? '-'),
    row('licence', profile.licence),
    row('dimensions', profile.text === undefined ? '-' : profile.confidence),
  ];
  if (profile.text !== undefined) {
    const { arch, layers, embedding, heads, kvHeads, vocabulary, context } = profile.text;
    const kv = typeof kvHeads === 'number' ? kvHeads : [...new Set(kvHeads)].join('/');
    lines.push(
      row('text', `${arch}, ${layers} layers x ${embedding}, ${heads} heads, ${kv} KV heads`),
      row('', `${vocabulary} tokens of vocabulary, ${context} of context`),
    );
  }
  if (profile.vision !== undefined) {
    const { tower, layers, embedding, imageSize, patchSize, projector } = profile.vision;
    lines.push(
      row(
        'vision',
        `${tower}, ${layers} layers x ${embedding}, ${imageSize} px / ${patchSize}, ${projector}`,
      ),
    );
  }
  if (profile.notes !== undefined) lines.push(row('notes', profile.notes));
  for (const caveat of profile.caveats) lines.push(row('caveat', caveat));
  lines.push(...profile.sources.map((source, index) => row(index === 0 ? 'sources' : '', source)));
  return lines.join('\n');
}

function row(label: string, text: string): string {
  return `  ${label.padEnd(11)} ${text}`;
}
