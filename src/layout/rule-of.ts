import type { EncoderModel, TokenRuleUse } from '../contracts/model.ts';
import type { HeaderView } from './header-view.ts';

export type Rule = Pick<TokenRuleUse, 'rule' | 'params' | 'wrapper'>;
export type RuleOf = (encoder: EncoderModel, header: HeaderView) => Rule | null;
type Wrapper = TokenRuleUse['wrapper'];

/** `img_beg` and `img_end` of a family: one token each in its published vocabulary. */
export const around = (begin: string, end: string): Wrapper => ({
  begin,
  end,
  tokens: (begin === '' ? 0 : 1) + (end === '' ? 0 : 1),
});
export const NO_WRAPPER = around('', '');
export const IMAGE_START = around('<|image_start|>', '<|image_end|>');

export function fixedGrid({ imageSize, patchSize, merge }: EncoderModel, wrapper: Wrapper): Rule {
  return { rule: 'fixed-grid', params: { imageSize, patchSize, merge }, wrapper };
}
