import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sharp from 'sharp';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { writeDemoModel } from '../../../src/demo/model.ts';
import { parseGguf } from '../../../src/gguf/parse.ts';
import { readGgufHeader } from '../../../src/gguf/read-file.ts';
import {
  type ChatMessage,
  countWrapper,
  promptCounter,
  promptTextTokens,
} from '../../../src/tokens/text/chat.ts';
import { compileTemplate, DEFAULT_TEMPLATE } from '../../../src/tokens/text/template.ts';
import { type Vocabulary, vocabularyOf } from '../../../src/tokens/text/vocabulary.ts';
import { type RunningLlama, startLlama } from '../../helpers/llama.ts';
import { bytePairModel, mergeModel } from '../../helpers/merge-model.ts';

function spm(bytes: Buffer): Vocabulary {
  const source = {
    name: 'm.gguf',
    size: bytes.length,
    read: (at: number, n: number) => bytes.subarray(at, at + n),
  };
  const vocab = vocabularyOf(parseGguf(source).metadata);
  if (vocab.kind !== 'vocabulary') throw new Error(vocab.kind);
  return vocab;
}

/** Templates as published with models, shortened to what they do with text and images. */
const TEMPLATES: Record<string, string | null> = {
  'none, as in old conversions': null,
  'one that prints content': `{% for message in messages %}{{ message['role'] + ': ' + message['content'] + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}`,
  'Vicuna, which prints its own begin token': `{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}{{ m['content'] + ' ' }}{% elif m['role'] == 'user' %}{{ 'USER: ' + m['content'] + ' ' }}{% else %}{{ 'ASSISTANT: ' + m['content'] + eos_token }}{% endif %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}`,
  'LLaVA-1.5 of llava-hf, which knows parts only': `{% for message in messages %}{% if message['role'] != 'system' %}{{ message['role'].upper() + ': '}}{% endif %}{# Render all images first #}{% for content in message['content'] | selectattr('type', 'equalto', 'image') %}{{ '<image>\\n' }}{% endfor %}{# Render all text next #}{% for content in message['content'] | selectattr('type', 'equalto', 'text') %}{{ content['text'] + ' '}}{% endfor %}{% endfor %}{% if add_generation_prompt %}{{ 'ASSISTANT:' }}{% endif %}`,
  'Qwen2.5-VL, which knows both': `{% set image_count = namespace(value=0) %}{% for message in messages %}{% if loop.first and message['role'] != 'system' %}<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n{% endif %}<|im_start|>{{ message['role'] }}\n{% if message['content'] is string %}{{ message['content'] }}<|im_end|>\n{% else %}{% for content in message['content'] %}{% if content['type'] == 'image' or 'image' in content or 'image_url' in content %}{% set image_count.value = image_count.value + 1 %}<|vision_start|><|image_pad|><|vision_end|>{% elif 'text' in content %}{{ content['text'] }}{% endif %}{% endfor %}<|im_end|>\n{% endif %}{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}`,
  'Gemma 3, which folds the system message': `{{ bos_token }}{%- if messages[0]['role'] == 'system' -%}{%- if messages[0]['content'] is string -%}{%- set first_user_prefix = messages[0]['content'] + '\n\n' -%}{%- else -%}{%- set first_user_prefix = messages[0]['content'][0]['text'] + '\n\n' -%}{%- endif -%}{%- set loop_messages = messages[1:] -%}{%- else -%}{%- set first_user_prefix = "" -%}{%- set loop_messages = messages -%}{%- endif -%}{%- for message in loop_messages -%}{%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) -%}{{ raise_exception("Conversation roles must alternate user/assistant/user/assistant/...") }}{%- endif -%}{%- if (message['role'] == 'assistant') -%}{%- set role = "model" -%}{%- else -%}{%- set role = message['role'] -%}{%- endif -%}{{ '<start_of_turn>' + role + '\n' + (first_user_prefix if loop.first else "") }}{%- if message['content'] is string -%}{{ message['content'] | trim }}{%- elif message['content'] is iterable -%}{%- for item in message['content'] -%}{%- if item['type'] == 'image' -%}{{ '<start_of_image>' }}{%- elif item['type'] == 'text' -%}{{ item['text'] | trim }}{%- endif -%}{%- endfor -%}{%- else -%}{{ raise_exception("Invalid content type") }}{%- endif -%}{{ '<end_of_turn>\n' }}{%- endfor -%}{%- if add_generation_prompt -%}{{'<start_of_turn>model\n'}}{%- endif -%}`,
  'Llama 3, which trims': `{{ bos_token }}{% for message in messages %}{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim + '<|eot_id|>' }}{% endfor %}{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}{% endif %}`,
  'Mistral, which has its own order': `{{ bos_token }}{% for message in messages %}{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% elif message['role'] == 'assistant' %}{{ ' ' + message['content'] + eos_token }}{% else %}{{ message['content'] + '\n\n' }}{% endif %}{% endfor %}`,
  'one without system messages': `{{ bos_token }}{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}{% for message in messages %}{{ '[' + message['role'] + '] ' + message['content'] | trim + ' ' }}{% endfor %}{% if add_generation_prompt %}[assistant]{% endif %}`,
};

