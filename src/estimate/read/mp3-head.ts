import type { OpenFile } from './open-file.ts';
import { openFile } from './open-file.ts';

/** What the first frame of an MP3 says of the others, where an encoder wrote so. */
export type Mp3Head = {
  readonly samplesPerFrame: number;
  /** Frames that follow; null where nothing says. */
  readonly frames: number | null;
  /** Samples that the encoder put before and behind the sound; null where it wrote nothing of itself. */
  readonly lame: { readonly delay: number; readonly padding: number } | null;
};

const ID3_HEAD = 10;
const FRAME_BYTES = 1024;
const MPEG1 = 3;
const MONO = 3;

/** Reads the tag of the first frame (Xing or Info, with LAME's behind it); null where there is no MPEG audio. */
export function readMp3Head(path: string): Mp3Head | null {
  const file = openFile(path);
  try {
    return headOf(file);
  } finally {
    file.close();
  }
}

function headOf(file: OpenFile): Mp3Head | null {
  let position = 0;
  let frame = file.readAt(position, FRAME_BYTES);
  while (frame.toString('latin1', 0, 3) === 'ID3' && frame.length > ID3_HEAD) {
    position += ID3_HEAD + id3Bytes(frame);
    frame = file.readAt(position, FRAME_BYTES);
  }
  const [first = 0, second = 0, , fourth = 0] = frame;
  if (first !== 0xff || (second & 0xe0) !== 0xe0) return null;
  const isFirst = ((second >> 3) & 3) === MPEG1;
  const isMono = fourth >> 6 === MONO;
  const samplesPerFrame = isFirst ? 1152 : 576;
  const side = isFirst ? (isMono ? 17 : 32) : isMono ? 9 : 17;
  return { samplesPerFrame, ...tagOf(frame.subarray(4 + side)) };
}

/** Four times seven bits. */
function id3Bytes(head: Buffer): number {
  return [6, 7, 8, 9].reduce((size, at) => size * 128 + ((head[at] ?? 0) & 0x7f), 0);
}

/** The optional fields of a Xing tag: their flags, and how many bytes each takes. */
const FIELDS = [4, 4, 100, 4] as const;
const LAME_BYTES = 24;

function tagOf(tag: Buffer): Pick<Mp3Head, 'frames' | 'lame'> {
  if (!['Xing', 'Info'].includes(tag.toString('latin1', 0, 4))) return { frames: null, lame: null };
  const flags = tag.readUInt32BE(4);
  const frames = (flags & 1) === 0 ? null : tag.readUInt32BE(8);
  const fields = FIELDS.reduce((sum, bytes, bit) => sum + ((flags >> bit) & 1) * bytes, 0);
  const lame = tag.subarray(8 + fields);
  if (lame.length < LAME_BYTES || lame[0] === 0) return { frames, lame: null };
  const [a = 0, b = 0, c = 0] = lame.subarray(21);
  return { frames, lame: { delay: (a << 4) | (b >> 4), padding: ((b & 0xf) << 8) | c } };
}
