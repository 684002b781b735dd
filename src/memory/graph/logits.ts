import { hyperNumber } from '../../layout/hyper.ts';
import { MissingTensor } from './text-context.ts';
import type { TextContext } from './text-context.ts';
import { elementwise, matrixProduct } from './tensor.ts';
import type { GraphTensor } from './tensor.ts';

/** Last norm and output head; `current` holds the rows whose logits are asked for. */
export function logits(context: TextContext, current: GraphTensor): GraphTensor {
  const { text } = context;
  const weight =
    context.weight('output_norm.weight', text.layers) ??
    context.weight('token_embd_norm.weight', text.layers);
  const bias = context.weight('output_norm.bias', text.layers);
  const op = bias === null ? 'RMS_NORM' : 'NORM';
  const normed = weight === null ? current : context.normBy(weight, bias, current, op);
  const head = context.weight('output.weight', text.layers) ?? context.tied();
  if (head === null) throw new MissingTensor('no output head');
  const product = matrixProduct(head, normed);
  const extra = context.weight('output.bias', text.layers);
  const scores = extra === null ? product : elementwise('ADD', product, extra);
  if ((hyperNumber(text, 'final_logit_softcapping') ?? 0) === 0) return scores;
  return context.scale(elementwise('UNARY', context.scale(scores)));
}
