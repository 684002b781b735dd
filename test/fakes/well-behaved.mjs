#!/usr/bin/env node
// No bad habit: loads at once, answers, ends at SIGTERM with 0 (the default action would be a signal).
import { serve } from './engine.mjs';

const server = serve();
process.on('SIGTERM', () => {
  server.closeAllConnections();
  server.close(() => (process.exitCode = 0));
});
