import { alignedBlock } from './aligned-block.ts';
import { anyres } from './anyres.ts';
import { claudeArea, claudePatch } from './claude.ts';
import type { TokenRule } from './define.ts';
import { internvlEffective, llavaUhd } from './effective-tiles.ts';
import { dynamicHd } from './dynamic-hd.ts';
import { deepseekOcr } from './deepseek-ocr.ts';
import { fixed, fixedGrid } from './fixed.ts';
import { geminiBudget, geminiTiles } from './gemini.ts';
import { idefics } from './idefics.ts';
import { internvlAspect } from './internvl-aspect.ts';
import { lfm2 } from './lfm2.ts';
import { longestEdge } from './longest-edge.ts';
import { measured } from './measured.ts';
import { minicpm } from './minicpm.ts';
import { nearestCells } from './nearest-cells.ts';
import { openaiPatch } from './openai-patch.ts';
import { minicpmCells } from './minicpm-cells.ts';
import { openaiTile } from './openai-tile.ts';
import { overlapCrops } from './overlap-crops.ts';
import { patchLimit } from './patch-limit.ts';
import { pixelBudget } from './pixel-budget.ts';
import { scaleSteps } from './scale-steps.ts';
import { smartResize } from './smart-resize.ts';
import { windowCrops } from './window-crops.ts';

/** Every way of counting an image that profiles may name. A new rule is one file and one line here. */
export const tokenRules = {
  'aligned-block': alignedBlock,
  anyres,
  'claude-area': claudeArea,
  'claude-patch': claudePatch,
  'deepseek-ocr': deepseekOcr,
  'dynamic-hd': dynamicHd,
  fixed,
  'fixed-grid': fixedGrid,
  'gemini-budget': geminiBudget,
  'gemini-tiles': geminiTiles,
  idefics,
  'internvl-aspect': internvlAspect,
  'internvl-effective': internvlEffective,
  lfm2,
  'llava-uhd': llavaUhd,
  'longest-edge': longestEdge,
  measured,
  minicpm,
  'minicpm-cells': minicpmCells,
  'nearest-cells': nearestCells,
  'openai-patch': openaiPatch,
  'openai-tile': openaiTile,
  'overlap-crops': overlapCrops,
  'patch-limit': patchLimit,
  'pixel-budget': pixelBudget,
  'scale-steps': scaleSteps,
  'smart-resize': smartResize,
  'window-crops': windowCrops,
} satisfies Record<string, TokenRule>;

type TokenRuleId = keyof typeof tokenRules;

/** The rule called `id`, or null. */
export function findTokenRule(id: string): TokenRule | null {
  return Object.hasOwn(tokenRules, id) ? tokenRules[id as TokenRuleId] : null;
}
