/** What the worker is asked, and what it answers; plain values, they travel between threads. */
export type Job =
  | { readonly kind: 'bmp'; readonly file: Uint8Array; readonly maxPixels: number }
  | { readonly kind: 'heic'; readonly file: Uint8Array; readonly maxPixels: number }
  | { readonly kind: 'pdf-pages'; readonly file: Uint8Array }
  | {
      readonly kind: 'pdf-page';
      readonly file: Uint8Array;
      readonly index: number;
      readonly dpi: number;
      readonly maxPixels: number;
    }
  | { readonly kind: 'sound'; readonly file: Uint8Array; readonly maxSeconds: number };

export type Picture = {
  readonly width: number;
  readonly height: number;
  readonly channels: 3 | 4;
  readonly data: Uint8Array;
};

/** Of each kind of job. */
export type JobResults = {
  readonly bmp: Picture;
  readonly heic: Picture;
  readonly 'pdf-pages': number;
  readonly 'pdf-page': Picture;
  /** Mono, 16 kHz. */
  readonly sound: Int16Array;
};

export type JobKind = Job['kind'];
export type JobResult = JobResults[JobKind];

export type JobMessage = { readonly id: number; readonly job: Job };

/** Why a job has no result: the file's fault, or more pixels or seconds than allowed. */
export type JobFailure =
  | { readonly kind: 'damaged'; readonly why: string }
  | { readonly kind: 'pixels'; readonly width: number; readonly height: number }
  | { readonly kind: 'seconds'; readonly seconds: number };

export type JobAnswer = { readonly id: number } & (
  { readonly result: JobResult } | { readonly failure: JobFailure }
);

/** Thrown within the worker; `postMessage` would keep only the message of an error. */
export class JobError extends Error {
  readonly failure: JobFailure;

  constructor(failure: JobFailure) {
    super(failure.kind === 'damaged' ? failure.why : failure.kind);
    this.name = 'JobError';
    this.failure = failure;
  }
}

/** Throws for a picture of more pixels than allowed, before it is decoded. */
export function withinPixels(width: number, height: number, most: number): void {
  if (!(width > 0 && height > 0)) {
    throw new JobError({ kind: 'damaged', why: `its header says ${width}x${height} pixels` });
  }
  if (width * height > most) throw new JobError({ kind: 'pixels', width, height });
}
