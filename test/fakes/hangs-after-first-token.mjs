#!/usr/bin/env node
// Healthy for ever, but after the first word of an answer there is no second one.
import { serve } from './engine.mjs';

let running = false;
serve({
  slots: () => [
    {
      id: 0,
      id_task: 7,
      is_processing: running,
      n_prompt_tokens: 9,
      n_prompt_tokens_processed: 9,
      next_token: [{ n_decoded: running ? 1 : 0 }],
    },
  ],
  words: ['once', ' upon'],
  onWord: () => {
    running = true;
    return new Promise(() => undefined);
  },
});
