import { z } from 'zod';

/** Kinds of values in the files of more than one reader, as strict as whoever reads them in the end. */

export const text = z.string().min(1);
export const port = z.number().int().min(1).max(65_535);
export const count = z.number().int().nonnegative();
export const seconds = z.number().int().min(1);

/**
 * An image with its registry's host or namespace, and a tag that stands for one version; a digest may follow.
 */
export const image = z
  .string()
  .regex(
    /^[a-z0-9][\w.-]*(:\d+)?(\/[a-z0-9][\w.-]*)*:(?!latest\b)\w[\w.-]{0,127}(@sha256:[0-9a-f]{64})?$/,
  );

export const absolutePath = z.string().startsWith('/');

/** What a variable of a process may be called. */
export const variableName = z.string().regex(/^[A-Za-z_]\w*$/);

/** Variables that hold a secret by their name: files name where it is to be had, and never the secret. */
export function isSecret(variable: string): boolean {
  return /(^|_)(TOKEN|KEY|SECRET|PASSWORD)$/i.test(variable);
}
