import { describe, expect, it } from 'vitest';
import { checkRequirements, minimumOf, parseRequirements } from '../../../src/match/require.ts';

const settings = {
  quant: 'Q6_K',
  encoderQuant: 'F16',
  contextPerSlot: 8192,
  slots: 4,
  ctxSize: 32_768,
  kvType: 'f16',
  ubatch: 512,
  gpuLayers: 33,
  imageMaxTokens: null,
};
const model = { id: 'm', name: 'M', family: 'f', modalities: [], engines: [] };
const check = (text: string, verdict: 'fits' | 'tight' | 'offload' | 'no' = 'fits') =>
  checkRequirements(parseRequirements(text), { settings, verdict, model }, 8192);

describe('parseRequirements', () => {
  it.each([
    ['users>=8', { kind: 'users', least: 8 }],
    [' Context >= 8192 ', { kind: 'context', least: 8192 }],
    ['quant>=q4_k_m', { kind: 'quant', least: 'Q4_K_M' }],
    ['verdict>=tight', { kind: 'verdict', least: 'tight' }],
  ])('%s', (text, term) => {
    expect(parseRequirements(text)).toEqual([expect.objectContaining(term)]);
  });

  it.each([
    ['ttft<=2s', 'usage.not-yet'],
    ['users>=8,ttft<=2s', 'usage.not-yet'],
    ['usrs>=8', 'usage.invalid'],
    ['users<=8', 'usage.invalid'],
    ['users>8', 'usage.invalid'],
    ['users>=0', 'usage.invalid'],
    ['users>=-1', 'usage.invalid'],
    ['users>=1.5', 'usage.invalid'],
    ['users>=99999999999', 'usage.invalid'],
    ['quant>=Q4', 'usage.invalid'],
    ['', 'usage.invalid'],
    ['users>=8,', 'usage.invalid'],
  ])('refuses `%s`', (text, code) => {
    expect(() => parseRequirements(text)).toThrow(expect.objectContaining({ code }));
  });
});

describe('minimumOf', () => {
  it('is null where nothing is asked', () => {
    expect(minimumOf([])).toBeNull();
  });

  it('takes the largest of what is asked twice; users are slots', () => {
    const terms = parseRequirements('users>=8,slots>=12,context>=4096,quant>=Q4_K_M,quant>=Q6_K');
    expect(minimumOf(terms)).toEqual({ contextPerSlot: 4096, slots: 12, quant: 'Q6_K' });
  });
});

describe('checkRequirements', () => {
  it.each([
    ['users>=4', true],
    ['users>=5', false],
    ['context>=8192', true],
    ['context>=8193', false],
    ['quant>=Q6_K', true],
    ['quant>=Q4_K_M', true],
    ['quant>=Q8_0', false],
    ['verdict>=fits', true],
  ])('%s: %s', (text, met) => {
    expect(check(text)).toEqual([expect.objectContaining({ term: text, met })]);
  });

  it('ranks the verdicts', () => {
    expect(check('verdict>=tight', 'offload')[0]?.met).toBe(false);
    expect(check('verdict>=offload', 'tight')[0]?.met).toBe(true);
  });

  it('is met by no plan that does not fit', () => {
    expect(check('users>=1', 'no')[0]).toMatchObject({ met: false, because: null });
  });

  it('says what keeps the plan from it', () => {
    expect(check('context>=9000')[0]?.because).toMatch(/trained for 8192/);
    expect(check('slots>=5')[0]?.because).toMatch(/--slots 5/);
  });

  it('cannot judge an API model', () => {
    const plan = { settings: null, verdict: 'api' as const, model };
    expect(() => checkRequirements(parseRequirements('users>=1'), plan, 0)).toThrow(/vendor/);
  });
});
