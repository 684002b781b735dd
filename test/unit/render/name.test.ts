import fc from 'fast-check';
import { expect, it } from 'vitest';
import { labelOf } from '../../../src/render/parts/name.ts';

it.each([
  ['qwen2.5-vl-7b', 'qwen2-5-vl-7b'],
  ['Modèle à moi (v2).gguf', 'mode-le-a-moi-v2-gguf'],
  ['../../etc/passwd', 'etc-passwd'],
  ['7b', 'model-7b'],
  ['模型', 'model'],
  [`${'a'.repeat(39)}-b`, 'a'.repeat(39)],
])('%j as a name of services and units is %s', (text, label) => {
  expect(labelOf(text)).toBe(label);
});

it('makes a DNS label of any text, short enough for what is appended to it', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), (text) => {
      // RFC 1035; 63 characters are the most, and a Deployment's pods take 17 of them.
      expect(labelOf(text)).toMatch(/^[a-z]([a-z0-9-]{0,44}[a-z0-9])?$/);
    }),
  );
});
