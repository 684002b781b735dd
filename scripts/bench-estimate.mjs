// `npm run bench:estimate`: how fast `mmdeploy estimate` goes through files and manifests, and in how much
// memory. Files: 100,000 names of JPEGs of about 100 KiB (hard links to 100 of them, so that all of it stays
// in the page cache), beside a plain loop on one thread that opens each, reads its first 64 KiB and closes
// it. The two run in turn, as whole processes, so that a machine that changes speed slows both.
import { spawnSync } from 'node:child_process';
import { createWriteStream, linkSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { performance } from 'node:perf_hooks';
import { fileURLToPath } from 'node:url';
import sharp from 'sharp';
import { alternate, median, spread } from './bench.mjs';

const FILES = 100_000;
const DISTINCT = 100;
const LINES = 1_000_000;
const RUNS = 3;
const TARGETS = { ratio: 0.3, wanted: 0.6, manifestSeconds: 10, peakMib: 200 };
const bin = fileURLToPath(new URL('../bin/mmdeploy.js', import.meta.url));
const PEAK = `process.on('exit',()=>process._rawDebug('peak-kib '+process.resourceUsage().maxRSS))`;
const PLAIN = `
import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
const head = Buffer.allocUnsafe(65536);
for (const folder of readdirSync('.')) for (const name of readdirSync(folder)) {
  const file = openSync(folder + '/' + name, 'r');
  readSync(file, head, 0, 65536, 0);
  closeSync(file);
}`;

const folder = mkdtempSync(join(tmpdir(), 'mmdeploy-bench-estimate-'));
try {
  const photos = await writePhotos();
  const estimate = ['estimate', '.', '--model', 'gpt-4o', '--quiet'];
  const [plain, ours] = alternate(
    [
      [process.execPath, ['--input-type=module', '-e', PLAIN], { cwd: photos }],
      [process.execPath, [bin, ...estimate], { cwd: photos }],
    ],
    RUNS,
  );
  console.log(`plain open, 64 KiB, close  ${spread(plain)}`);
  console.log(`mmdeploy estimate          ${spread(ours)}`);
  const ratio = median(plain) / median(ours);
  console.log(
    `rate beside the plain loop ${ratio.toFixed(2)}  (target: at least ${TARGETS.ratio}, wanted ${TARGETS.wanted})`,
  );
  report(`${FILES} files`, peakOf([bin, ...estimate], photos));

  const manifest = await writeManifest();
  const counted = [bin, 'estimate', '--manifest', manifest, '--model', 'gpt-4o', '--quiet'];
  const sized = peakOf(counted, folder);
  console.log(
    `\nmanifest of ${LINES} sized items: ${sized.seconds.toFixed(1)} s  (target: under ${TARGETS.manifestSeconds} s)`,
  );
  report(`${LINES} lines`, sized);
} finally {
  rmSync(folder, { recursive: true, force: true });
}

async function writePhotos() {
  const photos = join(folder, 'photos');
  const sources = [];
  for (let index = 0; index < DISTINCT; index++) {
    const noise = { type: 'gaussian', mean: 128, sigma: 40 };
    const size = { width: 400 + 7 * index, height: 300 + 3 * index, channels: 3 };
    const file = join(folder, `source-${index}.jpg`);
    await sharp({ create: { ...size, background: 'black', noise } })
      .jpeg({ quality: 85 })
      .toFile(file);
    sources.push(file);
  }
  for (let index = 0; index < FILES; index++) {
    const part = join(photos, String(Math.floor(index / 1000)));
    if (index % 1000 === 0) mkdirSync(part, { recursive: true });
    linkSync(sources[index % DISTINCT], join(part, `${index}.jpg`));
  }
  return photos;
}

async function writeManifest() {
  const path = join(folder, 'manifest.jsonl');
  const out = createWriteStream(path);
  for (let index = 0; index < LINES; index++) {
    const size = { width: 320 + (index % 1700), height: 240 + ((index * 7) % 1100) };
    if (!out.write(`${JSON.stringify({ id: `photo-${index}`, image: size })}\n`))
      await once(out, 'drain');
  }
  out.end();
  await once(out, 'finish');
  return path;
}

/** Wall time and the most memory that the process ever held. */
function peakOf(args, cwd) {
  const hook = `data:text/javascript,${encodeURIComponent(PEAK)}`;
  const start = performance.now();
  const run = spawnSync(process.execPath, ['--import', hook, ...args], { cwd, encoding: 'utf8' });
  const seconds = (performance.now() - start) / 1000;
  if (run.status !== 0) throw new Error(`${args.join(' ')}: exit ${run.status}: ${run.stderr}`);
  const kib = Number(/peak-kib (\d+)/.exec(run.stderr)?.[1]);
  return { seconds, mib: kib / 1024 };
}

function report(what, { mib }) {
  console.log(
    `peak memory, ${what}: ${mib.toFixed(0)} MiB  (target: under ${TARGETS.peakMib} MiB)`,
  );
}
