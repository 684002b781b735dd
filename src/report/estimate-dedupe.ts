import type { Estimate } from '../contracts/estimate.ts';
import { whole } from './money.ts';

/** What sending or encoding each content once would save, a line each; none where it was not looked for. */
export function dedupeLines({ dedupe, models }: Estimate): string[] {
  if (dedupe === null) return [];
  const { media, distinct, duplicates, untold } = dedupe;
  const more =
    untold === 0 ? '' : `; ${whole(untold)} were not told apart, so that there may be more`;
  const first = `${whole(duplicates)} of ${whole(media)} media came before (${whole(distinct)} distinct${more})`;
  if (duplicates === 0) return [first];
  return [
    first,
    ...models.flatMap(({ id, engine }, at) => {
      const saved = dedupe.saved[at];
      if (saved === undefined || saved.encodes === 0) return [];
      const tokens = `${whole(saved.tokens)} tokens`;
      return engine === 'api'
        ? [`${id} on api: sent once each, they would save ${tokens}`]
        : [
            `${id} on ${engine}: an image cache would save ${tokens} of prefill and ` +
              `${whole(saved.encodes)} encodes`,
          ];
    }),
  ];
}
