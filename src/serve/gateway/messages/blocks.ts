import { invalidField } from '../field-limits.ts';
import type { GatewayError } from '../errors.ts';
import type { Json } from '../json.ts';
import { asArray, asText, fieldOf, isObject } from '../json.ts';

/** A block of a message, and where it stands: `messages[0].content[2]`. */
export type Placed = { readonly block: Json; readonly place: string };

/**
 * The blocks of Anthropic's interface that a user or a tool may send, as the parts of a chat. Remembers
 * where each medium stood: the firewall's errors have to name the client's place, not the chat's.
 */
export class ContentBlocks {
  readonly places = new Map<unknown, string>();

  /** Throws `invalid_field` (400) that names the block, for what is neither text, image nor document. */
  partsOf({ block, place }: Placed): readonly Json[] {
    switch (block['type']) {
      case 'text':
        return [textPart(stringOf(block, 'text', place))];
      case 'image':
        return [this.#image(sourceOf(block, place), `${place}.source`, place)];
      case 'document':
        return this.#document(block, place);
      default:
        throw unknownBlock(block, place, 'text, image, document');
    }
  }

  #image(source: Json, at: string, place: string): Json {
    const url = this.#address(source, at, 'image');
    return this.#placed({ type: 'image_url', image_url: { url } }, place);
  }

  /** Its title and context are for the model to read, in front of it. */
  #document(block: Json, place: string): readonly Json[] {
    if (fieldOf(block['citations'], 'enabled') === true) {
      throw invalidField(`\`${place}.citations\`: no local model cites, leave it out`);
    }
    const heads = [block['title'], block['context']].filter((each) => typeof each === 'string');
    return [...heads.map(textPart), ...this.#documentBody(sourceOf(block, place), place)];
  }

  #documentBody(source: Json, place: string): readonly Json[] {
    const at = `${place}.source`;
    if (source['type'] === 'text') return [textPart(stringOf(source, 'data', at))];
    if (source['type'] === 'content') {
      const { content } = source;
      if (typeof content === 'string') return [textPart(content)];
      return blocksOf(content, `${at}.content`).flatMap((each) => this.partsOf(each));
    }
    const url = this.#address(source, at, 'application/pdf');
    return [this.#placed({ type: 'file', file: { file_data: url } }, place)];
  }

  /** The firewall looks at the bytes: what a client says of their type is not asked. */
  #address(source: Json, at: string, type: string): string {
    if (source['type'] === 'base64') return `data:${type};base64,${stringOf(source, 'data', at)}`;
    if (source['type'] === 'url') return stringOf(source, 'url', at);
    throw invalidField(
      `\`${at}\` is of the type \`${shown(source['type'])}\`: send the bytes (\`base64\`) or a \`url\``,
    );
  }

  #placed(part: Json, place: string): Json {
    this.places.set(part, place);
    return part;
  }
}

/** The blocks of a list; throws `invalid_field` (400) for what is none. */
export function blocksOf(content: unknown, place: string): readonly Placed[] {
  if (!Array.isArray(content)) throw invalidField(`\`${place}\` is neither text nor blocks`);
  return asArray(content).map((block, at) => {
    if (isObject(block)) return { block, place: `${place}[${at}]` };
    throw invalidField(`\`${place}[${at}]\` is no object with a \`type\``);
  });
}

export function unknownBlock({ type }: Json, place: string, known: string): GatewayError {
  return invalidField(
    `\`${place}\` is a block of the type \`${shown(type)}\`: what can stand here is ${known}`,
  );
}

export function stringOf(object: Json, name: string, place: string): string {
  const value = object[name];
  if (typeof value === 'string') return value;
  throw invalidField(`\`${place}.${name}\` is no text`);
}

export function textPart(text: string): Json {
  return { type: 'text', text };
}

function sourceOf({ source }: Json, place: string): Json {
  if (isObject(source)) return source;
  throw invalidField(
    `\`${place}.source\` is missing: send \`{"type": "base64", "media_type": "…", "data": "…"}\``,
  );
}

function shown(type: unknown): string {
  return asText(type).slice(0, 60) || 'none';
}