/** How words are cut, with and without a begin token of the tokenizer's own. */
const VOCABULARIES: Record<string, (template: string | null) => Buffer> = {
  SPM: (template) => mergeModel({}, template),
  'byte pairs as of Llama 3': (template) => bytePairModel('llama-bpe', template),
  'byte pairs as of Qwen': (template) => bytePairModel('qwen2', template),
};

const text = (content: string) => ({ type: 'text', text: content });
const image = { type: 'image_url' };
const user = (content: ChatMessage['content']): ChatMessage => ({ role: 'user', content });

const CHATS: Record<string, ChatMessage[]> = {
  'text only': [user('What is in this image?')],
  'text in parts': [user([text('the other thing'), text('and this')])],
  'one image': [user([image])],
  'text before': [user([text('Describe the image'), image])],
  'text after': [user([image, text('Describe the image')])],
  'text around': [user([text('this is '), image, text(' the image')])],
  'two images': [user([image, image])],
  'images and several texts': [
    user([text('first'), image, text('and the other'), text('one'), image, text('\n what?')]),
  ],
  'system message': [{ role: 'system', content: 'be terse' }, user([image, text('what is this?')])],
  'developer message': [{ role: 'developer', content: 'be terse' }, user('what?')],
  'several turns': [
    user([image, text('what is this?')]),
    { role: 'assistant', content: 'the other thing' },
    user('and 中文 café 🦙 then?'),
    { role: 'assistant', content: [text('in parts')] },
    user([text('again'), image]),
  ],
  'special tokens in the text': [user([text('</s><|im_end|> <s>'), image, text('<custom>')])],
  'a begin token at the start': [user('<s>hi')],
  'nothing said': [user('')],
  'no parts': [user([])],
  'white space': [user([text('  '), image, text('\n')])],
};

const server = inject('llamaServer');
const TOKENS_PER_IMAGE = 576;

