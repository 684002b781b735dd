#!/usr/bin/env node
// Its one slot is always at work and gets a token further each time it is looked at.
import { serve } from './engine.mjs';

let decoded = 0;
serve({
  slots: () => [
    { id: 0, id_task: 7, is_processing: true, next_token: [{ n_decoded: (decoded += 1) }] },
  ],
});
