#!/usr/bin/env node
// Only SIGKILL ends it; it counts the SIGTERMs it ignores.
import { log, serve } from './engine.mjs';

let count = 0;
process.on('SIGTERM', () => log(`SIGTERM ${(count += 1)} ignored`));
serve();
