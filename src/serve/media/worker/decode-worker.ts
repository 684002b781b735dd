import { parentPort } from 'node:worker_threads';
import { messageOf } from '../../../errors.ts';
import { decodeBmp } from './bmp.ts';
import { decodeHeic } from './heic.ts';
import type { Job, JobAnswer, JobMessage, JobResult } from './jobs.ts';
import { JobError } from './jobs.ts';
import { drawPdfPage, pdfPages } from './pdf.ts';
import { decodeSound } from './sound.ts';

/** The thread in which everything is decoded that would hold up the server: see `decode-thread.ts`. */
parentPort?.on('message', ({ id, job }: JobMessage) => {
  void answerTo(id, job).then((answer) => {
    const made = 'result' in answer ? answer.result : null;
    const data = made instanceof Int16Array ? made : typeof made === 'object' ? made?.data : null;
    // Moved, not copied.
    const moved = data?.buffer instanceof ArrayBuffer ? [data.buffer] : [];
    parentPort?.postMessage(answer, moved);
  });
});

async function answerTo(id: number, job: Job): Promise<JobAnswer> {
  try {
    return { id, result: await resultOf(job) };
  } catch (error) {
    if (error instanceof JobError) return { id, failure: error.failure };
    const [why = ''] = messageOf(error).split('\n');
    return { id, failure: { kind: 'damaged', why: `it does not decode: ${why}` } };
  }
}

function resultOf(job: Job): JobResult | Promise<JobResult> {
  switch (job.kind) {
    case 'bmp':
      return decodeBmp(job.file, job.maxPixels);
    case 'heic':
      return decodeHeic(job.file, job.maxPixels);
    case 'pdf-pages':
      return pdfPages(job.file);
    case 'pdf-page':
      return drawPdfPage(job);
    case 'sound':
      return decodeSound(job.file, job.maxSeconds);
  }
}
