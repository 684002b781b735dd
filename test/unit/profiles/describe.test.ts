import { describe, expect, it } from 'vitest';
import { DEMO_VOCABULARY } from '../../../src/demo/tokenizer.ts';
import { defaultEngine, describeProfile } from '../../../src/profiles/describe.ts';
import { findModel } from '../../../src/profiles/layers.ts';
import { loadProfiles } from '../../../src/profiles/load.ts';

const { profiles } = await loadProfiles({ user: null, flag: null });
const describeModel = (id: string) => describeProfile(findModel(profiles, id));
const parameters = (tensors: readonly { shape: readonly number[] }[]) =>
  tensors.reduce((total, { shape }) => total + shape.reduce((a, b) => a * b, 1), 0);

describe('describeProfile', () => {
  const published = profiles.filter(({ publishedParameters }) => publishedParameters !== undefined);
  it.each(published)('lays out $publishedParameters parameters of $id', (profile) => {
    const { text, encoder } = describeProfile(profile);
    const total = parameters(text!.tensors) + parameters(encoder?.tensors ?? []);
    expect(total).toBe(profile.publishedParameters);
  });

  it('has the published totals that were read off the Hub', () => {
    expect(findModel(profiles, 'qwen2.5-vl-7b').publishedParameters).toBe(8_292_166_656);
    expect(findModel(profiles, 'internvl2-26b').publishedParameters).toBe(25_514_186_112);
  });

  it('keeps 23 of the 24 CLIP blocks of LLaVA-1.5, as its projector file does', () => {
    const { encoder, text } = describeModel('llava-1.5-7b');
    expect(encoder?.layers).toBe(23);
    expect(parameters(encoder!.tensors)).toBe(311_890_944);
    expect(parameters(text!.tensors)).toBe(6_738_415_616);
  });

  it('weighs a tower without a known layout by its parameter count', () => {
    const { encoder, text } = describeModel('qwen-vl-chat');
    expect(parameters(encoder!.tensors)).toBe(1_934_562_048);
    expect(parameters(text!.tensors)).toBe(7_721_324_544);
  });

  it('describes the demo model as it is generated', () => {
    expect(describeModel('demo').text?.vocabulary).toBe(DEMO_VOCABULARY.length);
  });

  it('knows no tensors of an API model', () => {
    expect(describeModel('gpt-4o')).toMatchObject({ text: null, encoder: null, basis: 'profile' });
  });

  it('takes the first engine where a profile names no default', () => {
    expect(defaultEngine(findModel(profiles, 'internvl2-26b'))).toBe('llama.cpp');
    expect(defaultEngine(findModel(profiles, 'qwen-vl-chat'))).toBe('vllm');
  });
});

describe('findModel', () => {
  it('finds by alias and in any case', () => {
    expect(findModel(profiles, 'GPT-4V').id).toBe('gpt-4-vision-preview');
    expect(findModel(profiles, ' LLaVA-1.5-7B ').id).toBe('llava-1.5-7b');
  });

  it('offers the nearest names for a typo', () => {
    expect(() => findModel(profiles, 'llava-1.5-8b')).toThrow(
      expect.objectContaining({
        code: 'usage.unknown-model',
        hints: [
          expect.stringContaining('`llava-1.5-7b`'),
          expect.stringContaining('mmdeploy models'),
        ],
      }),
    );
  });
});
