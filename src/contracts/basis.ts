import { z } from 'zod';

/** Where a number comes from, most trusted first. */
const BASES = ['measured', 'simulated', 'gguf', 'profile', 'assumed'] as const;
export const basisSchema = z.enum(BASES);
export type Basis = z.infer<typeof basisSchema>;

/** How far a token count can be trusted; an unknown count is `null`, never 0. */
export const CONFIDENCES = ['exact', 'formula', 'range', 'unknown'] as const;
export type Confidence = (typeof CONFIDENCES)[number];

const MODALITIES = ['text', 'image', 'audio', 'video'] as const;
export const modalitySchema = z.enum(MODALITIES);
export type Modality = z.infer<typeof modalitySchema>;

const ENGINES = ['llama.cpp', 'vllm', 'api'] as const;
export const engineNameSchema = z.enum(ENGINES);
export type EngineName = z.infer<typeof engineNameSchema>;
