import { Busboy } from '@fastify/busboy';
import { messageOf } from '../../../errors.ts';
import { GatewayError } from '../errors.ts';

export type Form = {
  /** The first value of each field. */
  readonly fields: ReadonlyMap<string, string>;
  /** The first file of each name. */
  readonly files: ReadonlyMap<string, Buffer>;
};

/** Far more than any interface has: a form of a million parts costs time before it is refused. */
const MAX_PARTS = 100;

/**
 * A `multipart/form-data` body that is already in memory, and so within the limit of bodies. Throws
 * `invalid_form` (400) for what is none, or was cut off.
 */
export async function parseForm(body: Buffer, contentType: string): Promise<Form> {
  const fields = new Map<string, string>();
  const files = new Map<string, Buffer>();
  try {
    await new Promise<void>((resolve, reject) => {
      const parser = new Busboy({
        headers: { 'content-type': contentType },
        limits: { parts: MAX_PARTS, fieldSize: body.length },
      });
      parser.on('field', (name, value) => {
        if (!fields.has(name)) fields.set(name, value);
      });
      parser.on('file', (name, stream) => {
        const chunks: Buffer[] = [];
        stream.on('data', (chunk: Buffer) => chunks.push(chunk));
        stream.on('error', reject);
        stream.on('end', () => {
          if (!files.has(name)) files.set(name, Buffer.concat(chunks));
        });
      });
      parser.on('partsLimit', () => reject(new Error(`more than ${MAX_PARTS} parts`)));
      parser.on('error', reject);
      parser.on('finish', resolve);
      parser.end(body);
    });
  } catch (error) {
    throw new GatewayError(400, 'invalid_form', `the form cannot be read: ${messageOf(error)}`);
  }
  return { fields, files };
}
