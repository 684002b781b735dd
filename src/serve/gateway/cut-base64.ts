/** What stands in front of the data of a data URI. */
const BEFORE = Buffer.from(';base64,');
/** Shorter data cost little as a part of the JSON. */
const LEAST_BYTES = 16_384;
const QUOTE = 0x22;
const BACKSLASH = 0x5c;

export type CutBody = {
  /** The body with a mark where each long base64 stood. */
  readonly body: Buffer;
  /** What stood there, by its mark: pieces of the sent body, not copied. */
  readonly texts: ReadonlyMap<string, Buffer>;
};

/**
 * A JSON body without its long base64: a picture of a megabyte is then neither made into a string nor
 * parsed, which costs more than all else that a known picture needs. `;base64,` has no place in JSON
 * outside of a string, so what follows it up to the next quote is the rest of that string, if no
 * backslash is within. null where there is nothing to cut. `secret` makes the marks; a client that knew it could
 * only name its own data twice.
 */
export function cutBase64(body: Buffer, secret: string): CutBody | null {
  const texts = new Map<string, Buffer>();
  const kept: Buffer[] = [];
  let done = 0;
  let found = body.indexOf(BEFORE);
  while (found !== -1) {
    const start = found + BEFORE.length;
    const end = body.indexOf(QUOTE, start);
    if (end === -1) break;
    const text = body.subarray(start, end);
    if (text.length >= LEAST_BYTES && !text.includes(BACKSLASH)) {
      const mark = `${secret}.${texts.size}`;
      texts.set(mark, text);
      kept.push(body.subarray(done, start), Buffer.from(mark));
      done = end;
    }
    found = body.indexOf(BEFORE, end);
  }
  if (texts.size === 0) return null;
  kept.push(body.subarray(done));
  return { body: Buffer.concat(kept), texts };
}
