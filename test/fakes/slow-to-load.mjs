#!/usr/bin/env node
// Loads for FAKE_LOAD_STEPS log lines, one every FAKE_STEP_MS: much longer than it is ever silent.
import { log, serve } from './engine.mjs';

const steps = Number(process.env.FAKE_LOAD_STEPS ?? 20);
let done = 0;
serve({ loaded: () => done >= steps });
const timer = setInterval(
  () => {
    done += 1;
    log(`load_tensors: step ${done} of ${steps}`);
    if (done >= steps) clearInterval(timer);
  },
  Number(process.env.FAKE_STEP_MS ?? 50),
);
