// A load generator that costs little beside what it measures: requests are bytes made beforehand, written to
// kept-alive sockets one at a time, answers are looked through for their length only.
import { connect } from 'node:net';
import { performance } from 'node:perf_hooks';

/** One HTTP request as bytes. */
export function rawRequest(url, body) {
  const { host } = new URL(url);
  const head =
    `POST /v1/chat/completions HTTP/1.1\r\nhost: ${host}\r\ncontent-type: application/json\r\n` +
    `content-length: ${Buffer.byteLength(body)}\r\n\r\n`;
  return Buffer.from(head + body);
}

/**
 * Keeps `connections` busy with `nextRequest()` for `seconds`; latencies in ms and requests per second.
 * Throws at the first answer that is not 200.
 */
export async function blast(url, connections, seconds, nextRequest) {
  const start = performance.now();
  const end = start + seconds * 1000;
  const latencies = [];
  const busy = Array.from({ length: connections }, () =>
    one(new URL(url), end, nextRequest, latencies),
  );
  await Promise.all(busy);
  return { latencies, rate: latencies.length / ((performance.now() - start) / 1000) };
}

function one({ hostname, port }, end, nextRequest, latencies) {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    socket.setNoDelay(true);
    let sentAt = 0;
    let pending = Buffer.alloc(0);
    const send = () => {
      const request = nextRequest();
      if (request === null || performance.now() > end) {
        socket.destroy();
        resolve();
        return;
      }
      sentAt = performance.now();
      socket.write(request);
    };
    socket.on('connect', send);
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      pending = pending.length === 0 ? chunk : Buffer.concat([pending, chunk]);
      const whole = answerLength(pending);
      if (whole === null || pending.length < whole) return;
      if (pending.toString('latin1', 9, 12) !== '200') {
        reject(new Error(`not 200: ${pending.toString('utf8').slice(0, 500)}`));
        socket.destroy();
        return;
      }
      latencies.push(performance.now() - sentAt);
      pending = Buffer.alloc(0);
      send();
    });
    socket.on('close', () => {
      if (performance.now() < end) reject(new Error('the server closed a connection'));
    });
  });
}

/** Bytes of head and body; null while the head is not whole. */
function answerLength(bytes) {
  const headEnd = bytes.indexOf('\r\n\r\n');
  if (headEnd === -1) return null;
  const head = bytes.toString('latin1', 0, headEnd);
  const length = /\r\ncontent-length: (\d+)/i.exec(head);
  if (length === null) throw new Error(`an answer without a length: ${head}`);
  return headEnd + 4 + Number(length[1]);
}
