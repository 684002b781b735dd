// `npm run bench:startup`: whole-process time of `mmdeploy --help` beside an empty node script.
// The two run in turn so that a machine that changes speed slows both; the ratio of medians is what counts.
import { fileURLToPath } from 'node:url';
import { alternate, median, spread } from './bench.mjs';

const RUNS = 10;
const bin = fileURLToPath(new URL('../bin/mmdeploy.js', import.meta.url));
const [empty, help] = alternate(
  [
    [process.execPath, ['-e', '0']],
    [process.execPath, [bin, '--help']],
  ],
  RUNS,
);
console.log(`node -e 0        ${spread(empty)}`);
console.log(`mmdeploy --help  ${spread(help)}`);
console.log(`ratio of medians ${(median(help) / median(empty)).toFixed(2)}  (target: at most 1.6)`);
