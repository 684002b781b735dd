import type { Json } from '../json.ts';

/** Anthropic's word for an HTTP status; its clients choose the class of the error they throw by it. */
export function messagesErrorType(status: number): string {
  switch (status) {
    case 401:
      return 'authentication_error';
    case 403:
      return 'permission_error';
    case 404:
      return 'not_found_error';
    case 413:
      return 'request_too_large';
    case 429:
      return 'rate_limit_error';
    case 503:
      return 'overloaded_error';
    case 504:
      return 'timeout_error';
    default:
      return status >= 500 ? 'api_error' : 'invalid_request_error';
  }
}

/** An error of the gateway in Anthropic's form; `code` and `src` as in OpenAI's. */
export function messagesErrorBody(status: number, code: string, message: string): Json {
  const error = { type: messagesErrorType(status), message, code };
  return { type: 'error', error, src: 'mmdeploy' };
}

/** Whether the path is of the interface whose clients read errors in this form. */
export function isMessagesPath(url: string): boolean {
  return /^\/v1\/messages(?:[/?]|$)/.test(url);
}
