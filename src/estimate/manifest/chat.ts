import { addContent } from './content.ts';
import type { OpenRow, Problem } from './row.ts';
import { addText, isObject, shown } from './row.ts';

type Json = Readonly<Record<string, unknown>>;

/** The messages of a chat completion, or of Anthropic's, whose shapes differ in their parts only. */
export function addMessages(row: OpenRow, messages: unknown): Problem {
  if (!Array.isArray(messages)) return `messages: ${shown(messages)} is no list`;
  if (messages.length === 0) return 'messages: an empty list';
  for (const [index, message] of (messages as readonly unknown[]).entries()) {
    const problem = addMessage(row, message, `messages[${index}]`);
    if (problem !== null) return problem;
  }
  return null;
}

function addMessage(row: OpenRow, message: unknown, where: string): Problem {
  if (!isObject(message)) return `${where}: ${shown(message)} is no object`;
  const { role } = message;
  if (typeof role !== 'string') return `${where}.role: ${shown(role)} is no role`;
  return asMessage(
    row,
    role,
    () => addContent(row, message['content'], `${where}.content`) ?? addCalls(row, message, where),
    Array.isArray(message['tool_calls']),
  );
}

/** Roles that bring what a tool said. */
const ANSWERS: ReadonlySet<string> = new Set(['tool', 'function']);

/** Notes which parts `add` adds as those of one message. */
export function asMessage(row: OpenRow, role: string, add: () => Problem, calls = false): Problem {
  const before = row.parts.length;
  const problem = add();
  row.messages ??= [];
  const parts = row.parts.length - before;
  row.messages.push(calls || ANSWERS.has(role) ? { role, parts, calls: true } : { role, parts });
  return problem;
}

/** The model reads its own earlier calls again: name and arguments. */
function addCalls(row: OpenRow, message: Json, where: string): Problem {
  const calls = message['tool_calls'];
  if (calls === undefined || calls === null) return null;
  if (!Array.isArray(calls)) return `${where}.tool_calls: ${shown(calls)} is no list`;
  for (const [index, call] of (calls as readonly unknown[]).entries()) {
    const place = `${where}.tool_calls[${index}]`;
    const called = isObject(call) ? (call['function'] ?? call['custom']) : null;
    if (!isObject(called)) return `${place}: no function in it`;
    const given = called['arguments'] ?? called['input'] ?? '';
    const text = typeof given === 'string' ? given : JSON.stringify(given);
    addText(row, place, `${String(called['name'])} ${text}`);
  }
  return null;
}
