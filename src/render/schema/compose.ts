import { z } from 'zod';
import { absolutePath, image, isSecret, text, variableName } from './values.ts';

/**
 * The part of the Compose specification that is written. `docker-compose config` proves more where it is at
 * hand; this holds everywhere, and is stricter: one form of each field, and no privileges.
 */

/** `$` that is no variable is doubled; a variable is one that has to be given. */
const literal = z.string().regex(/^([^$]|\$\$|\$\{[A-Z_]+:\?[^}]*\})*$/s);

/** Go's durations, without fractions. */
const duration = z
  .string()
  .regex(/^(\d+h)?(\d+m)?(\d+s)?$/)
  .min(2);

/** Bytes, or a number with Docker's unit. */
const size = z.string().regex(/^\d+([bkmg]b?)?$/);

const bind = z.strictObject({
  type: z.literal('bind'),
  source: literal.regex(/^(\/|\.\/|\$\{)/),
  target: absolutePath,
  read_only: z.boolean().optional(),
  bind: z.strictObject({ create_host_path: z.boolean() }).optional(),
});
const named = z.strictObject({
  type: z.literal('volume'),
  source: text,
  target: absolutePath,
  read_only: z.boolean().optional(),
});

const published = z.strictObject({
  target: z.number().int().min(1).max(65_535),
  published: z.string().regex(/^\d{1,5}$/),
  host_ip: text.optional(),
  protocol: z.enum(['tcp', 'udp']).optional(),
});

const device = z.strictObject({
  driver: z.enum(['nvidia', 'cdi']),
  device_ids: z.array(z.string().regex(/^(nvidia\.com\/gpu=)?(\d+|all|(GPU|MIG)-[\w-]+)$/)).min(1),
  capabilities: z.array(z.literal('gpu')).length(1),
});

/** Null: taken from the shell that starts it, where it is set. */
const environment = z.record(variableName, literal.nullable()).superRefine((variables, check) => {
  for (const [name, value] of Object.entries(variables)) {
    if (value === null || !isSecret(name) || /^\$\{[A-Z_]+:\?[^}]*\}$/.test(value)) continue;
    check.addIssue({ code: 'custom', path: [name], message: 'a secret stands in the file' });
  }
});

const service = z.strictObject({
  image,
  build: z.strictObject({ context: text, dockerfile: text.optional() }).optional(),
  entrypoint: z.array(literal).optional(),
  command: z.array(literal).optional(),
  environment: environment.optional(),
  ports: z.array(published).optional(),
  volumes: z.array(z.union([bind, named])).optional(),
  devices: z.array(z.string().regex(/^\/dev\/[\w/-]+:\/dev\/[\w/-]+$/)).optional(),
  group_add: z.array(literal.regex(/^(\d+|\$\{.+\})$/)).optional(),
  user: z
    .string()
    .regex(/^\d+:\d+$/)
    .optional(),
  read_only: z.boolean().optional(),
  tmpfs: z.array(absolutePath).optional(),
  cap_drop: z.array(z.literal('ALL')).optional(),
  security_opt: z.array(z.enum(['no-new-privileges:true'])).optional(),
  ipc: z.enum(['private', 'host']).optional(),
  shm_size: size.optional(),
  mem_limit: size.optional(),
  ulimits: z.strictObject({ memlock: z.number().int().optional() }).optional(),
  healthcheck: z
    .strictObject({
      test: z.tuple([z.literal('CMD')], literal),
      interval: duration.optional(),
      timeout: duration.optional(),
      retries: z.number().int().min(1).optional(),
      start_period: duration.optional(),
      start_interval: duration.optional(),
    })
    .optional(),
  deploy: z
    .strictObject({
      resources: z.strictObject({
        limits: z.strictObject({ memory: size }).optional(),
        reservations: z.strictObject({ devices: z.array(device).min(1) }).optional(),
      }),
    })
    .optional(),
  restart: z.enum(['unless-stopped', 'always', 'on-failure', 'no']).optional(),
  stop_grace_period: duration.optional(),
  init: z.boolean().optional(),
});

export const composeFile = z.strictObject({
  name: z.string().regex(/^[a-z0-9][a-z0-9_-]*$/),
  services: z.record(z.string().regex(/^[a-z0-9][a-z0-9._-]*$/), service),
  volumes: z.record(text, z.strictObject({})).optional(),
});
