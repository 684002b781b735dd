import { invalidField } from '../field-limits.ts';
import type { Json } from '../json.ts';
import { asArray, isObject } from '../json.ts';
import {
  blocksOf,
  stringOf,
  textPart,
  unknownBlock,
  type ContentBlocks,
  type Placed,
} from './blocks.ts';

/** The system prompt and the turns of a request, as the messages of a chat. */
export function chatMessages(request: Json, content: ContentBlocks): readonly Json[] {
  const { system, messages } = request;
  if (!Array.isArray(messages) || messages.length === 0) {
    throw invalidField(
      '`messages` is missing: a list of turns, `[{"role": "user", "content": "…"}]`',
    );
  }
  const first =
    system === undefined || system === null
      ? []
      : [{ role: 'system', content: systemText(system, 'system') }];
  const turns = asArray(messages).flatMap((message, at) =>
    chatTurns(message, `messages[${at}]`, content),
  );
  return joined([...first, ...turns]);
}

function chatTurns(message: unknown, place: string, content: ContentBlocks): readonly Json[] {
  if (!isObject(message)) throw invalidField(`\`${place}\` is no object`);
  const { role, content: said } = message;
  switch (role) {
    case 'system':
      return [{ role, content: systemText(said, `${place}.content`) }];
    case 'user':
      if (typeof said === 'string') return [{ role, content: said }];
      return userTurns(blocksOf(said, `${place}.content`), content);
    case 'assistant':
      if (typeof said === 'string') return [{ role, content: said }];
      return [assistantTurn(blocksOf(said, `${place}.content`))];
    default:
      throw invalidField(`\`${place}.role\` is neither \`user\` nor \`assistant\``);
  }
}

/** Blocks of a system prompt are one text, put together as llama-server does it. */
function systemText(system: unknown, place: string): string {
  if (typeof system === 'string') return system;
  return blocksOf(system, place)
    .map(({ block, place: at }) => {
      if (block['type'] !== 'text') throw unknownBlock(block, at, 'text');
      return stringOf(block, 'text', at);
    })
    .join('');
}

/** What tools gave back are messages of their own in a chat, in the order in which it was sent. */
function userTurns(blocks: readonly Placed[], content: ContentBlocks): readonly Json[] {
  return blocks.map((placed) =>
    placed.block['type'] === 'tool_result'
      ? toolTurn(placed, content)
      : { role: 'user', content: content.partsOf(placed) },
  );
}

function toolTurn({ block, place }: Placed, content: ContentBlocks): Json {
  const id = stringOf(block, 'tool_use_id', place);
  return { role: 'tool', tool_call_id: id, content: toolContent(block, place, content) };
}

/** Words alone become one text: templates that know no parts would refuse or misread them. */
function toolContent(
  { content: given }: Json,
  place: string,
  content: ContentBlocks,
): string | readonly Json[] {
  if (given === undefined || given === null) return '';
  if (typeof given === 'string') return given;
  const parts = blocksOf(given, `${place}.content`).flatMap((each) => content.partsOf(each));
  const isText = parts.every(({ type }) => type === 'text');
  return isText ? parts.map(({ text }) => String(text)).join('') : parts;
}

/** Encrypted thoughts are another server's: nobody here can read them, and the turn stands without. */
function assistantTurn(blocks: readonly Placed[]): Json {
  const words: Json[] = [];
  const calls: Json[] = [];
  let reasoning = '';
  for (const { block, place } of blocks) {
    switch (block['type']) {
      case 'text':
        words.push(textPart(stringOf(block, 'text', place)));
        break;
      case 'thinking':
        reasoning += stringOf(block, 'thinking', place);
        break;
      case 'redacted_thinking':
        break;
      case 'tool_use':
        calls.push(toolCall(block, place));
        break;
      default:
        throw unknownBlock(block, place, 'text, thinking, tool_use');
    }
  }
  return {
    role: 'assistant',
    content: words.length === 0 ? '' : words,
    ...(reasoning === '' ? {} : { reasoning_content: reasoning }),
    ...(calls.length === 0 ? {} : { tool_calls: calls }),
  };
}

function toolCall(block: Json, place: string): Json {
  const name = stringOf(block, 'name', place);
  const call = { name, arguments: JSON.stringify(block['input'] ?? {}) };
  return { id: stringOf(block, 'id', place), type: 'function', function: call };
}

/** Turns of one role that follow each other are one, as Anthropic reads them: many templates ask for it. */
function joined(messages: readonly Json[]): readonly Json[] {
  const turns: Json[] = [];
  for (const message of messages) {
    const last = turns.at(-1);
    if (last === undefined || !isJoinable(last, message)) turns.push(message);
    else turns[turns.length - 1] = { ...last, content: [...partsOf(last), ...partsOf(message)] };
  }
  return turns;
}

function isJoinable(one: Json, other: Json): boolean {
  const plain = ['user', 'assistant'].includes(String(one['role']));
  const hasMore = [one, other].some(
    (each) => each['tool_calls'] !== undefined || each['reasoning_content'] !== undefined,
  );
  return plain && one['role'] === other['role'] && !hasMore;
}

function partsOf({ content }: Json): readonly unknown[] {
  if (typeof content === 'string') return content === '' ? [] : [textPart(content)];
  return asArray(content);
}
