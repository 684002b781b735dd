import { Template } from '@huggingface/jinja';
import { messageOf } from '../../errors.ts';
import type { Vocabulary } from './vocabulary.ts';

/** What a template renders: content as one string or as parts of text. */
export type RenderedContent = string | readonly { readonly type: string; readonly text: string }[];
export type TemplateMessage = { readonly role: string; readonly content: RenderedContent };

/** What a template can do with a message, found by trying it (llama.cpp's `jinja/caps.cpp`). */
type TemplateAbilities = {
  readonly strings: boolean;
  readonly parts: boolean;
  readonly system: boolean;
};

/** What llama.cpp uses where a file has no `tokenizer.chat_template`. */
export const DEFAULT_TEMPLATE = `{%- for message in messages -%}
  {{- '<|im_start|>' + message.role + '\\n' + message.content + '<|im_end|>\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
  {{- '<|im_start|>assistant\\n' -}}
{%- endif -%}`;

export type ChatTemplate = {
  readonly abilities: TemplateAbilities;
  /** The prompt, generation prompt included; throws what the template raises. */
  readonly render: (messages: readonly TemplateMessage[]) => string;
};

export type CompiledTemplate =
  | { readonly kind: 'template'; readonly template: ChatTemplate }
  | { readonly kind: 'broken'; readonly reason: string };

/** Prepares the template of a model; `broken` where its source cannot be parsed. */
export function compileTemplate(
  source: string,
  vocab: Pick<Vocabulary, 'bos' | 'eos'>,
): CompiledTemplate {
  try {
    const compiled = new Template(source);
    const render = (messages: readonly TemplateMessage[]) =>
      compiled.render({
        messages,
        bos_token: vocab.bos?.text ?? '',
        eos_token: vocab.eos?.text ?? '',
        enable_thinking: true,
        add_generation_prompt: true,
      });
    return { kind: 'template', template: { abilities: abilitiesOf(render), render } };
  } catch (error) {
    return { kind: 'broken', reason: messageOf(error) };
  }
}

const MARK = 'MMDEPLOY-MARK';

function abilitiesOf(render: ChatTemplate['render']): TemplateAbilities {
  const rendered = (messages: readonly TemplateMessage[]) => {
    try {
      return render(messages);
    } catch {
      return '';
    }
  };
  const user = { role: 'user', content: MARK };
  const strings = rendered([user]).includes(MARK);
  const typed = rendered([{ role: 'user', content: [{ type: 'text', text: MARK }] }]);
  // A template that prints whatever it gets shows the part as an object, its type included.
  const parts = typed.includes(MARK) && !/["']type["']/.test(typed);
  const content = strings ? MARK : [{ type: 'text', text: MARK }];
  const question = strings ? 'question' : [{ type: 'text', text: 'question' }];
  const system = rendered([
    { role: 'system', content },
    { role: 'user', content: question },
  ]).includes(MARK);
  return { strings, parts, system };
}
