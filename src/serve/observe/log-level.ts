export const LOG_LEVELS = ['debug', 'info', 'warn', 'error', 'silent'] as const;

/** The least that is written down: `warn` leaves out the requests that went well. */
export type LogLevel = (typeof LOG_LEVELS)[number];
