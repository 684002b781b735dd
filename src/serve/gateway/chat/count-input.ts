import { z } from 'zod';
import { GatewayError } from '../errors.ts';
import { askEngine } from '../prompt-engine.ts';
import type { CountInput } from './witness.ts';

/** Chat and responses answer `input_tokens` in both of their forms, messages too. */
const counted = z.object({ input_tokens: z.int().nonnegative() });

/** llama-server's own count of a request; nothing is encoded for it. null: this build has no such route. */
export const countInput: CountInput = async (engine, path, body, signal) => {
  try {
    return (await askEngine(engine, signal, path, body, counted)).input_tokens;
  } catch (error) {
    if (error instanceof GatewayError && error.status === 404) return null;
    throw error;
  }
};
