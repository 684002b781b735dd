import type { FastifyReply } from 'fastify';
import { STATUS_CODES } from 'node:http';
import type { Socket } from 'node:net';
import { messageOf } from '../../errors.ts';
import { GatewayError, errorBody } from './errors.ts';
import { isMessagesPath, messagesErrorBody } from './messages/errors.ts';

/** Answers with an error in the form of the interface that was asked, whatever was thrown. */
export function sendError(error: unknown, reply: FastifyReply): FastifyReply {
  const { status, code, message, retryAfter } = asGatewayError(error);
  if (retryAfter !== null) reply.header('retry-after', String(retryAfter));
  if (status === 401) reply.header('www-authenticate', 'Bearer');
  const bodyOf = isMessagesPath(reply.request.url) ? messagesErrorBody : errorBody;
  return reply.code(status).send(bodyOf(status, code, message));
}

/** Fastify's own refusals (body too large, wrong content type) carry a status; the rest is a bug. */
function asGatewayError(error: unknown): GatewayError {
  if (error instanceof GatewayError) return error;
  const { statusCode, code } = error as { statusCode?: unknown; code?: unknown };
  const status = typeof statusCode === 'number' ? statusCode : 500;
  const name = typeof code === 'string' ? code.replace(/^FST_ERR_(CTP_)?/, '').toLowerCase() : '';
  if (name === 'body_too_large') {
    return new GatewayError(413, name, 'the body is larger than this server takes (`--max-body`)');
  }
  return new GatewayError(status, name === '' ? 'internal_error' : name, messageOf(error));
}

/** What cannot be parsed as HTTP never reaches a route; it gets the same form of answer. */
export function refuseMalformed(error: Error & { code?: string }, socket: Socket): void {
  if (error.code === 'ECONNRESET' || !socket.writable) return;
  const status =
    error.code === 'HPE_HEADER_OVERFLOW'
      ? 431
      : error.code === 'ERR_HTTP_REQUEST_TIMEOUT'
        ? 408
        : 400;
  const body = JSON.stringify(errorBody(status, 'malformed_request', error.message));
  const head = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ''}\r\ncontent-type: application/json`;
  const length = Buffer.byteLength(body);
  socket.end(`${head}\r\ncontent-length: ${length}\r\nconnection: close\r\n\r\n${body}`);
}
