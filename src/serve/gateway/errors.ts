/** An error that the gateway itself answers with; the engine's own errors are passed on as they are. */
export class GatewayError extends Error {
  readonly status: number;
  readonly code: string;
  /** Seconds, for the `Retry-After` header; null where trying again would not help. */
  readonly retryAfter: number | null;

  constructor(status: number, code: string, message: string, retryAfter: number | null = null) {
    super(message);
    this.name = 'GatewayError';
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
  }
}

export type ErrorBody = {
  readonly error: {
    readonly message: string;
    readonly type: string;
    readonly param: string | null;
    readonly code: string;
  };
  /** Who speaks: an error without it is the engine's. */
  readonly src: 'mmdeploy';
};

/** The error object of the OpenAI interface, which every client library can read. */
export function errorBody(status: number, code: string, message: string): ErrorBody {
  return { error: { message, type: errorType(status), param: null, code }, src: 'mmdeploy' };
}

function errorType(status: number): string {
  if (status === 401) return 'authentication_error';
  if (status >= 500) return status === 503 ? 'service_unavailable_error' : 'server_error';
  return 'invalid_request_error';
}

/** The last event of a stream that broke: OpenAI's clients raise it as an error. */
export function errorEvent(status: number, code: string, message: string): string {
  return `data: ${JSON.stringify(errorBody(status, code, message))}\n\n`;
}
