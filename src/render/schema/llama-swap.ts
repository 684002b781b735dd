import { z } from 'zod';
import { count, text } from './values.ts';

/** llama-swap's config.yaml, of version 250; its own schema takes unknown keys at most levels. */

const modality = z.enum(['text', 'image', 'audio']);

const model = z.strictObject({
  /** It starts what stands here, with `${PORT}` put in. */
  cmd: z.string().regex(/\$\{PORT\}/),
  name: z.string().max(128).optional(),
  description: z.string().max(1024).optional(),
  env: z.array(z.string().regex(/^[A-Z_][A-Z0-9_]*=/)).optional(),
  aliases: z.array(text).optional(),
  checkEndpoint: z.string().startsWith('/').optional(),
  ttl: count.optional(),
  unloadTimeout: count.optional(),
  concurrencyLimit: count.optional(),
  capabilities: z
    .strictObject({
      in: z.array(modality).min(1).optional(),
      out: z.array(modality).min(1).optional(),
      tools: z.boolean().optional(),
      context: count.optional(),
    })
    .optional(),
});

export const llamaSwapConfig = z.strictObject({
  healthCheckTimeout: z.number().int().min(15).optional(),
  logLevel: z.enum(['debug', 'info', 'warn', 'error']).optional(),
  startPort: z.number().int().min(1024).max(65_535).optional(),
  globalTTL: count.optional(),
  models: z.record(text, model),
});
