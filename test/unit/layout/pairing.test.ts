import { describe, expect, it } from 'vitest';
import { encoderMetadata } from '../../../src/demo/encoder-metadata.ts';
import { textMetadata } from '../../../src/demo/metadata.ts';
import type { TensorInfo } from '../../../src/contracts/model.ts';
import { describeGguf } from '../../../src/layout/describe-gguf.ts';
import type { KnownEncoderDims } from '../../../src/layout/encoder.ts';
import type { HeaderView } from '../../../src/layout/header-view.ts';
import { encoderModel, textModel } from '../../../src/layout/model.ts';
import { missingTensors, requiredEncoderTensors } from '../../../src/layout/missing.ts';
import { pairingProblem } from '../../../src/layout/pairing.ts';
import { imageRuleOf } from '../../../src/layout/token-rule.ts';
import type { TextDims } from '../../../src/layout/text.ts';
import { DEFAULT_TOKEN_SETTINGS } from '../../../src/tokens/settings.ts';
import { findTokenRule } from '../../../src/tokens/rules/index.ts';
import { internvl26b, llava7b, qwen25vl7b } from './dimensions.ts';

/** A header as the reader returns it, from what the writer is given. */
function view(
  path: string,
  metadata: readonly (readonly [string, { readonly value: unknown }])[],
  tensors: readonly TensorInfo[],
): HeaderView {
  const values = new Map(metadata.map(([key, { value }]) => [key, value]));
  return { path, get: (key) => values.get(key), tensors };
}

function textView(dims: TextDims, quant = 'F16'): HeaderView {
  const model = textModel(dims, 4096, quant);
  return view('model.gguf', textMetadata('A model', model), model.tensors);
}

function encoderView(dims: object): HeaderView {
  const model = encoderModel(dims as KnownEncoderDims);
  return view('mmproj.gguf', encoderMetadata('Its projector', model), model.tensors);
}

const without = (header: HeaderView, gone: string | RegExp): HeaderView => ({
  ...header,
  tensors: header.tensors.filter(({ name }) =>
    typeof gone === 'string' ? name !== gone : !gone.test(name),
  ),
});
const withKeys = (header: HeaderView, keys: Readonly<Record<string, unknown>>): HeaderView => ({
  ...header,
  get: (key) => (Object.hasOwn(keys, key) ? keys[key] : header.get(key)),
});

const llava = textView(llava7b.text);
const llavaProjector = encoderView(llava7b.encoder);
const qwen = textView(qwen25vl7b.text);
const qwenProjector = encoderView(qwen25vl7b.encoder);
const internlm = textView(internvl26b.text);
const internvl = encoderView(internvl26b.encoder);

