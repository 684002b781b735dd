import { createServer } from 'node:net';
import { expectThat, type Check, type TestedServer } from './check.ts';
import { cachedTokens, chat, post, promptTokens } from './client.ts';

const imagePart = (bytes: Uint8Array, type = 'image/png') => ({
  type: 'image_url',
  image_url: { url: `data:${type};base64,${Buffer.from(bytes).toString('base64')}` },
});
const textPart = (text: string) => ({ type: 'text', text });

/** A picture that no other run has sent: its size is fixed, its colour is not. */
async function picture(colour: number): Promise<Buffer> {
  const { default: sharp } = await import('sharp');
  const background = { r: colour & 255, g: (colour >> 8) & 255, b: (colour >> 16) & 255 };
  return sharp({ create: { width: 320, height: 240, channels: 3, background } })
    .png()
    .toBuffer();
}

export const MEDIA_CHECKS: readonly Check[] = [
  {
    id: 'image-seen',
    promise: 'an image reaches the model, and its tokens are those that were estimated',
    needsImages: true,
    run: async (server) => {
      const content = [textPart('What is it?'), imagePart(await picture(0x1020a0))];
      const messages = [{ role: 'user', content }];
      const estimate = await post(server, '/mmdeploy/v1/estimate', { messages });
      const answer = await chat(server, content);
      expectThat(answer.status === 200, `the answer is ${answer.status}: ${answer.text}`);
      const { total } = estimate.json;
      const billed = promptTokens(answer);
      const without = promptTokens(await chat(server, [textPart('What is it?')]));
      expectThat(billed > without, `${billed} tokens with the image, ${without} without`);
      // A model without a counting rule has no estimate to compare.
      expectThat(
        typeof total !== 'number' || total === billed,
        `estimated ${String(total)} tokens, billed ${billed}`,
      );
    },
  },
  {
    id: 'image-encoded-once',
    promise: 'the same image again costs no second encoding',
    needsImages: true,
    run: async (server) => {
      const image = imagePart(await picture(0x30c040));
      const first = await chat(server, [image, textPart('What is it?')]);
      const again = await chat(server, [image, textPart('Which colour has it?')]);
      const bare = promptTokens(await chat(server, [textPart('What is it?')]));
      const ofImage = promptTokens(first) - bare;
      expectThat(ofImage > 0, `the image costs ${ofImage} tokens`);
      expectThat(
        cachedTokens(again) >= ofImage,
        `${cachedTokens(again)} of ${promptTokens(again)} tokens were there, the image alone has ${ofImage}`,
      );
    },
  },
  {
    id: 'malformed-media',
    promise: 'malformed images are refused with 4xx, and the engine lives on',
    needsImages: true,
    run: async (server) => {
      const before = server.enginePid();
      for (const [name, bytes] of malformed(await picture(0x5060ff))) {
        const { status, text } = await chat(server, [imagePart(bytes)]);
        expectThat(status >= 400 && status < 500, `${name} is answered ${status}: ${text}`);
      }
      expectThat(server.enginePid() === before, 'the engine is another process than before');
      const { status } = await chat(server, 'Are you there?');
      expectThat(status === 200, `a question after them is answered ${status}`);
    },
  },
  {
    id: 'no-private-addresses',
    promise: 'an address in a request is not opened: no packet leaves for it',
    needsImages: true,
    run: noPrivateAddresses,
  },
  {
    id: 'marker-stays-text',
    promise: "llama.cpp's mark for media, typed as text, stays text",
    needsImages: false,
    run: async (server) => {
      const bare = promptTokens(await chat(server, 'What is it?'));
      expectThat(bare > 0, 'the answer tells no usage');
      for (const marker of ['<__media__>', '<__image__>', '<image>']) {
        const answer = await chat(server, `What is it? ${marker}`);
        expectThat(answer.status === 200, `\`${marker}\` is answered ${answer.status}`);
        const more = promptTokens(answer) - bare;
        expectThat(more <= 2 * marker.length, `\`${marker}\` costs ${more} tokens`);
      }
    },
  },
];

function malformed(png: Buffer): readonly (readonly [name: string, bytes: Buffer])[] {
  const sized = (width: number, height: number) => {
    const copy = Buffer.from(png);
    copy.writeUInt32BE(width, 16);
    copy.writeUInt32BE(height, 20);
    return copy;
  };
  return [
    ['an empty file', Buffer.alloc(0)],
    ['noise', Buffer.from(Array.from({ length: 512 }, (_, index) => (index * 193 + 7) % 256))],
    ['the beginning of a PNG', png.subarray(0, 40)],
    ['an image of 0x0', sized(0, 0)],
    ['an image of 65535x65535', sized(65_535, 65_535)],
    ['an SVG', Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>')],
    ['a text', Buffer.from('no image at all')],
  ];
}

async function noPrivateAddresses(server: TestedServer): Promise<void> {
  let packets = 0;
  const canary = createServer((socket) => {
    packets += 1;
    socket.destroy();
  });
  await new Promise<void>((resolve) => canary.listen(0, '127.0.0.1', resolve));
  try {
    const address = canary.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const urls = [
      ...['127.0.0.1', 'localhost', '127.1', '2130706433', '0x7f.1', '[::ffff:127.0.0.1]'].map(
        (host) => `http://${host}:${port}/a.png`,
      ),
      'http://169.254.169.254/latest/meta-data',
      'file:///etc/passwd',
    ];
    for (const url of urls) {
      const { status } = await chat(server, [{ type: 'image_url', image_url: { url } }]);
      expectThat(status >= 400 && status < 500, `\`${url}\` is answered ${status}`);
    }
    expectThat(packets === 0, `${packets} connections were opened`);
  } finally {
    canary.close();
  }
}
