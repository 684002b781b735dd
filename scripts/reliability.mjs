// `npm run reliability [-- ITEM…]`: the reliability bar of `mmdeploy serve`, whole, against the built program
// from outside: a process that is killed, fed broken files, filled, stopped. Prints each finding; with all
// items run it writes docs/reliability.md. Linux only (it looks at /proc). Needs a llama-server.
import { writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { rolldown } from 'rolldown';
import { createContext } from '../dist/workflows/create-context.js';
import { selectEngine } from '../dist/workflows/engine.js';

const at = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const REPORT = at('docs/reliability.md');

const { values, positionals } = parseArgs({
  options: { small: { type: 'boolean', default: false } },
  allowPositionals: true,
});

/** The drivers are shared with the tests, and so are TypeScript. */
async function loadDrivers() {
  const file = at('node_modules/.cache/mmdeploy-reliability.mjs');
  const bundle = await rolldown({
    input: at('test/reliability/all.ts'),
    platform: 'node',
    external: (id) => !/^[./]/.test(id),
  });
  await bundle.write({ file, format: 'esm' });
  return import(file);
}

const { ITEMS, SMALL, WAITING, WHOLE, WHOLE_ONLY, createWorld, markdown } = await loadDrivers();
const unknown = positionals.find((name) => !(name in ITEMS));
if (unknown !== undefined) {
  throw new Error(`no item \`${unknown}\`: there are ${Object.keys(ITEMS).join(', ')}`);
}
const usual = Object.keys(ITEMS).filter((name) => !values.small || !WHOLE_ONLY.has(name));
const names = positionals.length === 0 ? usual : positionals;

const { engine } = await selectEngine(createContext(), { flag: null, gpus: [] });
const world = createWorld(at(''), engine.path, values.small ? SMALL : WHOLE);
const items = [];
const started = performance.now();
try {
  const running = new Map();
  const start = (name) => {
    if (!running.has(name)) {
      running.set(
        name,
        ITEMS[name](world).catch((error) => failed(name, error)),
      );
    }
    return running.get(name);
  };
  for (const name of names.filter((each) => WAITING.has(each))) void start(name);
  for (const name of names) {
    const begun = performance.now();
    const item = await start(name);
    items.push({ ...item, name });
    console.log(`\n${name}`);
    for (const { what, found, bar, holds } of item.findings) {
      console.log(`  ${holds ? 'holds' : 'DOES NOT HOLD'}  ${what}: ${found}  (bar: ${bar})`);
    }
    if (positionals.length > 0) console.log((item.details ?? []).join('\n'));
    console.log(`  ${((performance.now() - begun) / 1000).toFixed(1)} s`);
  }
} finally {
  world.remove();
}

function failed(name, error) {
  const found = String(error?.message ?? error).split('\n')[0];
  console.error(error);
  return {
    id: name,
    title: name,
    findings: [{ what: name, found, bar: 'it can be run', holds: false }],
  };
}

const minutes = ((performance.now() - started) / 60_000).toFixed(1);
if (positionals.length === 0 && !values.small) {
  writeFileSync(REPORT, markdown(items, head()));
  console.log(`\nwrote docs/reliability.md after ${minutes} minutes`);
}
if (items.some(({ findings }) => findings.some(({ holds }) => !holds))) process.exitCode = 1;

function head() {
  const day = new Date().toISOString().slice(0, 10);
  return [
    '# Reliability of `mmdeploy serve`',
    '',
    `Made by \`npm run reliability\` on ${day} with llama.cpp ${engine.version} (build ${engine.build}) and the demo`,
    `model, ${availableParallelism()} cores, ${process.platform}-${process.arch}, Node ${process.version}: ${minutes} minutes. Each item runs against the built program as a`,
    'process, from outside; the engine is the real one unless the row says otherwise. The figures are what was seen in',
    'this one run. `npm run reliability -- NAME` repeats an item, and `npm test` runs most of them smaller.',
  ];
}
