// `npm test`: what reads the sources runs beside each other, one line of work a core, then the tests. None of
// it uses two cores by itself. What a step says is printed when it ends, so that no two mix.
import { spawn } from 'node:child_process';
import { once } from 'node:events';

const LANES = [['lint'], ['types', 'format:check', 'build']];

const npm = process.env.npm_execpath;
if (npm === undefined) throw new Error('run it as `npm run check`: npm says where npm is');

const failed = [];
await Promise.all(LANES.map(runLane));
if (failed.length > 0) {
  process.stderr.write(`failed: ${failed.map((step) => `npm run ${step}`).join(', ')}\n`);
  process.exitCode = 1;
} else {
  const tests = start(['exec', '--', 'vitest', 'run'], 'inherit');
  process.exitCode = await codeOf(tests);
}

/** One step after another, all of them: what else is wrong is said in the same run. */
async function runLane(steps) {
  for (const step of steps) {
    const began = performance.now();
    const child = start(['run', '--silent', step], 'pipe');
    const said = [];
    for (const stream of [child.stdout, child.stderr]) stream.on('data', (part) => said.push(part));
    const code = await codeOf(child);
    const seconds = ((performance.now() - began) / 1000).toFixed(0);
    process.stderr.write(`${step}: ${code === 0 ? 'passed' : 'FAILED'}, ${seconds} s\n`);
    process.stderr.write(Buffer.concat(said));
    if (code !== 0) failed.push(step);
  }
}

function start(args, output) {
  // Not `npm`, which is no executable on Windows.
  return spawn(process.execPath, [npm, ...args], {
    stdio: ['inherit', output, output],
  });
}

/** The exit code; what a signal ended has failed. */
async function codeOf(child) {
  const [code] = await once(child, 'close');
  return code ?? 1;
}
