// `npm run bench:serve [-- PART…] [-- --json FILE]`: what `mmdeploy serve` is worth beside a bare
// llama-server on this machine, with the demo model and towers that make an encode take seconds. Every figure
// is a ratio of two servers of the same run, or a cost of the gateway; each is printed beside its target.
// Needs a llama-server (`mmdeploy engine install`). With all parts run it writes docs/bench-serve.md.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { format, resolveConfig } from 'prettier';
import { createContext } from '../dist/workflows/create-context.js';
import { enginePath } from '../dist/workflows/engine.js';
import * as coalesce from './serve-bench/coalesce.mjs';
import * as day from './serve-bench/day.mjs';
import { allFigures, beginPart, page } from './serve-bench/figures.mjs';
import * as large from './serve-bench/large.mjs';
import * as many from './serve-bench/many.mjs';
import * as overhead from './serve-bench/overhead.mjs';
import * as text from './serve-bench/text.mjs';

const PAGE = fileURLToPath(new URL('../docs/bench-serve.md', import.meta.url));
const MACHINE = `${availableParallelism()} cores, ${process.platform}-${process.arch}, Node ${process.version}`;
const PARTS = { coalesce, day, text, large, overhead, many };

const { values, positionals } = parseArgs({
  options: {
    json: { type: 'string' },
    // `--node-flags="--cpu-prof --cpu-prof-dir=DIR"`: for the gateway's process.
    'node-flags': { type: 'string', default: '' },
  },
  allowPositionals: true,
});
const unknown = positionals.find((name) => !(name in PARTS));
if (unknown !== undefined) {
  throw new Error(`no part \`${unknown}\`: there are ${Object.keys(PARTS).join(', ')}`);
}
const names = positionals.length === 0 ? Object.keys(PARTS) : positionals;

const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-bench-serve-'));
let files = 0;
const engine = await enginePath(createContext());
const bench = {
  folder,
  engine,
  env: { ...process.env, MMDEPLOY_BENCH_ENGINE: engine },
  nodeFlags: values['node-flags'].split(' ').filter((flag) => flag !== ''),
  file: (name, suffix) => join(folder, `${name}-${++files}.${suffix}`),
};
try {
  console.log(MACHINE);
  for (const name of names) {
    const { title, measure } = PARTS[name];
    console.log(`\n${name}: ${title}`);
    beginPart(title);
    await measure(bench);
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
const missed = allFigures().filter(({ met }) => met === false);
console.log(
  `\n${missed.length === 0 ? 'every target met' : `missed: ${missed.map(({ name }) => name).join(', ')}`}`,
);
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify(allFigures(), null, 2)}\n`);
if (positionals.length === 0) {
  const options = { ...(await resolveConfig(PAGE)), parser: 'markdown' };
  writeFileSync(PAGE, await format(page(MACHINE), options));
}
