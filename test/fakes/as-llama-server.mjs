#!/usr/bin/env node
// Stands where `--llama-server` points: what it is asked about its build the real one answers
// (FAKE_REAL_ENGINE, or MMDEPLOY_LLAMA_SERVER), everything else the fake named by MMDEPLOY_FAKE does.
import { spawnSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';

const realEngine = process.env.FAKE_REAL_ENGINE ?? process.env.MMDEPLOY_LLAMA_SERVER;
const asked = process.argv.slice(2);
if (asked.some((arg) => ['--version', '--help', '--list-devices'].includes(arg))) {
  const real = spawnSync(realEngine, asked, { stdio: 'inherit' });
  process.exitCode = real.status ?? 1;
} else {
  await import(pathToFileURL(process.env.MMDEPLOY_FAKE).href);
}
