import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { countTexts } from '../../src/estimate/llama-tokenize.ts';
import { readGgufHeader } from '../../src/gguf/read-file.ts';
import { runCommand } from '../../src/process/run.ts';
import { separatorsOf } from '../../src/tokens/text/separators.ts';
import { tokenLists } from '../../src/tokens/text/token-lists.ts';
import { llamaTokenize } from '../helpers/llama.ts';
import { bytePairModel } from '../helpers/merge-model.ts';
import { randomTexts } from '../helpers/random-texts.ts';
import { rareModel } from '../helpers/rare-vocabulary.ts';

const server = inject('llamaServer');
const SPECIAL = { addSpecial: false, parseSpecial: true };
const FILES = {
  t5: () => rareModel('t5'),
  bert: () => rareModel('bert'),
  // A cut that the engine knows and we do not.
  chameleon: () => bytePairModel('chameleon', null),
};

describe.skipIf(server === null).each(['t5', 'bert', 'chameleon'] as const)(
  'texts of a %s vocabulary that the engine counts together',
  (kind) => {
    const engine = server ?? '';
    let folder = '';
    let model = '';
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), 'mmdeploy-engine-text-'));
      model = join(folder, `${kind}.gguf`);
      writeFileSync(model, FILES[kind]());
    });
    afterAll(() => {
      rmSync(folder, { recursive: true });
    });

    function tool(processes: string[] = []) {
      const separators = separatorsOf(tokenLists(readGgufHeader(model).metadata));
      expect(separators.length).toBeGreaterThan(1);
      const path = join(dirname(engine), 'llama-tokenize');
      const run: typeof runCommand = (file, args, options) => {
        processes.push(options.input ?? '');
        return runCommand(file, args, options);
      };
      const signal = new AbortController().signal;
      return { ...{ path, model, separators, run, signal }, env: process.env };
    }

    it('have the tokens that each has by itself', async () => {
      const names = tool().separators.map(({ text }) => text);
      const [first = '', second = ''] = names;
      const texts = [
        ...[' ', '\n', '  the image ', 'image\n\n', '▁the', 'x'.repeat(3000), '🦙'.repeat(200)],
        // Parts of what parts them, at either end and within.
        ...[first.slice(1), first.slice(0, -1), `a${first.slice(0, 3)}`, `${first.slice(-3)}b`],
        ...[`the ${first} image`, `${first}${second}`, names.join(' and ')],
        ...randomTexts(110),
      ];
      const processes: string[] = [];
      const together = await countTexts(tool(processes), texts);
      // One for most, one for those that hold the first separator, one for the text that holds all.
      expect(processes.length).toBeLessThan(8);
      for (const [at, text] of texts.entries()) {
        const alone = await llamaTokenize(engine, model, text, SPECIAL);
        expect(together[at], JSON.stringify(text)).toBe(alone.length);
      }
      expect(new Set(together).size).toBeGreaterThan(10);
    }, 60_000);

    it('are given to as many processes as one can take', async () => {
      const processes: string[] = [];
      const texts = Array.from({ length: 3000 }, (_, at) => `the image ${at}`);
      const counts = await countTexts(tool(processes), texts);
      expect(processes).toHaveLength(2);
      expect(counts[2999]).toBe((await countTexts(tool(), ['the image 2999']))[0]);
    });
  },
);
