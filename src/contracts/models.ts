import { z } from 'zod';
import { engineNameSchema } from './basis.ts';

/** `mmdeploy.models-vram/v1`: what `models --vram -o json` prints. Sizes in bytes, money in US dollars an hour. */
export const MODELS_VRAM_SCHEMA = 'mmdeploy.models-vram/v1';

const bytes = z.number().int().nonnegative().nullable();

const cardsSchema = z.object({ gpu: z.string(), usdPerHour: z.number().nullable() }).nullable();

export const modelsVramSchema = z.object({
  schema: z.literal(MODELS_VRAM_SCHEMA),
  /** What the recommended cards hold beside the weights. */
  workload: z.object({ contextPerSlot: z.number().int(), slots: z.number().int() }),
  models: z.array(
    z.object({
      id: z.string(),
      name: z.string(),
      engines: z.array(engineNameSchema),
      confidence: z.string(),
      /** Of the language model and of the encoder with its projector; null for an API model. */
      parameters: z.object({ text: z.number().int(), encoder: z.number().int() }).nullable(),
      /** Weights of the language model; the quants are null where no engine takes them. */
      weights: z.object({ F16: bytes, Q8_0: bytes, Q4_K_M: bytes }),
      /** The projector file in F16; null for a model that neither sees nor hears by itself. */
      encoderBytes: bytes,
      /** For Q4_K_M, or BF16 where only vLLM runs the model. */
      recommended: z
        .object({ quant: z.string(), smallest: cardsSchema, cheapest: cardsSchema })
        .nullable(),
    }),
  ),
});
export type ModelsVram = z.infer<typeof modelsVramSchema>;
