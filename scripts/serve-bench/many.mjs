// Ten thousand distinct images through one gateway: what stays in memory. The engine is the trivial
// upstream, so that it takes a minute and no encoder's memory is in the figure. The cache is small enough
// to be full after the warm-up, and the heap to be collected several times within the run: V8 lets
// garbage lie while its limit is far, and 10,000 images leave too little of it to come near the usual one.
import { readFileSync } from 'node:fs';
import { blast, rawRequest } from './blast.mjs';
import { aboutImage } from './chat.mjs';
import { fact, figure } from './figures.mjs';
import { imagePart, tinyPng } from './pictures.mjs';
import { UPSTREAM } from './overhead.mjs';
import { planDemo, startGateway } from './servers.mjs';

export const title = '10,000 distinct images';

const IMAGES = 10_000;
const CONNECTIONS = 8;
const EVERY = 250;
/** While it warms up any process grows: only the second half is looked at. */
const WARM = IMAGES / 2;
const CACHE = '8MiB';
const HEAP_MIB = 128;
const MIB = 2 ** 20;

export async function measure(bench) {
  const gateway = await startGateway(
    { ...bench, nodeFlags: [...bench.nodeFlags, `--max-old-space-size=${HEAP_MIB}`] },
    await planDemo(bench, 'tiny'),
    { engine: UPSTREAM, flags: ['--cache-bytes', CACHE] },
  );
  const samples = [];
  let sent = 0;
  const nextRequest = () => {
    if (sent === IMAGES) return null;
    if (sent % EVERY === 0) samples.push({ images: sent, mib: residentMib(gateway.pid) });
    const messages = aboutImage(imagePart(tinyPng(sent++)), 'What is it?');
    return rawRequest(gateway.url, JSON.stringify({ model: 'demo', messages, max_tokens: 8 }));
  };
  try {
    const { rate } = await blast(gateway.url, CONNECTIONS, 600, nextRequest);
    samples.push({ images: sent, mib: residentMib(gateway.pid) });
    fact('images/s', rate.toFixed(0));
  } finally {
    await gateway.stop();
  }
  const steady = samples.filter(({ images }) => images >= WARM);
  const first = steady[0];
  const last = samples.at(-1);
  fact('resident after warm-up, at the end', `${first.mib.toFixed(0)}, ${last.mib.toFixed(0)} MiB`);
  figure('gateway, most resident', Math.max(...samples.map(({ mib }) => mib)), {
    most: 300,
    digits: 0,
    unit: ' MiB',
  });
  figure('growth per 1,000 images (least squares)', slope(steady) * 1000, {
    most: 1,
    unit: ' MiB',
  });
}

/** Resident memory of a process, without its children. Linux only. */
export function residentMib(pid) {
  const pages = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'));
  return (Number(pages[1]) * 1024) / MIB;
}

function slope(samples) {
  const mean = (pick) => samples.reduce((sum, each) => sum + pick(each), 0) / samples.length;
  const [x, y] = [mean(({ images }) => images), mean(({ mib }) => mib)];
  const over = samples.reduce((sum, { images, mib }) => sum + (images - x) * (mib - y), 0);
  return over / samples.reduce((sum, { images }) => sum + (images - x) ** 2, 0);
}
