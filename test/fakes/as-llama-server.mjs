#!/usr/bin/env node
// Stands where `--llama-server` points: what it is asked about its build the real one answers
// (MMDEPLOY_LLAMA_SERVER), everything else the fake named by MMDEPLOY_FAKE does.
import { spawnSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';

const asked = process.argv.slice(2);
if (asked.some((arg) => ['--version', '--help', '--list-devices'].includes(arg))) {
  const real = spawnSync(process.env.MMDEPLOY_LLAMA_SERVER, asked, { stdio: 'inherit' });
  process.exitCode = real.status ?? 1;
} else {
  await import(pathToFileURL(process.env.MMDEPLOY_FAKE).href);
}
