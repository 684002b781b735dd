#!/usr/bin/env node
// Starts a grandchild that inherits the log pipe and ignores SIGTERM, and prints its pid.
import { spawn } from 'node:child_process';
import { serve } from './engine.mjs';

const forever =
  "process.on('SIGTERM', () => {}); setInterval(() => {}, 1000); console.error('grandchild ' + process.pid);";
spawn(process.execPath, ['-e', forever], { stdio: ['ignore', 'inherit', 'inherit'] });
const server = serve();
process.on('SIGTERM', () => server.close());
