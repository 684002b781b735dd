import { asMessage } from './chat.ts';
import { addContent } from './content.ts';
import type { OpenRow, Problem } from './row.ts';

/** Anthropic's system prompt, which stands beside the messages. */
export function addSystem(row: OpenRow, system: unknown): Problem {
  if (system === undefined || system === null) return null;
  return asMessage(row, 'system', () => addContent(row, system, 'system'));
}
