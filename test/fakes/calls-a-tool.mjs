#!/usr/bin/env node
// Thinks, says a word and calls a tool, whatever it was asked; a stream says so in the pieces of llama-server.
import { serve } from './engine.mjs';

const call = { name: 'look', arguments: '{"at":"left"}' };
const usage = {
  prompt_tokens: 30,
  completion_tokens: 9,
  prompt_tokens_details: { cached_tokens: 20 },
};
const timings = { cache_n: 20, prompt_n: 10, prompt_ms: 1, predicted_n: 9 };
const deltas = [
  { role: 'assistant', content: null },
  { reasoning_content: 'hm' },
  { content: 'I ' },
  { content: 'look' },
  { tool_calls: [{ index: 0, id: 'call_1', type: 'function', function: { name: call.name } }] },
  { tool_calls: [{ index: 0, function: { arguments: '{"at":' } }] },
  { tool_calls: [{ index: 0, function: { arguments: '"left"}' } }] },
];

serve({
  onChat(body, response) {
    const about = { id: 'chatcmpl-1', model: 'fake' };
    if (body.stream !== true) {
      const message = {
        role: 'assistant',
        content: 'I look',
        reasoning_content: 'hm',
        tool_calls: [{ id: 'call_1', type: 'function', function: call }],
      };
      response.writeHead(200, { 'content-type': 'application/json' });
      const choices = [{ index: 0, message, finish_reason: 'tool_calls' }];
      response.end(JSON.stringify({ ...about, choices, usage }));
      return;
    }
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    const send = (chunk) => response.write(`data: ${JSON.stringify({ ...about, ...chunk })}\n\n`);
    response.write(':\n\n');
    for (const delta of deltas) {
      send({ choices: [{ index: 0, delta, finish_reason: null }], timings });
    }
    send({ choices: [{ index: 0, delta: {}, finish_reason: 'tool_calls' }] });
    send({ choices: [], usage });
    response.end('data: [DONE]\n\n');
  },
});
