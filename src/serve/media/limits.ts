import { GatewayError } from '../gateway/errors.ts';

/** What a request may cost before anything is decoded. */
export type MediaLimits = {
  /** Of one picture, page or frame, as its header says it. */
  readonly maxImagePixels: number;
  /** Pictures of one request, pages of documents included; a film's frames have a limit of their own. */
  readonly maxImages: number;
  readonly maxPdfPages: number;
  readonly maxAudioSeconds: number;
  readonly maxVideoSeconds: number;
  /** Of a file that is fetched; what is sent in the request is limited by its body. */
  readonly maxRemoteBytes: number;
};

export const DEFAULT_MEDIA_LIMITS: Omit<MediaLimits, 'maxRemoteBytes'> = {
  // Phones take 48 to 50 megapixels.
  maxImagePixels: 64_000_000,
  maxImages: 32,
  maxPdfPages: 16,
  maxAudioSeconds: 1800,
  maxVideoSeconds: 60,
};

/** 400: the medium is not what it has to be, and no limit would help. */
export function refused(place: string, why: string): GatewayError {
  return new GatewayError(400, 'invalid_media', `\`${place}\`: ${why}`);
}

/** 413: it would be served under a higher limit; the message names its flag. */
export function overLimit(place: string, what: string, limit: number, flag: string): GatewayError {
  const message = `\`${place}\` has ${what}, and this server takes at most ${limit} (\`${flag}\`)`;
  return new GatewayError(413, 'media_too_large', message);
}

/** Throws `media_too_large` for a picture of more pixels than allowed, `invalid_media` for one of none. */
export function checkPixels(
  place: string,
  { width, height }: { readonly width: number; readonly height: number },
  limit: number,
): void {
  if (!(width > 0 && height > 0)) {
    throw refused(place, `its header says ${width}x${height} pixels`);
  }
  if (width * height > limit) {
    const what = `${width}x${height} = ${width * height} pixels`;
    throw overLimit(place, what, limit, '--max-image-pixels');
  }
}
