import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import type { TextModel } from '../../../src/contracts/model.ts';
import { describeProfile } from '../../../src/profiles/describe.ts';
import { loadProfiles } from '../../../src/profiles/load.ts';
import { encoderModel, textModel } from '../../../src/layout/model.ts';
import type { TextDims } from '../../../src/layout/text.ts';
import { MEASURED_ENCODERS } from '../../helpers/measured-encoders.ts';

/**
 * What llama-server reserved was measured on files of these dimensions: a profile of the same name has to
 * lay out the very same tensors, or its plan is not the one that was checked.
 */
const fixture = new URL('../../fixtures/measurements/text-models.yaml', import.meta.url);
const measured = parse(readFileSync(fixture, 'utf8')) as Record<string, { dims: TextDims }>;
const { profiles } = await loadProfiles({ user: null, flag: null });
const find = (id: string) => profiles.find((profile) => profile.id === id);

/** Qwen's vision models have positions in three dimensions by their architecture, key or no key. */
function ownHyper({ arch, hyper }: TextModel) {
  const { 'rope.dimension_sections': sections, ...rest } = hyper;
  return /^qwen\dv/.test(arch) || sections === undefined ? rest : { ...rest, sections };
}

describe.each(Object.entries(measured).filter(([id]) => find(id)?.text !== undefined))(
  'the language model of %s',
  (id, { dims }) => {
    it('has the measured tensors and caches', () => {
      const { text } = describeProfile(find(id)!);
      // LLaVA-1.5 was measured with the vocabulary of the Hub's release; its GGUF files have 64 rows less.
      const vocabulary = id === 'llava-1.5-7b' ? text!.vocabulary : dims.vocabulary;
      const { tensors, kvHeads, keyLength, valueLength, hyper } = textModel(
        { ...dims, vocabulary },
        4096,
      );
      expect(text!.tensors).toEqual(tensors);
      expect({ ...text, tensors: [] }).toMatchObject({ kvHeads, keyLength, valueLength });
      expect(ownHyper(text!)).toMatchObject(ownHyper({ ...text!, hyper }));
    });
  },
);

describe.each(MEASURED_ENCODERS.filter(({ id }) => find(id)?.vision !== undefined))(
  'the encoder of $id',
  ({ id, dims }) => {
    it('has the measured tensors', () => {
      const { encoder } = describeProfile(find(id)!);
      expect(encoder!.tensors).toEqual(encoderModel(dims)!.tensors);
      const { projectorType, heads, patchSize, imageSize, merge } = dims;
      expect(encoder).toMatchObject({ projectorType, heads, patchSize, imageSize, merge });
    });
  },
);
