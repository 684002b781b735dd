import { GatewayError } from './errors.ts';

/**
 * The bytes of base64 as a client sent it, line breaks allowed. Throws `invalid_media` (400) that names
 * `place`. Node's decoder skips what is no base64: a length that does not add up tells that something was.
 */
export function decodeBase64(text: string, place: string): Buffer {
  const bytes = Buffer.from(text, 'base64');
  const length = decodedLength(text);
  if (bytes.length === length && length > 0) return bytes;
  const clean = text.replace(/\s+/g, '');
  if (clean.length < text.length) return decodeBase64(clean, place);
  const what = text === '' ? 'empty' : 'no valid base64';
  throw new GatewayError(400, 'invalid_media', `the data of \`${place}\` are ${what}`);
}

/** Bytes that base64 without line breaks stands for. */
export function decodedLength(text: string | Buffer): number {
  const end = text.slice(-2).toString();
  const padding = end === '==' ? 2 : end.endsWith('=') ? 1 : 0;
  return Math.floor(((text.length - padding) * 3) / 4);
}
