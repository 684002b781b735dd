import { expect, test } from 'vitest';
import { AtEngine } from '../../../../src/serve/gateway/chat/at-engine.ts';
import { DEFAULT_QUARANTINE, Quarantine } from '../../../../src/serve/quarantine.ts';

const asked = (quarantine: Quarantine, digest: string) => {
  const atEngine = new AtEngine(quarantine, () => [digest]);
  atEngine.admit();
  atEngine.begin();
  return atEngine;
};

test('who was at an engine that died twice is refused, from when its death is known', async () => {
  const quarantine = new Quarantine(DEFAULT_QUARANTINE, () => 0);
  for (let death = 0; death < DEFAULT_QUARANTINE.crashes; death += 1) {
    const lost = asked(quarantine, 'a').lost(true);
    quarantine.crashed();
    expect(await lost).toBe(true);
  }
  expect(() => asked(quarantine, 'a')).toThrow(/the engine died 2 times/);
  expect(() => asked(quarantine, 'b')).not.toThrow();
});

test('who found nobody to connect to is not charged with the death', async () => {
  const quarantine = new Quarantine(DEFAULT_QUARANTINE, () => 0);
  for (let death = 0; death < DEFAULT_QUARANTINE.crashes; death += 1) {
    expect(await asked(quarantine, 'a').lost(false)).toBe(false);
    quarantine.crashed();
  }
  expect(() => asked(quarantine, 'a')).not.toThrow();
});
