#!/usr/bin/env node
// Prints FAKE_LAST_WORDS after a page of ordinary log and exits 1, as llama-server does.
import { log } from './engine.mjs';

for (let line = 1; line <= 40; line++) log(`print_info: line ${line}`);
log(process.env.FAKE_LAST_WORDS ?? 'srv llama_server: exiting due to model loading error');
process.exitCode = 1;
