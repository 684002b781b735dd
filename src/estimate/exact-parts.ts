import { monoWav } from '../wav.ts';
import { readFile, stat } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { EstimateInput } from '../contracts/estimate.ts';
import { flatPng } from './flat-png.ts';

/** What is sent for one input, or why nothing is. */
export type ExactPart =
  { readonly part: unknown; readonly from: 'file' | 'made' } | { readonly unasked: string };

const MIB = 1024 * 1024;
/** Of one file: its request is a third larger, and held in memory. */
const MAX_FILE_BYTES = 32 * MIB;
/** Of a picture that is made for its size: 50,000 x 50,000 pixels would be decoded to 7.5 GB. */
const MAX_PIXELS = 64_000_000;
const MAX_SECONDS = 600;
/** Samples a second of a clip that is made. */
const RATE = 16_000;

/** The formats of sound that the engine tells from their names. */
const SOUND_FORMATS: ReadonlySet<string> = new Set(['wav', 'mp3']);

/**
 * A part of a chat message for an input: the file's own bytes where it has one, else a picture or a silence
 * of just its size. Never throws for an unreadable file: it is made then.
 */
export async function exactPart(input: EstimateInput, cwd: string): Promise<ExactPart> {
  switch (input.modality) {
    case 'image':
      return imagePart(input, cwd);
    case 'audio':
      return soundPart(input, cwd);
    case 'video':
      return { unasked: 'a film is asked for by its frames only' };
    case 'text':
      return { unasked: 'text is counted by the tokenizer' };
  }
}

async function imagePart(input: EstimateInput, cwd: string): Promise<ExactPart> {
  const own = await ownBytes(input, cwd);
  const file = own ?? madePicture(input);
  if (file === null) return { unasked: `more than ${MAX_PIXELS / 1e6} million pixels` };
  const type = own === null ? 'png' : (input.format ?? 'png');
  const url = `data:image/${type};base64,${file.toString('base64')}`;
  return {
    part: { type: 'image_url', image_url: { url } },
    from: own === null ? 'made' : 'file',
  };
}

async function soundPart(input: EstimateInput, cwd: string): Promise<ExactPart> {
  const own = SOUND_FORMATS.has(input.format ?? '') ? await ownBytes(input, cwd) : null;
  const seconds = input.seconds ?? 0;
  if (own === null && seconds > MAX_SECONDS) return { unasked: `longer than ${MAX_SECONDS} s` };
  const data = (own ?? monoWav(Math.round(seconds * RATE), RATE)).toString('base64');
  const format = own === null ? 'wav' : input.format;
  return {
    part: { type: 'input_audio', input_audio: { data, format } },
    from: own === null ? 'made' : 'file',
  };
}

/** Null for a description, a page of a document, and a file that is too large or gone. */
async function ownBytes(
  { input, format, document }: EstimateInput,
  cwd: string,
): Promise<Buffer | null> {
  if (format === null || document !== null) return null;
  const path = resolve(cwd, input);
  const found = await stat(path).catch(() => null);
  if (found === null || !found.isFile() || found.size > MAX_FILE_BYTES) return null;
  return readFile(path).catch(() => null);
}

/** A PNG as large as the engine would decode the input: it does not turn by EXIF. */
function madePicture({ width, height, turned }: EstimateInput): Buffer | null {
  if (width === null || height === null || width * height > MAX_PIXELS) return null;
  return flatPng(turned ? { width: height, height: width } : { width, height });
}
