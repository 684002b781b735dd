import { describe, expect, it } from 'vitest';
import { unknownFileWarnings } from '../../../src/plan/files.ts';

const unknown = { path: null, source: null, bytes: null, sha256: null };
const published = { ...unknown, source: 'hf:owner/repo/model.gguf' };
const named = { model: 'm-Q8_0.gguf', mmproj: 'm-mmproj-F16.gguf' };

describe('unknownFileWarnings', () => {
  it('says where a file that nobody publishes has to be put', () => {
    expect(unknownFileWarnings({ model: unknown, mmproj: unknown }, named)).toEqual([
      expect.stringMatching(/weights.*\$\{MODELS_DIR\}\/m-Q8_0\.gguf$/),
      expect.stringContaining('projector'),
    ]);
  });

  it('is silent about published files, local files and no projector', () => {
    const local = { ...unknown, path: '/models/m.gguf' };
    expect(unknownFileWarnings({ model: published, mmproj: null }, named)).toEqual([]);
    expect(unknownFileWarnings({ model: local, mmproj: published }, named)).toEqual([]);
  });
});
