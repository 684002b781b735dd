import { anyres } from './anyres.ts';
import type { TokenRule } from './define.ts';
import { internvlEffective, llavaUhd } from './effective-tiles.ts';
import { fixed, fixedGrid } from './fixed.ts';
import { internvlAspect } from './internvl-aspect.ts';
import { openaiTile } from './openai-tile.ts';
import { smartResize } from './smart-resize.ts';

/** Every way of counting an image that profiles may name. A new rule is one file and one line here. */
export const tokenRules = {
  anyres,
  fixed,
  'fixed-grid': fixedGrid,
  'internvl-aspect': internvlAspect,
  'internvl-effective': internvlEffective,
  'llava-uhd': llavaUhd,
  'openai-tile': openaiTile,
  'smart-resize': smartResize,
} satisfies Record<string, TokenRule>;

type TokenRuleId = keyof typeof tokenRules;

/** The rule called `id`, or null. */
export function findTokenRule(id: string): TokenRule | null {
  return Object.hasOwn(tokenRules, id) ? tokenRules[id as TokenRuleId] : null;
}
