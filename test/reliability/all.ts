import { cardMemory } from './card-memory-item.ts';
import { clientsMisbehave, dripped, halfOpen, keys } from './client-items.ts';
import { noDisk } from './disk-item.ts';
import { crashLoop, drains, engineKilled, engineStopped, ports } from './engine-items.ts';
import { lookalikes } from './lookalikes-item.ts';
import { addressesNotFetched, malformedMedia, typedMarkers } from './media-items.ts';

import type { Item } from './report.ts';
import { streamsInARow } from './streams-item.ts';
import { soak } from './soak-item.ts';
import type { World } from './world.ts';

export { markdown } from './report.ts';
export { createWorld } from './create-world.ts';
export { SMALL, WHOLE } from './world.ts';

/** The bar's items by name, in its order. */
export const ITEMS: Readonly<Record<string, (world: World) => Promise<Item>>> = {
  kills: engineKilled,
  'crash-loop': crashLoop,
  drain: drains,
  ports,
  malformed: malformedMedia,
  addresses: addressesNotFetched,
  'half-open': halfOpen,
  drip: dripped,
  clients: clientsMisbehave,
  streams: streamsInARow,
  disk: noDisk,
  stopped: engineStopped,
  memory: cardMemory,
  soak,
  keys,
  lookalikes,
  markers: typedMarkers,
};

/** Items that only wait: they are run beside the others. */
export const WAITING: ReadonlySet<string> = new Set(['drip']);
/** Left out of the small run: tests of their own try these with short limits, or as a part of something else. */
export const WHOLE_ONLY: ReadonlySet<string> = new Set(['drip', 'ports', 'stopped']);
