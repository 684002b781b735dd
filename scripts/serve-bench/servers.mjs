// The two servers that `npm run bench:serve` compares: llama-server bare, and the same engine with the same
// arguments behind `mmdeploy serve`. Both are whole processes; the engine writes its own log file, in which
// the encodes are counted, so neither server has a say in what is counted.
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { writeDemoModel } from '../../dist/demo/model.js';
import { run } from './run.mjs';

const bin = fileURLToPath(new URL('../../bin/mmdeploy.js', import.meta.url));
const START_MS = 60_000;

/** Vision towers of the demo model; `heavy` has the shape of a ViT-B/14. */
const TOWERS = {
  tiny: {},
  middle: { visionBlocks: 6, visionWidth: 512, visionFeedForward: 2048 },
  heavy: { visionBlocks: 12, visionWidth: 768, visionFeedForward: 3072 },
};

/** A plan of a demo model, as a file that `serve --plan` reads; its engine logs what is counted here. */
export async function planDemo(bench, tower, { contextPerSlot = 4096, slots = 4 } = {}) {
  const folder = join(bench.folder, 'models', tower);
  const { model, mmproj } = await writeDemoModel(folder, TOWERS[tower]);
  const sizes = ['--context', String(contextPerSlot), '--slots', String(slots), '--gpu', 'none'];
  const files = ['plan', model, '--mmproj', mmproj];
  const { stdout } = await run(process.execPath, [bin, ...files, ...sizes, '-o', 'json'], {
    env: bench.env,
  });
  const plan = JSON.parse(stdout);
  plan.engine.args.push('--sse-ping-interval', '1');
  return plan;
}

/** llama-server alone, with the plan's arguments. */
export async function startBare(bench, plan) {
  const log = bench.file('bare', 'log');
  const args = withLog(plan.engine.args, log);
  args[args.indexOf('--port') + 1] = '0';
  const child = start(bench.engine, args, bench.env);
  const url = await printed(child, /listening on (http:\/\/[^\s]+)/);
  return server('bare', child, url, log);
}

/** The same engine with the same arguments behind `mmdeploy serve`. */
export async function startGateway(bench, plan, { flags = [], engine = bench.engine } = {}) {
  const log = bench.file('gateway-engine', 'log');
  const planFile = bench.file('plan', 'json');
  const args = withLog(plan.engine.args, log);
  writeFileSync(planFile, JSON.stringify({ ...plan, engine: { ...plan.engine, args } }));
  // Nothing known from an earlier run: folders of its own.
  const home = bench.file('home', 'd');
  mkdirSync(home);
  const env = {
    ...bench.env,
    XDG_STATE_HOME: join(home, 'state'),
    XDG_DATA_HOME: join(home, 'data'),
    XDG_CACHE_HOME: join(home, 'cache'),
  };
  const serve = ['serve', '--plan', planFile, '--llama-server', engine, '--port', '0', ...flags];
  const child = start(process.execPath, [...bench.nodeFlags, bin, ...serve], env);
  const url = await printed(child, /ready in .* at (http:\/\/\S+)/);
  return server('gateway', child, url, log);
}

function withLog(args, log) {
  return [...args, '-lv', '4', '--log-file', log];
}

function start(file, args, env) {
  const child = spawn(file, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  child.tail = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8');
    stream.on('data', (text) => {
      child.tail = (child.tail + text).slice(-4000);
    });
  }
  return child;
}

async function printed(child, pattern) {
  const deadline = Date.now() + START_MS;
  let seen = '';
  const collect = (text) => (seen += text);
  child.stdout.on('data', collect);
  child.stderr.on('data', collect);
  try {
    for (;;) {
      const found = pattern.exec(seen)?.[1];
      if (found) return found;
      if (child.exitCode !== null) throw new Error(`the server did not start:\n${child.tail}`);
      if (Date.now() > deadline) throw new Error(`no line like ${pattern}:\n${child.tail}`);
      await delay(20);
    }
  } finally {
    child.stdout.off('data', collect);
    child.stderr.off('data', collect);
  }
}

function server(name, child, url, log) {
  return {
    name,
    url,
    pid: child.pid,
    /** Images that the engine has encoded since it was started. */
    encodes: () => {
      if (!existsSync(log)) return 0;
      const lines = readFileSync(log, 'utf8').match(/encoding mtmd batch from idx/g);
      return lines === null ? 0 : lines.length;
    },
    tail: () => child.tail,
    stop: async () => {
      const gone = new Promise((resolve) => child.once('close', resolve));
      if (child.exitCode !== null) return;
      // A bare engine waits for its clients: twice means now.
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 10_000);
      await gone;
      clearTimeout(timer);
    },
  };
}
