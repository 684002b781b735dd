import { expect, it } from 'vitest';
import {
  parseAudioDescription,
  parseImageDescription,
  textInput,
} from '../../../src/estimate/describe-input.ts';
import { MOST_ASKED, exactSample } from '../../../src/estimate/exact-sample.ts';

it('keeps one of each shape with the number of all, and says what is left', () => {
  const sample = exactSample();
  for (let side = 1; side <= MOST_ASKED + 5; side++) {
    sample.add(parseImageDescription(`${side}x100*2`));
  }
  sample.add(parseImageDescription('1x100*10'));
  sample.add(parseAudioDescription('30s*3'));
  sample.add(textInput('--text', 'hello'));
  expect(sample.shapes()).toHaveLength(MOST_ASKED);
  expect(sample.shapes()[0]).toMatchObject({ input: { width: 1, height: 100 }, count: 12 });
  expect(sample.left()).toEqual({ shapes: 13, texts: 1 });
});

it('tells pictures apart that only differ in format or in which way is up', () => {
  const sample = exactSample();
  const picture = parseImageDescription('640x480');
  sample.add(picture);
  sample.add({ ...picture, format: 'jpg' });
  sample.add({ ...picture, format: 'jpg', turned: true });
  sample.add({ ...picture, input: 'again', format: 'jpg', turned: true });
  expect(sample.shapes().map(({ count }) => count)).toEqual([1, 1, 2]);
});
