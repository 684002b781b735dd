import { KEPT_PICTURE_CHARS } from './long-line.ts';

export type DataBytes = {
  readonly bytes: Uint8Array;
  readonly whole: boolean;
  readonly mediaType: string | null;
};

/** The part before the comma is a media type and a few parameters. */
const MAX_HEAD_CHARS = 256;

/**
 * The bytes of a data URI; just the length that a long line keeps of a picture is taken for a part of it.
 * Returns what is wrong with it as text.
 */
export function dataUri(uri: string): DataBytes | string {
  const head = uri.slice(0, MAX_HEAD_CHARS);
  const comma = head.indexOf(',');
  if (comma === -1) return 'a data URI without a comma after its type';
  const [mediaType = '', ...parameters] = head
    .slice('data:'.length, comma)
    .toLowerCase()
    .split(';');
  if (!parameters.includes('base64')) return 'a data URI that is not base64';
  return base64Bytes(uri.slice(comma + 1), mediaType === '' ? null : mediaType);
}

/** As `dataUri`, of bare base64. */
export function base64Bytes(text: string, mediaType: string | null): DataBytes | string {
  const bytes = Buffer.from(text, 'base64');
  if (bytes.length === 0) return 'base64 without a single byte';
  // Node skips what is no base64: bytes that are missing were other characters.
  const least = ((text.length * 3) / 4) * (1 - LINE_BREAKS) - PADDING_BYTES;
  return bytes.length < least
    ? 'not base64'
    : { bytes, whole: text.length !== KEPT_PICTURE_CHARS, mediaType };
}

/** Share of a text that line breaks take, as MIME writes base64: two of every 78 characters. */
const LINE_BREAKS = 0.03;
const PADDING_BYTES = 3;
