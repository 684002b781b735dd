import { z } from 'zod';
import { withoutLimits } from '../../profiles/json-schemas.ts';
import { DOCUMENTS, KINDS } from './index.ts';

/** The schemas as JSON Schema by name, for editors and to be held against the full ones. */
export function targetSchemas(): Readonly<Record<string, string>> {
  const entries = Object.entries({ ...DOCUMENTS, ...KINDS }).map(([name, schema]) => {
    const title = `${name}, as far as mmdeploy writes it`;
    const options = { io: 'input', reused: 'ref', override: withoutLimits } as const;
    const json = { title, ...z.toJSONSchema(schema, options) };
    return [fileName(name), `${JSON.stringify(json, null, 2)}\n`] as const;
  });
  return Object.fromEntries(entries);
}

/** `apps/v1 Deployment` to `deployment.json`. */
function fileName(name: string): string {
  return `${(name.split(' ')[1] ?? name).toLowerCase()}.json`;
}
