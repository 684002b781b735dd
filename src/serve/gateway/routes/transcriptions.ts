import type { FastifyInstance } from 'fastify';
import { replyToPrompt } from '../chat/chat-route.ts';
import type { PipelineParts } from '../chat/pipeline.ts';
import {
  takeTranscriptionApart,
  transcriptAnswer,
  transcriptionOf,
} from '../chat/transcription.ts';
import { GatewayError } from '../errors.ts';
import { parseForm } from './form.ts';
import { bodyOf, type ClientOf } from './request.ts';

const CHAT = '/v1/chat/completions';

/**
 * `POST /v1/audio/transcriptions`: a form with a sound, asked of the model as a chat, so that the sound
 * passes the same firewall and store. A model that does not hear is 400 that says which do.
 */
export function registerTranscriptions(
  app: FastifyInstance,
  parts: PipelineParts,
  clientOf: ClientOf,
): void {
  // In a scope of its own: no other route takes forms.
  void app.register((scope, _options, done) => {
    scope.removeAllContentTypeParsers();
    scope.addContentTypeParser(
      'multipart/form-data',
      { parseAs: 'buffer' },
      (_request, body, parsed) => parsed(null, body),
    );
    scope.post('/v1/audio/transcriptions', async (request, reply) => {
      const type = request.headers['content-type'];
      if (type === undefined)
        throw new GatewayError(400, 'invalid_form', 'the request has no form');
      const { fields, files } = await parseForm(bodyOf(request), type);
      const asked = transcriptionOf(fields, files.get('file'));
      const route = {
        path: CHAT,
        countPath: `${CHAT}/input_tokens`,
        answerAs: (answer: Parameters<typeof transcriptAnswer>[0]) =>
          transcriptAnswer(answer, asked.format),
      };
      const client = clientOf(request, reply);
      return replyToPrompt(parts, route, takeTranscriptionApart(asked), client, request, reply);
    });
    done();
  });
}