describe('pairingProblem', () => {
  it('has nothing against the real pairs', () => {
    expect(pairingProblem(llava, llavaProjector)).toBeNull();
    expect(pairingProblem(qwen, qwenProjector)).toBeNull();
    expect(pairingProblem(internlm, internvl)).toBeNull();
  });

  it('names a file that is no projector', () => {
    expect(pairingProblem(llava, qwen)).toBe(
      '`model.gguf` is not a projector: its architecture is `qwen2vl`, not `clip`',
    );
    const silent = withKeys(llavaProjector, { 'general.architecture': undefined });
    expect(pairingProblem(llava, silent)).toMatch(/its architecture is not given/);
  });

  it('names a projector given as the model', () => {
    expect(pairingProblem(llavaProjector, llavaProjector)).toBe(
      '`mmproj.gguf` is a projector, not a language model',
    );
  });

  it('names both widths', () => {
    const wide = encoderView({ ...llava7b.encoder, projectionDim: 5120 });
    expect(pairingProblem(llava, wide)).toBe(
      '`mmproj.gguf` projects to a width of 5120, `model.gguf` has a width of 4096: they belong to different models',
    );
  });

  it('goes by the matrices where the key holds CLIP’s own projection, as in older LLaVA files', () => {
    const older = withKeys(llavaProjector, { 'clip.vision.projection_dim': 768 });
    expect(pairingProblem(llava, older)).toBeNull();
  });

  it('keeps families apart although their widths agree', () => {
    const narrow = encoderView({ ...qwen25vl7b.encoder, projectionDim: 4096 });
    expect(pairingProblem(llava, narrow)).toMatch(
      /`qwen2.5vl_merger` projector, which needs a qwen2vl language model; `model.gguf` is `llama`$/,
    );
    const fitting = encoderView({ ...llava7b.encoder, projectionDim: 3584 });
    expect(pairingProblem(qwen, fitting)).toMatch(
      /`qwen2vl`, which expects image positions in time, height and width; the `mlp` projector/,
    );
    const qwen3 = withKeys(narrow, { 'clip.projector_type': 'qwen3vl_merger' });
    expect(pairingProblem(qwen, qwen3)).toMatch(/needs a qwen3vl language model/);
  });

  // Without these llama-server (build 11669) dies by SIGSEGV, exits 1, or answers nonsense with status 200.
  it.each([
    'v.patch_embd.weight',
    'v.position_embd.weight',
    'v.class_embd',
    'v.pre_ln.weight',
    'v.blk.7.attn_q.weight',
    'v.blk.22.ln2.bias',
    'mm.0.weight',
    'mm.2.bias',
  ])('refuses a LLaVA projector without %s', (name) => {
    expect(pairingProblem(llava, without(llavaProjector, name))).toBe(
      `\`mmproj.gguf\` lacks the tensor ${name}`,
    );
  });

  it('names a few of many missing tensors', () => {
    expect(pairingProblem(internlm, without(internvl, /_q_norm/))).toBe(
      '`mmproj.gguf` lacks the tensors v.blk.0.attn_q_norm.weight, v.blk.1.attn_q_norm.weight, ' +
        'v.blk.2.attn_q_norm.weight, v.blk.3.attn_q_norm.weight, v.blk.4.attn_q_norm.weight and 40 more',
    );
  });

  it('does not ask for what published files rightly lack', () => {
    expect(pairingProblem(llava, without(llavaProjector, /^v\.post_ln/))).toBeNull();
    // A SigLIP tower: 576 positions, no class token.
    const siglip = without(llavaProjector, /class_embd|pre_ln/);
    const tensors = siglip.tensors.map((tensor) =>
      tensor.name === 'v.position_embd.weight' ? { ...tensor, shape: [1024, 576] } : tensor,
    );
    expect(pairingProblem(llava, { ...siglip, tensors })).toBeNull();
    expect(pairingProblem(llava, siglip)).toMatch(/lacks the tensors v.class_embd, v.pre_ln/);
  });

  it('takes q, k and v as one matrix', () => {
    const fused = qwenProjector.tensors.flatMap((tensor) => {
      if (/attn_[kv]\./.test(tensor.name)) return [];
      return [{ ...tensor, name: tensor.name.replace('.attn_q.', '.attn_qkv.') }];
    });
    expect(pairingProblem(qwen, { ...qwenProjector, tensors: fused })).toBeNull();
    const gap = fused.filter(({ name }) => name !== 'v.blk.9.attn_qkv.weight');
    expect(pairingProblem(qwen, { ...qwenProjector, tensors: gap })).toMatch(
      /lacks the tensor v.blk.9.attn_qkv.weight/,
    );
  });

  it('lets projectors pass whose layout it does not know', () => {
    const unknown = withKeys(llavaProjector, { 'clip.projector_type': 'yasa2' });
    expect(pairingProblem(llava, without(unknown, 'v.class_embd'))).toBeNull();
  });

  it('says which key a header lacks', () => {
    const broken = withKeys(llavaProjector, { 'clip.vision.block_count': undefined });
    expect(() => pairingProblem(llava, broken)).toThrow(
      expect.objectContaining({
        code: 'gguf.invalid',
        message: '`mmproj.gguf`: `clip.vision.block_count` is missing',
      }),
    );
  });
});

describe('missingTensors', () => {
  it('lists names in the order of what is expected', () => {
    const named = (...names: string[]) => names.map((name) => ({ name }));
    expect(missingTensors(named('a', 'b', 'c', 'd'), named('c', 'x', 'b'))).toEqual(['a', 'd']);
  });

  it('knows nothing about an unknown projector', () => {
    const encoder = encoderModel(llava7b.encoder)!;
    expect(requiredEncoderTensors({ ...encoder, projectorType: 'yasa2' })).toBeNull();
  });
});

