import type { Recommendation, RecommendedCards } from '../contracts/recommend.ts';
import { counted, gib } from '../plan/wording.ts';
import type { View } from './palette.ts';
import { textTable } from './text-table.ts';

/** For each quant the smallest cards that hold the workload, and the cheapest to rent, with its date. */
export function recommendText(found: Recommendation, view: View): string {
  const table = textTable(
    {
      head: ['quant', 'smallest', 'needs', 'cheapest to rent', 'USD/h', 'provider', 'price of'],
      align: ['left', 'left', 'right', 'left', 'right', 'left', 'left'],
      rows: found.rows.map(({ quant, smallest, cheapest }) => [
        quant,
        smallest?.gpu ?? `more than ${MOST_CARDS} cards`,
        smallest === null ? '-' : needs(smallest),
        cheapest?.gpu ?? '-',
        cheapest?.price?.usdPerHour.toFixed(2) ?? '-',
        cheapest?.price === null || cheapest === null ? '-' : provider(cheapest.price),
        cheapest?.price === null || cheapest === null ? '-' : age(cheapest.price),
      ]),
    },
    view.boxes,
  );
  if (view.quiet) return table;
  const holds = `${found.contextPerSlot} tokens of context, ${counted(found.slots, 'slot')}, ${found.engine}`;
  return [
    `${view.palette.bold('Model'.padEnd(9))} ${found.model.name} (${found.model.id})`,
    `${view.palette.bold('Holds'.padEnd(9))} ${holds}, with room to spare on every card`,
    '',
    table,
    ...(found.warnings.length > 0 ? [''] : []),
    ...found.warnings.map((warning) => view.palette.warn(`warning: ${warning}`)),
    '',
    `next: \`mmdeploy plan ${found.model.id} --gpu "${found.rows.at(-1)?.smallest?.gpu ?? '24GiB'}"\``,
  ].join('\n');
}

const MOST_CARDS = 8;

function needs({ peakBytes, capacityBytes, count }: RecommendedCards): string {
  const each = count > 1 ? ' each' : '';
  return `${gib(peakBytes)} of ${gib(capacityBytes)}${each}`;
}

type Price = NonNullable<RecommendedCards['price']>;

function provider({ provider: name, tier }: Price): string {
  return tier === 'on-demand' ? name : `${name} (${tier})`;
}

function age({ asOf, ageDays }: Price): string {
  return `${asOf} (${ageDays} days)`;
}
