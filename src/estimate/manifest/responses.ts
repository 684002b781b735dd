import { asMessage } from './chat.ts';
import { addContent } from './content.ts';
import type { OpenRow, Problem } from './row.ts';
import { addText, isObject, shown, unreadable } from './row.ts';

type Json = Readonly<Record<string, unknown>>;

/** `instructions` and `input` of OpenAI's responses API. */
export function addResponsesInput(row: OpenRow, body: Json): Problem {
  const { input, instructions } = body;
  if (typeof instructions === 'string') {
    asMessage(row, 'system', () => addContent(row, instructions, 'instructions'));
  }
  if (typeof input === 'string')
    return asMessage(row, 'user', () => addContent(row, input, 'input'));
  if (!Array.isArray(input)) return `input: ${shown(input)} is neither text nor a list`;
  if (input.length === 0) return 'input: an empty list';
  for (const [index, item] of (input as readonly unknown[]).entries()) {
    const where = `input[${index}]`;
    if (!isObject(item)) return `${where}: ${shown(item)} is no object`;
    const problem = addInputItem(row, item, where);
    if (problem !== null) return problem;
  }
  return null;
}

function addInputItem(row: OpenRow, item: Json, where: string): Problem {
  const { type, role } = item;
  if (type === undefined || type === 'message') {
    if (typeof role !== 'string') return `${where}.role: ${shown(role)} is no role`;
    return asMessage(row, role, () => addContent(row, item['content'], `${where}.content`));
  }
  if (type === 'function_call' || type === 'custom_tool_call') {
    const given = item['arguments'] ?? item['input'];
    const add = () => {
      addText(row, where, `${String(item['name'])} ${typeof given === 'string' ? given : ''}`);
      return null;
    };
    return asMessage(row, 'assistant', add, true);
  }
  if (type === 'function_call_output' || type === 'custom_tool_call_output') {
    return asMessage(row, 'tool', () => addContent(row, item['output'], `${where}.output`));
  }
  unreadable(row, where, `items of type ${shown(type)} are not counted`);
  return null;
}
