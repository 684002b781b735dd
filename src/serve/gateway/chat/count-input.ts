import { z } from 'zod';
import { GatewayError } from '../errors.ts';
import { countWritten } from '../estimate-prompt.ts';
import { askEngine, promptEngine } from '../prompt-engine.ts';
import type { CountInput, CountText } from './witness.ts';

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

/**
 * What is written in a prompt beside its media, by the engine's own template and vocabulary. null: this
 * build renders no prompts, or the request is no chat.
 */
export const countText: CountText = async (engine, taken, media, signal) => {
  try {
    const { written, markers } = await countWritten(taken, media, promptEngine(engine, signal));
    return markers === media.flat().length ? written : null;
  } catch (error) {
    if (error instanceof GatewayError) return null;
    throw error;
  }
};
