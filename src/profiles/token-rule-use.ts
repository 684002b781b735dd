import { z } from 'zod';
import { CONFIDENCES } from '../contracts/basis.ts';
import { audioFrames, audioRate } from '../tokens/rules/audio.ts';
import { tokenRules } from '../tokens/rules/index.ts';

const wrapper = z
  .strictObject({
    begin: z.string().describe('string the engine puts before each image or clip; empty: none'),
    end: z.string(),
    tokens: z.int().nonnegative().describe('of both together in the published vocabulary'),
  })
  .describe('with a GGUF file at hand its own vocabulary decides instead of `tokens`');

/** `{rule, params, wrapper, source}` of one rule: editors complete the parameters of just that rule. */
function use<const Id extends string, Params extends z.ZodType>(rule: Id, params: Params) {
  return z.strictObject({
    rule: z.literal(rule),
    params,
    wrapper,
    source: z.string().min(1).describe('where the rule was read or confirmed'),
    since: z.iso.date().optional().describe('first day on which it was seen to hold'),
    confidence: z
      .enum(CONFIDENCES)
      .optional()
      .describe('no better than this, whatever the rule itself knows; `formula` for most'),
  });
}

export const tokenRuleUseSchema = z.discriminatedUnion('rule', [
  use('aligned-block', tokenRules['aligned-block'].params),
  use('anyres', tokenRules.anyres.params),
  use('claude-area', tokenRules['claude-area'].params),
  use('claude-patch', tokenRules['claude-patch'].params),
  use('deepseek-ocr', tokenRules['deepseek-ocr'].params),
  use('dynamic-hd', tokenRules['dynamic-hd'].params),
  use('fixed', tokenRules.fixed.params),
  use('fixed-grid', tokenRules['fixed-grid'].params),
  use('gemini-budget', tokenRules['gemini-budget'].params),
  use('gemini-tiles', tokenRules['gemini-tiles'].params),
  use('idefics', tokenRules.idefics.params),
  use('internvl-aspect', tokenRules['internvl-aspect'].params),
  use('internvl-effective', tokenRules['internvl-effective'].params),
  use('lfm2', tokenRules.lfm2.params),
  use('llava-uhd', tokenRules['llava-uhd'].params),
  use('longest-edge', tokenRules['longest-edge'].params),
  use('measured', tokenRules.measured.params),
  use('minicpm', tokenRules.minicpm.params),
  use('minicpm-cells', tokenRules['minicpm-cells'].params),
  use('nearest-cells', tokenRules['nearest-cells'].params),
  use('openai-patch', tokenRules['openai-patch'].params),
  use('openai-tile', tokenRules['openai-tile'].params),
  use('overlap-crops', tokenRules['overlap-crops'].params),
  use('patch-limit', tokenRules['patch-limit'].params),
  use('pixel-budget', tokenRules['pixel-budget'].params),
  use('scale-steps', tokenRules['scale-steps'].params),
  use('smart-resize', tokenRules['smart-resize'].params),
  use('window-crops', tokenRules['window-crops'].params),
]);

export const audioRuleUseSchema = z.discriminatedUnion('rule', [
  use('audio-frames', audioFrames.params),
  use('audio-rate', audioRate.params),
]);
