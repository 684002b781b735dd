import { z } from 'zod';
import { text } from './values.ts';

/** Values that every Kubernetes object is made of, with the limits that its API server holds them to. */

/** RFC 1123 label: containers, services, volumes. */
export const label = z
  .string()
  .max(63)
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/);

/** RFC 1123 subdomain: names of most objects. */
export const objectName = z
  .string()
  .max(253)
  .regex(/^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/);

/** Name of a port: at most 15 characters with a letter among them. */
export const portName = z
  .string()
  .max(15)
  .regex(/^[a-z0-9-]*[a-z][a-z0-9-]*$/);

const qualifiedName = z
  .string()
  .regex(/^([a-z0-9]([a-z0-9.-]*[a-z0-9])?\/)?[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/);

const labelValue = z
  .string()
  .max(63)
  .regex(/^([A-Za-z0-9]([\w.-]*[A-Za-z0-9])?)?$/);

export const labels = z.record(qualifiedName, labelValue);

export const annotations = z.record(qualifiedName, z.string());

export const metadata = z.strictObject({
  name: objectName,
  namespace: label.optional(),
  labels: labels.optional(),
  annotations: annotations.optional(),
});

/** A quantity, always in quotes: `500m`, `24Gi`, `1.5`. */
export const quantity = z.string().regex(/^\d+(\.\d+)?(m|k|[MGTPE]|[KMGTPE]i)?$/);

/** By what the scheduler counts; a resource of a device plugin has its vendor's domain in front. */
export const resources = z.record(
  z
    .string()
    .regex(
      /^(cpu|memory|ephemeral-storage|(nvidia|amd)\.com\/gpu|gpu\.intel\.com\/(i915|xe)|nvidia\.com\/mig-\d+g\.\d+gb(\.me)?)$/,
    ),
  quantity,
);

const requirement = z.strictObject({
  key: qualifiedName,
  operator: z.enum(['In', 'NotIn', 'Exists', 'DoesNotExist']),
  values: z.array(labelValue).optional(),
});

export const labelSelector = z.strictObject({
  matchLabels: labels.optional(),
  matchExpressions: z.array(requirement).optional(),
});

/** A number, or a share as `25%`. */
export const numberOrShare = z.union([z.number().int().nonnegative(), z.string().regex(/^\d+%$/)]);

export const reference = z.strictObject({ apiVersion: text, kind: text, name: objectName });
