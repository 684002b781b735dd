// `npm run bench:plan`: wall time of `mmdeploy plan FILE` beside `llama-fit-params` on the same file.
// The file is a sparse stand-in for a 7B model with a vocabulary of 152,064: nearly all of a header is
// vocabulary, so reading it is what both have to do. The two run in turn so that a machine that changes
// speed slows both; the ratio of medians is what counts. Then a survey of all profiles, which has nothing to
// be compared with: its wall time on cards of three sizes.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { writeSparsePair } from '../dist/demo/sparse-pair.js';
import { describeProfile } from '../dist/profiles/describe.js';
import { findModel } from '../dist/profiles/layers.js';
import { loadProfiles } from '../dist/profiles/load.js';
import { createContext } from '../dist/workflows/create-context.js';
import { enginePath } from '../dist/workflows/engine.js';
import { alternate, median, spread } from './bench.mjs';

const RUNS = 15;
const TARGET = 1.2;
const SURVEY_RUNS = 5;
const SURVEY_TARGET_MS = 1000;
const MACHINES = ['none', '8GiB', 'RTX 4090'];
const bin = fileURLToPath(new URL('../bin/mmdeploy.js', import.meta.url));
const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-bench-plan-'));
try {
  const { profiles } = await loadProfiles({ user: null, flag: null });
  const description = describeProfile(findModel(profiles, 'qwen2.5-vl-7b'), { quant: 'Q4_K_M' });
  const { model } = await writeSparsePair(description, folder);
  const fitParams = join(dirname(await enginePath(createContext())), 'llama-fit-params');
  const [plan, fit] = alternate(
    [
      [process.execPath, [bin, 'plan', model, '--context', '4096', '-o', 'json']],
      [fitParams, ['-m', model, '-c', '4096', '-fitp', 'on']],
    ],
    RUNS,
  );
  console.log(`llama-fit-params    ${spread(fit)}`);
  console.log(`mmdeploy plan FILE  ${spread(plan)}`);
  const ratio = median(plan) / median(fit);
  console.log(`ratio of medians    ${ratio.toFixed(2)}  (target: at most ${TARGET})`);
  const surveys = MACHINES.map((gpu) => [
    process.execPath,
    [bin, 'plan', '--gpu', gpu, '-o', 'json'],
  ]);
  console.log(`\nsurvey of ${profiles.length} profiles (target: under ${SURVEY_TARGET_MS} ms)`);
  for (const [index, times] of alternate(surveys, SURVEY_RUNS).entries()) {
    console.log(`--gpu ${MACHINES[index].padEnd(13)} ${spread(times)}`);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
