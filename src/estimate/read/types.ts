import type { EstimateInput, UnreadableInput } from '../../contracts/estimate.ts';
import type { RunCommand } from '../../process/run.ts';

export type ReaderOptions = {
  /** Prove that a file decodes, not only that its header is sound. */
  readonly decode: boolean;
  /** Dots per inch that pages of a PDF are taken at. */
  readonly pdfDpi: number;
  /** For ffprobe, which knows the containers that are not read here, and ffmpeg, which proves the rest. */
  readonly run: RunCommand;
  readonly signal: AbortSignal;
};

/** A regular file, as it was found. */
export type ReadableFile = {
  /** As the user wrote it: what reports call it. */
  readonly path: string;
  readonly absolute: string;
  readonly bytes: number;
};

export type ReadResult = readonly (EstimateInput | UnreadableInput)[];

export type ReadFile = (file: ReadableFile) => Promise<ReadResult>;

export function unreadable({ path }: { readonly path: string }, reason: string): ReadResult {
  return [{ path, reason }];
}
