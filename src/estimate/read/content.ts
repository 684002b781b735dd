/** What a file holds by its first bytes; its name decides nothing here. */

export type Content =
  /** Or nothing that is known: the reader of images has the last word. */
  | { readonly kind: 'image' }
  | { readonly kind: 'svg' }
  | { readonly kind: 'pdf' }
  /** Sound or film; `known` where its container is read here, else ffprobe has to. */
  | { readonly kind: 'media'; readonly format: string; readonly known: boolean }
  /** Something with a name of its own that holds nothing to be counted. */
  | { readonly kind: 'other'; readonly what: string }
  | { readonly kind: 'text' };

/** How many first bytes `contentOf` looks at. */
const TEXT_BYTES = 4096;
/** A PDF may have so many bytes before its signature (ISO 32000-1, annex H, note 13). */
const PDF_BYTES = 1024;
/** No file with a signature is text for so long, a PDF aside. */
const SIGNED_BYTES = 64;
const TS_PACKET = 188;
const M2TS_PACKET = 192;

const IMAGE: Content = { kind: 'image' };
const media = (format: string, known: boolean): Content => ({ kind: 'media', format, known });

/** Brands of the `ftyp` box that are pictures: AVIF, HEIC and JPEG XL, JPEG 2000 in the same clothes. */
const PICTURE_BRANDS =
  /^(avif|avis|heic|heix|heim|heis|hevc|hevx|hevm|hevs|mif1|mif2|msf1|jp2 |jpx |jxl )$/;
const MEDIA_BOXES = /^(moov|mdat|wide|free|skip|pnot)$/;

/** The content of a file that starts with `head`; the rest of the file is not needed. */
export function contentOf(head: Buffer): Content {
  if (head.length === 0) return { kind: 'other', what: 'the file is empty' };
  if (starts(head, 0, '%PDF-') || head.subarray(0, PDF_BYTES).includes('\n%PDF-', 0, 'latin1')) {
    return { kind: 'pdf' };
  }
  // "GIF89a is a format" and "The free lunch" have a signature where files have theirs.
  return isText(head.subarray(0, SIGNED_BYTES)) ? written(head) : (signed(head) ?? written(head));
}

/** By signature. */
function signed(head: Buffer): Content | null {
  switch (head[0]) {
    case 0xff:
      return head[1] === 0xd8 ? IMAGE : framed(head);
    case 0x89:
      return IMAGE;
    case 0x52: // R
      return riff(head);
    case 0x1a:
      return starts(head, 0, '\x1a\x45\xdf\xa3') ? media('mkv', true) : null;
    case 0x4f: // O
      return starts(head, 0, 'OggS') ? media('ogg', true) : null;
    case 0x66: // f
      return starts(head, 0, 'fLaC') ? media('flac', true) : null;
    case 0x49: // I
      return starts(head, 0, 'ID3') ? media('mp3', true) : null;
    case 0x47: // G
      return starts(head, 0, 'GIF8') ? IMAGE : transport(head);
    case 0x00:
      return isoBox(head) ?? programStream(head) ?? transport(head);
    default:
      return rarer(head) ?? isoBox(head);
  }
}

function rarer(head: Buffer): Content | null {
  if (starts(head, 0, 'PK\x03\x04')) {
    return {
      kind: 'other',
      what: 'a ZIP archive or an Office document: unpack it or print it to PDF',
    };
  }
  if (starts(head, 0, '\xd0\xcf\x11\xe0')) {
    return { kind: 'other', what: 'an old Office document: print it to PDF' };
  }
  if (starts(head, 0, '\x30\x26\xb2\x75')) return media('asf', false);
  if (starts(head, 0, 'FLV\x01')) return media('flv', false);
  if (starts(head, 0, 'FORM') && starts(head, 8, 'AIF')) return media('aiff', false);
  if (starts(head, 0, '#!AMR')) return media('amr', false);
  if (starts(head, 0, 'caff')) return media('caf', false);
  return null;
}

function riff(head: Buffer): Content | null {
  if (!starts(head, 0, 'RIFF') && !starts(head, 0, 'RF64')) return null;
  if (starts(head, 8, 'WEBP')) return IMAGE;
  if (starts(head, 8, 'WAVE')) return media('wav', true);
  if (starts(head, 8, 'AVI ')) return media('avi', false);
  return { kind: 'other', what: 'a RIFF file that is neither WAVE, WebP nor AVI' };
}

/** MP3 and AAC without a container: eleven set bits and the fields behind them, none of them reserved. */
function framed(head: Buffer): Content | null {
  const [, second = 0, third = 0] = head;
  if ((second & 0xf6) === 0xf0) return media('aac', true);
  const layer3 = (second & 0xe6) === 0xe2 && (second & 0x18) !== 0x08;
  return layer3 && third >> 4 !== 0xf && (third & 0x0c) !== 0x0c ? media('mp3', true) : null;
}

function isoBox(head: Buffer): Content | null {
  const type = head.toString('latin1', 4, 8);
  if (type === 'ftyp') {
    const brand = head.toString('latin1', 8, 12);
    if (PICTURE_BRANDS.test(brand)) return IMAGE;
    return media(brand === 'qt  ' ? 'mov' : /^M4[AB] $/.test(brand) ? 'm4a' : 'mp4', true);
  }
  return MEDIA_BOXES.test(type) ? media('mov', true) : null;
}

function programStream(head: Buffer): Content | null {
  return starts(head, 0, '\0\0\x01\xba') || starts(head, 0, '\0\0\x01\xb3')
    ? media('mpeg', false)
    : null;
}

function transport(head: Buffer): Content | null {
  const every = (first: number, step: number) =>
    [0, 1, 2].every((index) => head[first + index * step] === 0x47);
  return every(0, TS_PACKET) || every(4, M2TS_PACKET) ? media('ts', false) : null;
}

/** By what stands in it: text is what UTF-8 can be, without control characters. */
function written(head: Buffer): Content {
  if (starts(head, 0, '\xff\xfe') || starts(head, 0, '\xfe\xff')) {
    return { kind: 'other', what: 'text in UTF-16: convert it to UTF-8' };
  }
  const start = head.subarray(0, TEXT_BYTES);
  if (!isText(start)) return IMAGE;
  const text = start.toString('utf8');
  if (SVG.test(text)) return { kind: 'svg' };
  return PLAIN_PNM.test(text) ? IMAGE : { kind: 'text' };
}

/** SVG is XML whose first element says so; HTML with a drawing in it is a text. */
const SVG = /^\ufeff?(\s|<\?xml[^>]*>|<!--[\s\S]*?-->|<!DOCTYPE\s+svg[^>]*>)*<svg[\s>]/i;
/** Netpbm pictures start with a text: a size, or the words of its newest form. */
const PLAIN_PNM = /^P([1-6]\s+(#[^\n]*\s+)*\d+\s+\d+\s|7\s+(#[^\n]*\s+)*(WIDTH|HEIGHT|DEPTH)\s)/;

function isText(bytes: Buffer): boolean {
  for (const byte of bytes) {
    // Tab to carriage return, and escape, which terminals' logs are full of.
    if (byte < 0x20 && (byte < 0x09 || byte > 0x0d) && byte !== 0x1b) return false;
  }
  return isUtf8(bytes);
}

/** Whether `bytes` are UTF-8, a character that the end cuts apart aside. */
function isUtf8(bytes: Buffer): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes, { stream: true });
    return true;
  } catch {
    return false;
  }
}

function starts(head: Buffer, at: number, signature: string): boolean {
  return head.toString('latin1', at, at + signature.length) === signature;
}
