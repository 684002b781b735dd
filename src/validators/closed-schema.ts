import { readFile } from 'node:fs/promises';
import { messageOf } from '../errors.ts';
import { DOCUMENTS, kubernetesFindings, schemaFindings } from '../render/schema/index.ts';
import { checked } from './report.ts';
import type { Checked } from './report.ts';

/** What a YAML file is to be: one document, or any number of Kubernetes objects. */
export type SchemaName = keyof typeof DOCUMENTS | 'kubernetes';

/**
 * Our own closed schemas on one YAML file: every field has to be one that mmdeploy writes, with a value of
 * its kind; of Kubernetes objects the API server's own rules and the names between them as well. It needs no
 * program; where the reader's own is at hand, that proves more. YAML itself is held to one key of a name and
 * no warnings.
 */
export async function closedSchema(file: string, schema: SchemaName): Promise<Checked> {
  const validator =
    schema === 'kubernetes'
      ? 'closed schema and rules of Kubernetes objects'
      : `closed schema of ${schema}`;
  let documents: unknown[];
  try {
    documents = await yamlDocuments(file);
  } catch (error) {
    return checked(validator, [messageOf(error)]);
  }
  if (schema === 'kubernetes') {
    const findings = documents.length === 0 ? ['no object'] : kubernetesFindings(documents);
    return checked(validator, findings);
  }
  if (documents.length !== 1) return checked(validator, [`${documents.length} documents, not one`]);
  return checked(validator, schemaFindings(DOCUMENTS[schema], documents[0]));
}

/** The documents of a YAML file. Throws where it is none, or says one thing twice. */
export async function yamlDocuments(file: string): Promise<unknown[]> {
  const { parseAllDocuments } = await import('yaml');
  // As the readers of Kubernetes' kind do, which take YAML 1.1.
  const documents = parseAllDocuments(await readFile(file, 'utf8'), { schema: 'yaml-1.1' });
  if (!Array.isArray(documents)) return [];
  return documents.map((document) => {
    const [fault] = [...document.errors, ...document.warnings];
    if (fault !== undefined) throw fault;
    return document.toJS() as unknown;
  });
}
