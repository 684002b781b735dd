import { expect, onTestFinished, test } from 'vitest';
import { untilFateKnown } from '../../../src/serve/engine-fate.ts';
import type { EngineSource } from '../../../src/serve/seams.ts';
import { deadEngine } from '../../helpers/serve-gateway.ts';

type Mortal = { -readonly [key in keyof EngineSource]: EngineSource[key] };

test.each<[string, (source: Mortal, asked: AbortController) => unknown]>([
  ['the engine is gone', (source) => (source.engine = null)],
  ['another engine is there', (source) => (source.life += 1)],
  ['nobody asks any more', (_, asked) => asked.abort()],
])('waits no longer when %s', async (_, change) => {
  const never = new AbortController();
  onTestFinished(() => never.abort());
  const asked = new AbortController();
  const source: Mortal = deadEngine(true);
  // Begun first: it is the first to end where only the time ends both.
  const unchanged = untilFateKnown(deadEngine(true), 1, never.signal).then(() => 'unchanged');
  const changed = untilFateKnown(source, 1, asked.signal).then(() => 'changed');
  change(source, asked);
  expect(await Promise.race([unchanged, changed])).toBe('changed');
});
