import { z } from 'zod';
import { estimateSchema } from '../contracts/estimate-schema.ts';
import { gpuTableSchema } from './gpu-schema.ts';
import { gpuPriceListSchema } from './gpu-price-schema.ts';
import { priceListSchema } from './price-schema.ts';
import { familySchema } from './schema.ts';

const SCHEMAS = {
  'family.json': { title: 'Model family of mmdeploy', schema: familySchema },
  'gpus.json': { title: 'GPU table of mmdeploy', schema: gpuTableSchema },
  'gpu-prices.json': { title: 'GPU rental prices of mmdeploy', schema: gpuPriceListSchema },
  'prices.json': { title: 'API prices of mmdeploy', schema: priceListSchema },
} as const satisfies Record<string, { title: string; schema: z.ZodType }>;

/** The JSON Schema files of `profiles/schema/` by name, as text: what an editor checks a profile with, a script a report. */
export function profileSchemas(): Readonly<Record<string, string>> {
  return { ...ofProfiles(), 'estimate.json': reportSchema() };
}

/** A later version may add fields to a report, so none is forbidden. */
function reportSchema(): string {
  const open = (context: { jsonSchema: z.core.JSONSchema.BaseSchema }) => {
    withoutLimits(context);
    delete context.jsonSchema.additionalProperties;
  };
  const schema = z.toJSONSchema(estimateSchema, { io: 'output', reused: 'ref', override: open });
  const title = 'Report of mmdeploy estimate (mmdeploy.estimate/v1)';
  return `${JSON.stringify({ title, ...schema }, null, 2)}\n`;
}

function ofProfiles(): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(SCHEMAS).map(([name, { title, schema }]) => {
      // What is written in the file, so defaults are optional there.
      const json = {
        title,
        ...z.toJSONSchema(schema, { io: 'input', reused: 'ref', override: withoutLimits }),
      };
      return [name, `${JSON.stringify(json, null, 2)}\n`];
    }),
  );
}

/** zod states the range of a double's integers on every count: noise to whoever reads the schema. */
export function withoutLimits({ jsonSchema }: { jsonSchema: z.core.JSONSchema.BaseSchema }): void {
  if (jsonSchema.maximum === Number.MAX_SAFE_INTEGER) delete jsonSchema.maximum;
  if (jsonSchema.minimum === Number.MIN_SAFE_INTEGER) delete jsonSchema.minimum;
}
