import { z } from 'zod';

/**
 * `profiles/gpus.yaml`: what a card has that its driver does not print, and the capacity that a
 * what-if card would report. Every figure carries the mark of how it was learnt.
 */

const MARKS = ['read', 'computed', 'by-architecture', 'estimated', 'remembered'] as const;

const positive = z.number().positive();
const mark = z
  .enum(MARKS)
  .describe(
    'read: in a source; computed: from units and clocks; remembered: check before relying on it',
  );
const marked = <Value extends z.ZodType>(value: Value) => z.strictObject({ value, mark });

const cardSchema = z.strictObject({
  id: z.string().regex(/^[a-z0-9][a-z0-9.-]*$/),
  name: z.string().min(1).describe('as sold, as `--gpu` takes it'),
  vendor: z.enum(['nvidia', 'amd', 'apple', 'intel']),
  driverNames: z.array(z.string().min(1)).min(1).describe('exactly as the driver prints them'),
  mobile: z.boolean().default(false),
  memoryKind: z.enum(['dedicated', 'unified', 'shared_system']).default('dedicated'),
  memoryType: z.string().min(1),
  memoryGib: marked(z.array(positive).min(1)).describe('every capacity sold with this bandwidth'),
  reportedMib: z
    .array(marked(z.int().positive()))
    .default([])
    .describe('memory.total of the driver, ECC at its default first'),
  bandwidthGbs: marked(positive).describe('10^9 bytes a second'),
  fp16Tflops: marked(positive)
    .nullable()
    .describe('dense matrix FP16 with FP32 accumulation; null: no useful path'),
  compute: marked(z.string().min(1))
    .nullable()
    .describe('CUDA compute capability, gfx target or architecture'),
  devices: z.int().positive().default(1).describe('GPUs one module shows; figures are per module'),
  sources: z.array(z.string()).default([]),
  note: z.string().optional(),
});

export const gpuTableSchema = z.strictObject({
  collected: z.iso.date(),
  sources: z.record(z.string(), z.string()).describe('what the short names in `sources` stand for'),
  cards: z.array(cardSchema).min(1),
});

export type GpuCard = z.output<typeof cardSchema>;
