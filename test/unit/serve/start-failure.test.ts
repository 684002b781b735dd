import { describe, expect, test } from 'vitest';
import { classifyStartFailure } from '../../../src/serve/supervisor/start-failure.ts';

const EXIT_1 = { code: 1, signal: null };

// Lines as llama-server build 11669 prints them; each is followed by the two that end every failure.
const LINES: readonly (readonly [line: string, reason: RegExp])[] = [
  ["srv  start: couldn't bind HTTP server socket, hostname: 127.0.0.1, port: 8080", /in use/],
  [
    'E llama_model_load: error loading model: tensor blk.1.ffn_up data is not within the file bounds, model is corrupted or incomplete',
    /incomplete or damaged/,
  ],
  [
    'E clip_init: failed to seek for tensor v.blk.0.ln1.weight',
    /no data for tensor v\.blk\.0\.ln1/,
  ],
  ['E llama_model_load: error loading model: CLIP cannot be used as main model', /a projector/],
  ['error: invalid argument: --no-mmap', /does not know the argument `--no-mmap`/],
  ["E cmn  common_init_: failed to load model 'models/x.gguf'", /models\/x\.gguf could not be/],
  [
    'E mtmd_init_from_file: error: mismatch between text model (n_embd = 128) and mmproj (n_embd = 64)',
    /64 wide and the model 128/,
  ],
  [
    'llama-server: error while loading shared libraries: libcudart.so.12: cannot open shared object file',
    /libcudart\.so\.12/,
  ],
  ['ggml_backend_cuda_buffer_type_alloc_buffer: cudaMalloc failed: out of memory', /out of memory/],
];

describe('the reason is told from the words of the log', () => {
  test.each(LINES)('%s', (line, reason) => {
    const log = [
      'I build_info: b11669',
      line,
      "E srv    load_model: failed to load model, 'models/x.gguf'",
      'E srv  llama_server: exiting due to model loading error',
    ];
    const failure = classifyStartFailure(log, EXIT_1);
    expect(failure.reason).toMatch(reason);
    expect(failure.hints.length).toBeGreaterThan(0);
  });
});

test('a silent death by signal is explained by what causes it', () => {
  expect(classifyStartFailure([], { code: null, signal: 'SIGSEGV' }).reason).toMatch(
    /SIGSEGV.*projector lacks a tensor/,
  );
  expect(classifyStartFailure([], { code: null, signal: 'SIGKILL' }).reason).toMatch(/memory/);
});

test('without a known line the end itself is the reason', () => {
  expect(classifyStartFailure(['hello'], { code: 3, signal: null }).reason).toBe(
    'it ended with exit code 3',
  );
});