describe.skipIf(server === null)('text tokens of a chat against the real llama-server', () => {
  const engine = server ?? '';
  let folder = '';
  let png = '';
  let demo = { model: '', mmproj: '' };
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'mmdeploy-chat-'));
    demo = await writeDemoModel(folder);
    const pixels = await sharp({
      create: { width: 24, height: 16, channels: 3, background: '#204080' },
    })
      .png()
      .toBuffer();
    png = `data:image/png;base64,${pixels.toString('base64')}`;
  });
  afterAll(() => {
    rmSync(folder, { recursive: true });
  });

  /** What the engine bills for the text of `messages`; null where it refuses them. */
  async function billed(llama: RunningLlama, messages: ChatMessage[]): Promise<number | null> {
    let images = 0;
    const body = messages.map(({ role, content }) => ({
      role,
      content:
        typeof content === 'string'
          ? content
          : content.map((part) => {
              if (part.type === 'text') return part;
              images++;
              return { type: 'image_url', image_url: { url: png } };
            }),
    }));
    try {
      const answer = await llama.post('/v1/chat/completions/input_tokens', { messages: body });
      return (answer as { input_tokens: number }).input_tokens - images * TOKENS_PER_IMAGE;
    } catch {
      return null;
    }
  }

  async function start(model: string): Promise<RunningLlama> {
    return startLlama(engine, ['-m', model, '--mmproj', demo.mmproj, '-c', '8192', '-np', '1']);
  }

  const cases = Object.entries(VOCABULARIES).flatMap(([vocabulary, bytesOf]) =>
    Object.entries(TEMPLATES).map(([label, template]) => ({
      vocabulary,
      label,
      template,
      bytesOf,
    })),
  );
  describe.each(cases)(
    '$vocabulary, template: $label',
    ({ vocabulary, label, template, bytesOf }) => {
      let llama: RunningLlama | null = null;
      let vocab: Vocabulary | null = null;
      beforeAll(async () => {
        const bytes = bytesOf(template);
        const path = join(folder, `${vocabulary}-${Object.keys(TEMPLATES).indexOf(label)}.gguf`);
        writeFileSync(path, bytes);
        vocab = spm(bytes);
        llama = await start(path);
      });
      afterAll(() => llama?.stop());

      it('finds the same abilities in it', async () => {
        const props = (await llama!.get('/props')) as {
          chat_template_caps: Record<string, boolean>;
        };
        const compiled = compileTemplate(template ?? DEFAULT_TEMPLATE, vocab!);
        const caps = props.chat_template_caps;
        expect(compiled).toMatchObject({
          template: {
            abilities: {
              strings: caps['supports_string_content'],
              parts: caps['supports_typed_content'],
              system: caps['supports_system_role'],
            },
          },
        });
      });

      it.each(Object.entries(CHATS))('%s', async (_, messages) => {
        const ours = promptTextTokens(messages, template, vocab!);
        const theirs = await billed(llama!, messages);
        expect(ours.kind === 'exact' ? ours.tokens : ours).toBe(theirs);
      });
    },
  );

  it('bills the demo model as counted from its file', async () => {
    const { metadata } = readGgufHeader(demo.model);
    const template = String(metadata.get('tokenizer.chat_template'));
    const count = promptCounter(template, vocabularyOf(metadata));
    const llama = await start(demo.model);
    try {
      for (const [name, messages] of Object.entries(CHATS)) {
        const ours = count(messages);
        expect(ours.kind === 'exact' ? ours.tokens : ours, name).toBe(
          await billed(llama, messages),
        );
      }
    } finally {
      await llama.stop();
    }
  });
});

describe('a chat that cannot be counted here', () => {
  const vocab = spm(mergeModel());
  const reason = (messages: ChatMessage[], template: string | null) => {
    const result = promptTextTokens(messages, template, vocab);
    return result.kind === 'unsupported-chat' ? result.reason : result.kind;
  };

  it('passes on that the tokenizer is unknown', () => {
    const unknown = { kind: 'unsupported-tokenizer', model: 'gpt2' } as const;
    expect(promptTextTokens([user('hi')], null, unknown)).toEqual(unknown);
  });

  it.each<[string, ChatMessage[], string | null, RegExp]>([
    ['a broken template', [user('hi')], '{% if %}', /chat template/],
    ['a template that prints nothing', [user('hi')], 'hello', /prints no message/],
    [
      'a template that raises',
      [user('hi'), user('again')],
      `{% if messages | length > 1 %}{{ raise_exception('one only') }}{% endif %}{{ messages[0].content }}`,
      /one only/,
    ],
    [
      'a template that drops earlier images',
      [user([image]), user('hi')],
      `{{ messages[messages | length - 1].content }}`,
      /drops or repeats images/,
    ],
    [
      'an answer to go on with',
      [user('hi'), { role: 'assistant', content: 'y' }],
      null,
      /continue/,
    ],
    ['our stand-in for an image', [user('\u{F5B1E}media\u{F5B1E}')], null, /stand for an image/],
  ])('%s', (_, messages, template, expected) => {
    expect(reason(messages, template)).toMatch(expected);
  });

  it('counts the media apart from the text', () => {
    const chat = [user([image, text('x'), { type: 'input_audio' }])];
    expect(promptTextTokens(chat, '{{ messages[0].content }}', vocab)).toEqual({
      kind: 'exact',
      // <s>, and ▁ and x of the text between the two.
      tokens: 3,
      media: 2,
    });
  });

  it('counts a wrapper by the vocabulary', () => {
    expect(countWrapper('<|im_start|>', vocab)).toBe(1);
    expect(countWrapper('<image>', vocab)).toBeGreaterThan(2);
  });
});
