import { MACHINE_SCHEMA, machineSchema } from '../contracts/machine.ts';
import type { Machine } from '../contracts/machine.ts';
import { messageOf, MmdeployError } from '../errors.ts';

const HINT = 'save one on the machine in question: `mmdeploy doctor -o json > machine.json`';

/**
 * The machine of a saved `mmdeploy doctor -o json`, for `plan --machine FILE`. Throws
 * `machine.invalid` naming the file and, where there is one, the field.
 *
 * @param file as the person named it; only for messages
 */
export function parseMachine(text: string, file: string): Machine {
  const document = parseJson(text, file);
  const schema =
    typeof document === 'object' && document !== null && 'schema' in document
      ? document.schema
      : undefined;
  if (schema !== MACHINE_SCHEMA) {
    const found = schema === undefined ? 'has no `schema` field' : `is ${JSON.stringify(schema)}`;
    throw new MmdeployError('machine.invalid', `${file} ${found}, wanted ${MACHINE_SCHEMA}`, {
      hints: [HINT, `\`mmdeploy --version\` of both machines should agree`],
    });
  }
  const parsed = machineSchema.safeParse(document);
  if (parsed.success) return parsed.data;
  const details = parsed.error.issues.map(
    ({ path, message }) =>
      `${pathText(path)}: ${/received undefined$/.test(message) ? 'missing' : message}`,
  );
  throw new MmdeployError('machine.invalid', `${file}: ${details[0] ?? 'not a machine'}`, {
    hints: [HINT],
    details: details.slice(1, 10),
  });
}

function parseJson(text: string, file: string): unknown {
  try {
    // Windows shells that redirect write a byte order mark.
    return JSON.parse(text.replace(/^\uFEFF/, '')) as unknown;
  } catch (cause) {
    throw new MmdeployError(
      'machine.invalid',
      `${file} is not JSON: ${messageOf(cause).replace(/\s+/g, ' ')}`,
      {
        hints: [HINT],
        cause,
      },
    );
  }
}

/** `gpus[0].totalBytes`. */
function pathText(path: readonly PropertyKey[]): string {
  return path
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
    .join('')
    .replace(/^\./, '');
}