describe('describeGguf', () => {
  it('describes what was written', () => {
    const description = describeGguf('my-llava', llava, llavaProjector, imageRuleOf);
    expect(description).toMatchObject({
      id: 'my-llava',
      name: 'A model',
      family: 'llama',
      modalities: ['text', 'image'],
      basis: 'gguf',
      quant: 'F16',
      encoderQuant: 'F16',
    });
    expect(description.text).toEqual(textModel(llava7b.text, 4096));
    expect(description.encoder).toEqual(encoderModel(llava7b.encoder));
    expect(describeGguf('q', qwen, qwenProjector, imageRuleOf).encoder).toEqual({
      ...encoderModel(qwen25vl7b.encoder),
      windowPattern: 8,
    });
    expect(encoderModel(internvl26b.encoder)).toMatchObject(
      describeGguf('i', internlm, internvl, imageRuleOf).encoder!,
    );
  });

  it('does without a projector', () => {
    const description = describeGguf('text', llava, null, imageRuleOf);
    expect(description).toMatchObject({
      modalities: ['text'],
      encoder: null,
      imageTokens: {},
      encoderQuant: null,
    });
  });

  it('believes the tensors when the claimed file type is stale', () => {
    const claims = (type: number, quant: string) =>
      describeGguf(
        'm',
        withKeys(textView(llava7b.text, quant), { 'general.file_type': type }),
        null,
        imageRuleOf,
      ).quant;
    expect(claims(15, 'Q4_K_M')).toBe('Q4_K_M');
    expect(claims(14, 'Q4_K_S')).toBe('Q4_K_S');
    expect(claims(1, 'Q4_K_S')).toBe('Q4_K');
    expect(claims(1, 'Q8_0')).toBe('Q8_0');
    expect(claims(999, 'BF16')).toBe('BF16');
  });

  it('reads per-layer KV heads and keeps them', () => {
    const kv = Array.from({ length: 32 }, (_, layer) => (layer % 4 === 3 ? 8 : 0));
    const hybrid = withKeys(llava, { 'llama.attention.head_count_kv': kv });
    expect(describeGguf('h', hybrid, null, imageRuleOf).text?.kvHeads).toEqual(kv);
  });

  it('fills in what the keys leave out, as llama.cpp does', () => {
    const sparse = withKeys(llava, {
      'llama.attention.head_count_kv': undefined,
      'llama.attention.key_length': undefined,
      'llama.attention.value_length': undefined,
    });
    expect(describeGguf('s', sparse, null, imageRuleOf).text).toMatchObject({
      kvHeads: Array.from({ length: 32 }, () => 32),
      keyLength: 128,
      valueLength: 128,
    });
  });

  it('names the file that has no token embedding', () => {
    expect(() => describeGguf('m', without(llava, 'token_embd.weight'), null, imageRuleOf)).toThrow(
      '`model.gguf` lacks the tensor token_embd.weight',
    );
  });
});

describe('imageRuleOf', () => {
  const tokens = (projector: HeaderView, width: number, height: number) => {
    const use = describeGguf('m', llava, projector, imageRuleOf).imageTokens['llama.cpp'];
    const rule = findTokenRule(use!.rule)!.bind(use!.params);
    return rule.count({ width, height }, DEFAULT_TOKEN_SETTINGS).tokens + use!.wrapper.tokens;
  };

  // What llama.cpp's own preprocessing gives, wrappers included.
  it.each([
    [336, 336, 576, 146, 258],
    [1024, 768, 576, 1001, 1794],
    [1920, 1080, 576, 2693, 3330],
    [2480, 3508, 576, 4030, 3330],
  ])('counts %ix%i as llama.cpp does', (width, height, ofLlava, ofQwen, ofInternvl) => {
    expect(tokens(llavaProjector, width, height)).toBe(ofLlava);
    expect(tokens(qwenProjector, width, height)).toBe(ofQwen);
    expect(tokens(internvl, width, height)).toBe(ofInternvl);
  });

  it('counts the tiles of LLaVA-1.6', () => {
    const pins = [336, 672, 672, 336, 672, 672, 1008, 336, 336, 1008];
    const next = withKeys(llavaProjector, { 'clip.vision.image_grid_pinpoints': pins });
    expect(tokens(next, 640, 480)).toBe(2880);
    expect(tokens(next, 224, 224)).toBe(576);
  });

  it('counts Gemma 3 and Pixtral', () => {
    const gemma = withKeys(llavaProjector, {
      'clip.projector_type': 'gemma3',
      'clip.vision.image_size': 896,
    });
    expect(tokens(gemma, 640, 480)).toBe(258);
    const pixtral = withKeys(llavaProjector, {
      'clip.projector_type': 'pixtral',
      'clip.vision.patch_size': 16,
      'clip.vision.image_size': 1024,
    });
    expect(tokens(pixtral, 336, 336)).toBe(462);
    expect(tokens(pixtral, 1920, 1080)).toBe(1032);
  });

  it('is null for a projector without a rule', () => {
    const unknown = withKeys(llavaProjector, { 'clip.projector_type': 'of_tomorrow' });
    expect(describeGguf('m', llava, unknown, imageRuleOf).imageTokens).toEqual({});
  });
});
