import { loadGpuPrices } from '../profiles/load.ts';
import { modelsVramPage } from '../report/models-vram.ts';
import { modelsVramWorkflow } from './models.ts';

const BUILT_IN = { user: null, flag: null } as const;

/** `docs/models.md`, from the built-in profiles alone: the same on every machine and every day. */
export async function modelsPage(): Promise<string> {
  const prices = await loadGpuPrices(BUILT_IN);
  const days = prices.map(({ asOf }) => asOf).sort();
  const span = `${days[0] ?? '-'} to ${days.at(-1) ?? '-'}`;
  // Ages of prices are not shown, so any day will do.
  const table = await modelsVramWorkflow(BUILT_IN, null, new Date(0));
  return modelsVramPage(table, span);
}
