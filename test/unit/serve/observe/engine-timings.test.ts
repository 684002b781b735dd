import { describe, expect, it } from 'vitest';
import { engineTimings } from '../../../../src/serve/observe/engine-timings.ts';

/** The last chunk of a stream of llama-server 0.7.0 (build 11669), shortened. */
const LAST_CHUNK =
  'data: {"choices":[{"finish_reason":"stop","index":0,"delta":{}}],"object":"chat.completion.chunk",' +
  '"timings":{"cache_n":610,"prompt_n":29,"prompt_ms":9.314,"prompt_per_token_ms":0.32,' +
  '"prompt_per_second":3113.5,"predicted_n":16,"predicted_ms":10.1,"predicted_per_token_ms":0.6,' +
  '"predicted_per_second":1584.1}}\n\ndata: [DONE]\n\n';

describe('engineTimings', () => {
  it("reads the engine's own figures off the end of a stream", () => {
    expect(engineTimings(LAST_CHUNK)).toEqual({
      promptTokens: 29,
      cachedTokens: 610,
      promptMs: 9.314,
      answerTokens: 16,
    });
  });

  it.each([
    '',
    'data: [DONE]\n\n',
    '{"timings":{"prompt_n":-1}}',
    '{"timings":{"prompt_n":"7"}}',
    '{"timings":{,}}',
  ])('has nothing to say of %j', (text) => {
    expect(engineTimings(text)).toBeNull();
  });
});
