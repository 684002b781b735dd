// An engine of before `input_tokens`, for the fakes beside this file: it renders, tokenises (a token a word)
// and answers, and an image costs it 576 tokens; `seen` says how many of those that were sent it sees.
import { serve } from './engine.mjs';

const MARKER = '<__media__>';
const IMAGE_TOKENS = 576;

const textOf = (part) => (part.type === 'text' ? part.text : MARKER);
const render = ({ messages }) =>
  messages
    .map(({ role, content }) =>
      [role, ...(typeof content === 'string' ? [content] : content.map(textOf))].join(' '),
    )
    .join(' ');
const wordsOf = (text) => text.split(/\s+/).filter((word) => word !== '' && word !== MARKER);

const answers = {
  '/apply-template': (body) => ({ prompt: render(body) }),
  '/tokenize': ({ content, add_special: special }) => ({
    tokens: [...(special ? ['<s>'] : []), ...wordsOf(content)],
  }),
  '/props': () => ({}),
};

export function serveOldEngine(seen) {
  serve({
    routes: ['/v1/chat/completions', ...Object.keys(answers)],
    answers,
    onChat(body, response) {
      const prompt = render(body);
      const images = seen(prompt.split(MARKER).length - 1);
      const usage = {
        prompt_tokens: 1 + wordsOf(prompt).length + images * IMAGE_TOKENS,
        completion_tokens: 2,
      };
      const choice = { index: 0, finish_reason: 'stop' };
      if (body.stream !== true) {
        const message = { role: 'assistant', content: 'a wall' };
        response.writeHead(200, { 'content-type': 'application/json' });
        response.end(JSON.stringify({ choices: [{ ...choice, message }], usage }));
        return;
      }
      response.writeHead(200, { 'content-type': 'text/event-stream' });
      const chunks = [
        { choices: [{ index: 0, delta: { content: 'a wall' }, finish_reason: null }] },
        { choices: [{ ...choice, delta: {} }] },
        ...(body.stream_options?.include_usage === true ? [{ choices: [], usage }] : []),
      ];
      for (const chunk of chunks) response.write(`data: ${JSON.stringify(chunk)}\n\n`);
      response.end('data: [DONE]\n\n');
    },
  });
}
