/**
 * Projectors whose rule was compared with a real llama-server, size by size and clip by clip; the tests of
 * exactness hold this list to what they ask about.
 */
export const VERIFIED = {
  build: 11_669,
  date: '2026-11-22',
  images: [
    ...[
      'adapter',
      'cogvlm',
      'deepseekocr',
      'dots_ocr',
      'gemma3',
      'gemma3nv',
      'gemma4uv',
      'gemma4v',
    ],
    ...['glm4v', 'hunyuanvl', 'idefics3', 'internvl', 'janus_pro', 'kimik25', 'kimivl', 'ldp'],
    ...[
      'ldpv2',
      'lfm2',
      'lightonocr',
      'llama4',
      'minicpmv4_6',
      'mlp',
      'nemotron_v2_vl',
      'paddleocr',
    ],
    ...['phi4', 'pixtral', 'qwen2.5vl_merger', 'qwen2vl_merger', 'qwen3vl_merger', 'resampler'],
    ...['step3vl', 'youtuvl'],
  ],
  sounds: [
    ...['gemma4a', 'gemma4ua', 'glma', 'lfm2a', 'meralion', 'musicflamingo', 'qwen2a', 'qwen3a'],
    ...['ultravox', 'voxtral'],
  ],
} as const;
