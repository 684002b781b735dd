#!/usr/bin/env node
// Dies by SIGKILL at the first FAKE_DEATHS chats of all its lives, counted in the file FAKE_COUNT.
import { appendFileSync, existsSync, statSync } from 'node:fs';
import { serve } from './engine.mjs';

const count = process.env.FAKE_COUNT ?? '';
const died = existsSync(count) ? statSync(count).size : 0;
const mortal = died < Number(process.env.FAKE_DEATHS);
const server = serve({
  slots: () => [{ id: 0, is_processing: false }],
  ...(mortal
    ? {
        onChat: () => {
          appendFileSync(count, '.');
          process.kill(process.pid, 'SIGKILL');
        },
      }
    : {}),
});
process.on('SIGTERM', () => {
  server.closeAllConnections();
  server.close();
});
