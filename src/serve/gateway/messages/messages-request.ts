import { takeChatApart, type ImageOrder } from '../chat/chat-request.ts';
import type { TakenApart } from '../chat/taken-apart.ts';
import { refuseCostlyConstraints } from '../constraint-limits.ts';
import { invalidField } from '../field-limits.ts';
import type { Json } from '../json.ts';
import { asArray, asText, fieldOf, isObject } from '../json.ts';
import { ContentBlocks, stringOf } from './blocks.ts';
import { chatMessages } from './chat-messages.ts';

/** Fields that a chat has under the same name. */
const SAME = ['model', 'temperature', 'top_p', 'top_k', 'stream'];

/**
 * A request to `/v1/messages` as a chat: the engine's own reading of it (build 11669) takes no slot, drops
 * documents, blocks it does not know and pictures in other words without telling, so that the gateway
 * reads it itself. Throws `invalid_field` or `invalid_media` (400) that names the place.
 */
export function takeMessagesApart(sent: Json, order: ImageOrder): TakenApart {
  const content = new ContentBlocks();
  const chat: Json = {
    ...Object.fromEntries(Object.entries(sent).filter(([name]) => SAME.includes(name))),
    messages: chatMessages(sent, content),
    ...toolFields(sent),
    ...outputFields(sent),
    ...thinkingFields(sent),
    ...answerFields(sent),
  };
  // Tools and schemas have their chat names only now.
  refuseCostlyConstraints(chat);
  return takeChatApart(chat, order, content.places);
}

/** Anthropic's interface has no answer without a limit; throws `invalid_field` (400). */
export function requireMaxTokens({ max_tokens: limit }: Json): void {
  if (typeof limit === 'number' && Number.isInteger(limit) && limit >= 0) return;
  throw invalidField(
    '`max_tokens` is missing: how many tokens an answer may have, `"max_tokens": 1024`',
  );
}

/**
 * The engine tells which of several stop sequences it was, and the tokens of the prompt before the end
 * of a stream, only where it is asked to; both stay in the gateway.
 */
function answerFields(sent: Json): Json {
  const stop = asArray(sent['stop_sequences']);
  return {
    ...(sent['max_tokens'] === undefined ? {} : { max_tokens: sent['max_tokens'] }),
    ...(stop.length === 0 ? {} : { stop, verbose: true }),
    ...(sent['stream'] === true
      ? { stream_options: { include_usage: true }, timings_per_token: true }
      : {}),
  };
}

function toolFields({ tools, tool_choice: choice }: Json): Json {
  if (tools === undefined || tools === null) return {};
  if (!Array.isArray(tools)) throw invalidField('`tools` is no list');
  const all = asArray(tools).map(toolOf);
  if (all.length === 0) return {};
  const parallel =
    fieldOf(choice, 'disable_parallel_tool_use') === true ? { parallel_tool_calls: false } : {};
  switch (isObject(choice) ? choice['type'] : 'auto') {
    case 'auto':
      return { tools: all, ...parallel };
    case 'any':
      return { tools: all, tool_choice: 'required', ...parallel };
    case 'none':
      return { tools: all, tool_choice: 'none' };
    case 'tool':
      // llama-server knows no choice of one tool: it is the only one that it is told of.
      return {
        tools: [oneTool(all, fieldOf(choice, 'name'))],
        tool_choice: 'required',
        ...parallel,
      };
    default:
      throw invalidField('`tool_choice.type` is none of `auto`, `any`, `tool` and `none`');
  }
}

function toolOf(tool: unknown, at: number): Json {
  const place = `tools[${at}]`;
  if (!isObject(tool)) throw invalidField(`\`${place}\` is no object`);
  const { type, description, input_schema: schema } = tool;
  if (type !== undefined && type !== null && type !== 'custom') {
    throw invalidField(
      `\`${place}\` is of the type \`${asText(type).slice(0, 60)}\`, which Anthropic's own servers run: only tools with an \`input_schema\` are served`,
    );
  }
  const named = {
    name: stringOf(tool, 'name', place),
    ...(typeof description === 'string' ? { description } : {}),
    parameters: isObject(schema) ? schema : { type: 'object', properties: {} },
  };
  return { type: 'function', function: named };
}

function oneTool(tools: readonly Json[], name: unknown): Json {
  const found = tools.find((tool) => fieldOf(tool['function'], 'name') === name);
  if (found !== undefined) return found;
  throw invalidField('`tool_choice.name` names no tool of `tools`');
}

/** `output_config`: a schema that the answer has to follow, and how much thought it is worth. */
function outputFields({ output_config: config }: Json): Json {
  const format = fieldOf(config, 'format');
  const effort = fieldOf(config, 'effort');
  return {
    ...(fieldOf(format, 'type') === 'json_schema'
      ? {
          response_format: {
            type: 'json_schema',
            json_schema: { name: 'answer', schema: fieldOf(format, 'schema') },
          },
        }
      : {}),
    ...(typeof effort === 'string' ? { reasoning_effort: effort } : {}),
  };
}

/** Whether the model thinks first is said to its template; the budget is the engine's own limit. */
function thinkingFields({ thinking, chat_template_kwargs: given }: Json): Json {
  const type = fieldOf(thinking, 'type');
  const budget = fieldOf(thinking, 'budget_tokens');
  const said = type === 'enabled' ? true : type === 'disabled' ? false : null;
  const kwargs = {
    ...(said === null ? {} : { enable_thinking: said }),
    ...(isObject(given) ? given : {}),
  };
  return {
    ...(Object.keys(kwargs).length === 0 ? {} : { chat_template_kwargs: kwargs }),
    ...(said === true && typeof budget === 'number' ? { thinking_budget_tokens: budget } : {}),
  };
}
