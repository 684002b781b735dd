import { encoderFromGguf } from './describe-encoder.ts';
import { textFromGguf } from './describe-gguf.ts';
import { architecture } from './header-view.ts';
import type { HeaderView } from './header-view.ts';
import { missingTensors, requiredEncoderTensors } from './missing.ts';

/** Projectors that place image tokens in time, height and width, and the language models made for them. */
const MROPE_FAMILIES: readonly (readonly [projector: RegExp, archs: RegExp, title: string])[] = [
  [/^qwen2(\.5)?(vl_merger|o)$/, /^qwen2vl$/, 'qwen2vl'],
  [/^qwen3vl_merger$/, /^qwen3(vl|5)/, 'qwen3vl'],
];
/** Projectors that count image tokens one after the other like text. */
const PLAIN_PROJECTORS = /^(mlp|mlp_norm|ldp|ldpv2|internvl|gemma3|pixtral|idefics3|llama4)$/;

const MOST_NAMED = 5;

/**
 * Why these two files cannot be served together, as a sentence; null when nothing speaks against it.
 * llama-server itself refuses only another width: a projector of another family answers nonsense with
 * status 200, and one that lacks a tensor may kill the server without a message.
 * Throws `gguf.invalid` where a header lacks a key.
 */
export function pairingProblem(model: HeaderView, mmproj: HeaderView): string | null {
  if (architecture(mmproj) !== 'clip') {
    return `\`${mmproj.path}\` is not a projector: its architecture is ${quoted(mmproj)}, not \`clip\``;
  }
  if (architecture(model) === 'clip') {
    return `\`${model.path}\` is a projector, not a language model`;
  }
  return familyProblem(model, mmproj) ?? missingProblem(mmproj) ?? widthProblem(model, mmproj);
}

function quoted(header: HeaderView): string {
  const arch = architecture(header);
  return arch === '' ? 'not given' : `\`${arch}\``;
}

function familyProblem(model: HeaderView, mmproj: HeaderView): string | null {
  const arch = architecture(model);
  const { projectorType } = encoderFromGguf(mmproj);
  const family = MROPE_FAMILIES.find(([projector]) => projector.test(projectorType));
  if (family !== undefined && !family[1].test(arch)) {
    return (
      `\`${mmproj.path}\` has a \`${projectorType}\` projector, which needs a ${family[2]} language model; ` +
      `\`${model.path}\` is \`${arch}\``
    );
  }
  const placesInThree = model.get(`${arch}.rope.dimension_sections`) !== undefined;
  if (placesInThree && PLAIN_PROJECTORS.test(projectorType)) {
    return (
      `\`${model.path}\` is \`${arch}\`, which expects image positions in time, height and width; ` +
      `the \`${projectorType}\` projector \`${mmproj.path}\` gives none`
    );
  }
  return null;
}

function widthProblem(model: HeaderView, mmproj: HeaderView): string | null {
  const { embedding } = textFromGguf(model);
  const { projectionDim } = encoderFromGguf(mmproj);
  if (projectionDim === embedding) return null;
  return (
    `\`${mmproj.path}\` projects to a width of ${projectionDim}, ` +
    `\`${model.path}\` has a width of ${embedding}: they belong to different models`
  );
}

function missingProblem(mmproj: HeaderView): string | null {
  const encoder = encoderFromGguf(mmproj);
  const required = requiredEncoderTensors(encoder);
  if (required === null) return null;
  const missing = missingTensors(required, encoder.tensors);
  if (missing.length === 0) return null;
  const named = missing.slice(0, MOST_NAMED).join(', ');
  const more = missing.length > MOST_NAMED ? ` and ${missing.length - MOST_NAMED} more` : '';
  return `\`${mmproj.path}\` lacks ${missing.length === 1 ? 'the tensor' : 'the tensors'} ${named}${more}`;
}
