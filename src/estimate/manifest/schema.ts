import { z } from 'zod';
import { MAX_COUNT } from './row.ts';

/**
 * What a line of a JSONL manifest may be, for editors, documents and tests: lines themselves are checked
 * by hand (`item.ts`), in half the time and with a sentence about each fault. A test holds both to the same
 * answers.
 */

const path = z.string().regex(/\S/).describe('path from the manifest, data URI or http address');
const from = [z.strictObject({ path }), z.strictObject({ url: path })] as const;
/** A size stands alone, or beside what it is the size of. */
const sized = <T extends z.ZodRawShape>(facts: T) =>
  [z.strictObject(facts), ...from.map((option) => option.extend(facts))] as const;
const pixels = z.int().min(1).describe('pixels, upright');
const seconds = z.number().positive();
const detail = z.enum(['low', 'high', 'original', 'auto']);

const image = z.union([
  path,
  ...from.map((option) => option.extend({ detail: detail.optional() })),
  ...sized({ width: pixels, height: pixels, detail: detail.optional() }),
]);
const audio = z.union([path, ...from, ...sized({ seconds })]);
const fps = z.number().positive().optional().describe('frames a second');
const video = z.union([path, ...from, ...sized({ seconds, width: pixels, height: pixels, fps })]);

const inputs = {
  image: image.optional(),
  audio: audio.optional(),
  video: video.optional(),
  path: path.optional().describe('a file of any kind, a folder or a pattern'),
  text: z.string().optional(),
  textTokens: z.int().min(0).optional().describe('a text of known tokens'),
  count: z.int().min(1).max(MAX_COUNT).optional().describe('how many there are of it'),
};

const settings = {
  id: z
    .union([z.string().min(1), z.number()])
    .optional()
    .describe('what reports call the line'),
  model: z.string().optional(),
  detail: detail.optional().describe('of images that say none themselves'),
  maxTokens: z.int().min(0).optional().describe('most tokens of the answer'),
};

const INPUT_KEYS = ['image', 'audio', 'video', 'path', 'text', 'textTokens'] as const;
const someInput = (item: Readonly<Record<string, unknown>>) =>
  INPUT_KEYS.some((key) => item[key] !== undefined);

const part = z.looseObject({ ...inputs, inputs: z.never().optional() }).refine(someInput);

/** A line of our own: one input or several. Keys that are not named here are passed over. */
export const itemSchema = z
  .looseObject({ ...settings, ...inputs, inputs: z.array(part).min(1).optional() })
  .refine((item) => someInput(item) || item.inputs !== undefined);

const body = z
  .looseObject({})
  .describe('the request as it would be sent: model, messages or input, max_tokens …');

/** A line as batch APIs take it, or the body of such a request alone. */
const requestSchema = z.union([
  z.looseObject({
    custom_id: z.string().optional(),
    method: z.literal('POST').optional(),
    url: z.string().optional(),
    body,
  }),
  z.looseObject({ custom_id: z.string().optional(), params: body }).describe("Anthropic's batches"),
  z.looseObject({ messages: z.array(z.looseObject({ role: z.string() })).min(1) }),
  z.looseObject({ input: z.union([z.string(), z.array(z.looseObject({})).min(1)]) }),
]);

/** The JSON Schema file of a line, by its name in `profiles/schema/`. */
export function manifestSchemas(): Readonly<Record<string, string>> {
  const json = {
    title: 'Line of a JSONL manifest of mmdeploy',
    ...z.toJSONSchema(z.union([itemSchema, requestSchema]), {
      io: 'input',
      reused: 'ref',
      unrepresentable: 'any',
    }),
  };
  return { 'manifest.json': `${JSON.stringify(json, null, 2)}\n` };
}
