/** Of a picture in a data URI this much is kept, in characters of base64: its first MiB. */
export const KEPT_PICTURE_CHARS = Math.ceil((1024 * 1024) / 3) * 4;
/** No byte of it occurs in it again before its end, so a broken match never hides another. */
const MARKER = Buffer.from('data:image/');
/** `svg+xml;charset=utf-8;base64,` and the like; what is longer is no data URI. */
const MAX_MEDIA_TYPE_BYTES = 128;
const COMMA = 0x2c;
/** Of these the size stands at the beginning and there is one frame; of a GIF all of it is needed. */
const STILL = /^(?:jpe?g|png)[;,]/i;

const BASE64 = new Uint8Array(256);
for (const code of Buffer.from(
  'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_=',
)) {
  BASE64[code] = 1;
}

export type LongLineOptions = {
  /** Kept of one line at most; it is refused beyond. */
  readonly maxBytes: number;
  /** Keep all of every picture: to decode it, or to tell it from others. */
  readonly wholePictures: boolean;
};

/**
 * A line that arrives in pieces. Of JPEG and PNG inside it only the beginning is kept, where
 * their header is: a request with a 50 MB photograph costs the memory of its first megabyte.
 */
export class LongLine {
  private pieces: Buffer[] = [];
  private kept = 0;
  private state: 'text' | 'media-type' | 'picture' = 'text';
  /** Bytes of the marker already seen, or of the media type, or of the picture. */
  private progress = 0;
  private mediaType = '';
  private readonly options: LongLineOptions;

  constructor(options: LongLineOptions) {
    this.options = options;
  }

  get empty(): boolean {
    return this.kept === 0;
  }

  push(piece: Buffer): void {
    let offset = 0;
    while (offset < piece.length) {
      if (this.state === 'text') offset = this.findMarker(piece, offset);
      else if (this.state === 'media-type') offset = this.findComma(piece, offset);
      else offset = this.passPicture(piece, offset);
    }
  }

  /** The line's bytes, null when they were more than allowed; ready for the next line then. */
  take(): Buffer | null {
    const line = this.kept > this.options.maxBytes ? null : Buffer.concat(this.pieces);
    this.pieces = [];
    this.kept = 0;
    this.enter('text');
    return line;
  }

  private findMarker(piece: Buffer, offset: number): number {
    const rest = MARKER.subarray(this.progress);
    const start = piece.subarray(offset, offset + rest.length);
    if (this.progress > 0 && start.equals(rest.subarray(0, start.length))) {
      this.keep(start);
      if (start.length === rest.length) this.enter('media-type');
      else this.progress += start.length;
      return offset + start.length;
    }
    const found = this.options.wholePictures ? -1 : piece.indexOf(MARKER, offset);
    if (found === -1) {
      this.keep(piece.subarray(offset));
      this.progress = this.options.wholePictures ? 0 : markerAtEnd(piece, offset);
      return piece.length;
    }
    this.keep(piece.subarray(offset, found + MARKER.length));
    this.enter('media-type');
    return found + MARKER.length;
  }

  private findComma(piece: Buffer, offset: number): number {
    const room = MAX_MEDIA_TYPE_BYTES - this.progress;
    const type = piece.subarray(offset, offset + room);
    const comma = type.indexOf(COMMA);
    const taken = comma === -1 ? type : type.subarray(0, comma + 1);
    this.keep(taken);
    this.progress += taken.length;
    this.mediaType += taken.toString('latin1');
    if (comma !== -1) this.enter(STILL.test(this.mediaType) ? 'picture' : 'text');
    else if (this.progress >= MAX_MEDIA_TYPE_BYTES) this.enter('text');
    return offset + taken.length;
  }

  private passPicture(piece: Buffer, offset: number): number {
    let end = offset;
    while (end < piece.length && BASE64[piece[end] ?? 0] === 1) end += 1;
    const room = Math.max(0, KEPT_PICTURE_CHARS - this.progress);
    this.keep(piece.subarray(offset, Math.min(end, offset + room)));
    this.progress += end - offset;
    if (end < piece.length) this.enter('text');
    return end;
  }

  private enter(state: LongLine['state']): void {
    this.state = state;
    this.progress = 0;
    this.mediaType = '';
  }

  /** Copies: the reader may use its buffer again. Beyond the limit nothing is held any more. */
  private keep(bytes: Buffer): void {
    if (bytes.length === 0) return;
    this.kept += bytes.length;
    if (this.kept > this.options.maxBytes) this.pieces = [];
    else this.pieces.push(Buffer.from(bytes));
  }
}

/** How much of the marker stands at the very end of `piece`. */
function markerAtEnd(piece: Buffer, offset: number): number {
  const most = Math.min(MARKER.length - 1, piece.length - offset);
  for (let length = most; length > 0; length--) {
    if (piece.subarray(piece.length - length).equals(MARKER.subarray(0, length))) return length;
  }
  return 0;
}
