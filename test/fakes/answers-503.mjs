#!/usr/bin/env node
// Healthy by its own word, but every chat request is refused with 503.
import { serve } from './engine.mjs';

serve({
  onChat(_body, response) {
    response.writeHead(503, { 'content-type': 'application/json' });
    response.end(
      JSON.stringify({
        error: { code: 503, message: 'no slot is free', type: 'unavailable_error' },
      }),
    );
  },
});
