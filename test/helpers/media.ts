import type { AudioCodec, OutputFormat, Rotation, VideoCodec } from 'mediabunny';
import {
  BufferTarget,
  EncodedAudioPacketSource,
  EncodedPacket,
  EncodedVideoPacketSource,
  Output,
} from 'mediabunny';

/** Sounds of silence and films of nothing, byte by byte: their lengths are known because they are made. */

export type WavSpec = {
  readonly frames: number;
  readonly rate: number;
  readonly channels?: number;
  /** Puts another chunk before the samples, as editors do. */
  readonly list?: boolean;
};

/** 16-bit PCM. */
export function wavBytes({ frames, rate, channels = 1, list = false }: WavSpec): Buffer {
  const data = Buffer.alloc(frames * channels * 2);
  const format = Buffer.alloc(16);
  format.writeUInt16LE(1, 0);
  format.writeUInt16LE(channels, 2);
  format.writeUInt32LE(rate, 4);
  format.writeUInt32LE(rate * channels * 2, 8);
  format.writeUInt16LE(channels * 2, 12);
  format.writeUInt16LE(16, 14);
  const body = Buffer.concat([
    Buffer.from('WAVE'),
    riffChunk('fmt ', format),
    ...(list ? [riffChunk('LIST', Buffer.from('INFOISFT\x04\0\0\0abc\0'))] : []),
    riffChunk('data', data),
  ]);
  return riffChunk('RIFF', body);
}

function riffChunk(name: string, body: Buffer): Buffer {
  const head = Buffer.alloc(8);
  head.write(name, 'latin1');
  head.writeUInt32LE(body.length, 4);
  return Buffer.concat([head, body]);
}

const MP3_KBPS = [0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
export const MP3_FRAME = 1152;
export const MP3_RATE = 44_100;

/** MPEG-1 layer III at 44.1 kHz, mono; each frame has 1152 samples of silence. */
export function mp3Bytes(frames: number, kbps: (index: number) => number = () => 64): Buffer {
  return Buffer.concat(Array.from({ length: frames }, (_, index) => mp3Frame(kbps(index))));
}

function mp3Frame(kbps: number): Buffer {
  const frame = Buffer.alloc(Math.floor((144_000 * kbps) / MP3_RATE));
  frame.set([0xff, 0xfb, MP3_KBPS.indexOf(kbps) << 4, 0xc0]);
  return frame;
}

/** The frame that LAME puts first: how many follow, and what of their samples the encoder added. */
export function lameFrame(frames: number, delay: number, padding: number): Buffer {
  const frame = mp3Frame(64);
  frame.write('Xing', 21, 'latin1');
  frame.writeUInt32BE(1, 25);
  frame.writeUInt32BE(frames, 29);
  frame.write('LAME3.100', 33, 'latin1');
  frame.writeUIntBE((delay << 12) | padding, 33 + 21, 3);
  return frame;
}

/** AAC without a container: each frame has 1024 samples. */
export function adtsBytes(frames: number): Buffer {
  const payload = Buffer.from('2110042000', 'hex');
  const length = 7 + payload.length;
  const frame = Buffer.alloc(7);
  // 44.1 kHz, LC, two channels.
  frame.set([
    0xff,
    0xf1,
    0x50,
    0x80 | (length >> 11),
    (length >> 3) & 0xff,
    ((length & 7) << 5) | 0x1f,
    0xfc,
  ]);
  const one = Buffer.concat([frame, payload]);
  return Buffer.concat(Array.from({ length: frames }, () => one));
}

/** FLAC of one channel of silence in blocks of 4096, its length in the head as encoders write it. */
export function flacBytes(samples: number, rate = 16_000): Buffer {
  const info = Buffer.alloc(34);
  info.writeUInt16BE(4096, 0);
  info.writeUInt16BE(4096, 2);
  info.writeUInt32BE(((rate << 12) | (15 << 4)) >>> 0, 10);
  info.writeUInt32BE(samples, 14);
  const blocks = Math.ceil(samples / 4096);
  const frames = Array.from({ length: blocks }, (_, index) =>
    flacFrame(index, Math.min(4096, samples - index * 4096)),
  );
  return Buffer.concat([Buffer.from('fLaC\x80\0\0\x22', 'latin1'), info, ...frames]);
}

function flacFrame(index: number, samples: number): Buffer {
  const number = index < 0x80 ? [index] : [0xc0 | (index >> 6), 0x80 | (index & 0x3f)];
  const size = [(samples - 1) >> 8, (samples - 1) & 0xff];
  const head = [0xff, 0xf8, 0x70, 0x08, ...number, ...size];
  const body = Buffer.from([...head, crc(head, 8, 0x07), 0x00, 0, 0]);
  const check = crc([...body], 16, 0x8005);
  return Buffer.concat([body, Buffer.from([check >> 8, check & 0xff])]);
}

function crc(bytes: readonly number[], width: number, polynomial: number): number {
  const top = 2 ** (width - 1);
  const mask = 2 ** width - 1;
  let value = 0;
  for (const byte of bytes) {
    value ^= byte << (width - 8);
    for (let bit = 0; bit < 8; bit++) {
      value = ((value << 1) ^ (value & top ? polynomial : 0)) & mask;
    }
  }
  return value;
}

const OPUS_PACKET = 960;

/** Opus in Ogg: 20 ms packets, the first `preSkip` samples of 48 kHz not to be played, `samples` of them left. */
export function opusBytes(samples: number, preSkip = 312): Buffer {
  const head = Buffer.from('OpusHead\x01\x01\0\0\x80\xbb\0\0\0\0\0', 'latin1');
  head.writeUInt16LE(preSkip, 10);
  const tags = Buffer.from('OpusTags\x04\0\0\0mine\0\0\0\0', 'latin1');
  const packets = Math.ceil((samples + preSkip) / OPUS_PACKET);
  const pages = Array.from({ length: packets }, (_, index) => {
    const last = index === packets - 1;
    const granule = last ? samples + preSkip : (index + 1) * OPUS_PACKET;
    return oggPage(Buffer.from([0xf8, 0xff, 0xfe]), index + 2, granule, last ? 4 : 0);
  });
  return Buffer.concat([oggPage(head, 0, 0, 2), oggPage(tags, 1, 0, 0), ...pages]);
}

function oggPage(packet: Buffer, sequence: number, granule: number, flags: number): Buffer {
  const page = Buffer.alloc(28);
  page.write('OggS', 'latin1');
  page[5] = flags;
  page.writeBigUInt64LE(BigInt(granule), 6);
  page.writeUInt32LE(7, 14);
  page.writeUInt32LE(sequence, 18);
  page[26] = 1;
  page[27] = packet.length;
  const whole = Buffer.concat([page, packet]);
  whole.writeUInt32LE(oggCrc(whole), 22);
  return whole;
}

function oggCrc(bytes: Buffer): number {
  let value = 0;
  for (const byte of bytes) {
    value ^= byte << 24;
    for (let bit = 0; bit < 8; bit++) value = (value << 1) ^ (value < 0 ? 0x04c11db7 : 0);
  }
  return value >>> 0;
}

export type FilmSpec = {
  readonly format: OutputFormat;
  readonly video?: {
    readonly codec?: VideoCodec;
    readonly width: number;
    readonly height: number;
    readonly frames: number;
    readonly fps: number;
    readonly rotation?: Rotation;
  };
  readonly audio?: { readonly codec?: AudioCodec; readonly packets: number };
};

const AAC_PACKET = 1024 / 48_000;
export const aacSeconds = (packets: number): number => packets * AAC_PACKET;

/** A container with packets of nothing in it, made by mediabunny's own writer. */
export async function filmBytes({ format, video, audio }: FilmSpec): Promise<Buffer> {
  const target = new BufferTarget();
  const output = new Output({ format, target });
  const jobs: (() => Promise<void>)[] = [];
  if (video !== undefined) {
    const { codec = 'avc', rotation = 0 } = video;
    const source = new EncodedVideoPacketSource(codec);
    output.addVideoTrack(source, { rotation });
    jobs.push(() => addVideo(source, { ...video, codec }));
  }
  if (audio !== undefined) {
    const codec = audio.codec ?? 'aac';
    const source = new EncodedAudioPacketSource(codec);
    output.addAudioTrack(source);
    jobs.push(() => addAudio(source, codec, audio.packets));
  }
  await output.start();
  await Promise.all(jobs.map((job) => job()));
  await output.finalize();
  return Buffer.from(target.buffer!);
}

async function addVideo(
  source: EncodedVideoPacketSource,
  spec: Required<Omit<NonNullable<FilmSpec['video']>, 'rotation'>>,
): Promise<void> {
  const { codec, width, height, frames, fps } = spec;
  // An avcC box of the baseline profile without any parameter set.
  const description = codec === 'avc' ? Buffer.from('0142001effe000' + '00', 'hex') : undefined;
  const config = {
    codec: codec === 'avc' ? 'avc1.42001e' : codec === 'vp9' ? 'vp09.00.10.08' : 'vp8',
    codedWidth: width,
    codedHeight: height,
    ...(description !== undefined && { description }),
  };
  for (let index = 0; index < frames; index++) {
    const data = Buffer.from('00000001' + '65', 'hex');
    const packet = new EncodedPacket(data, index === 0 ? 'key' : 'delta', index / fps, 1 / fps);
    await source.add(packet, { decoderConfig: config });
  }
  source.close();
}

async function addAudio(
  source: EncodedAudioPacketSource,
  codec: AudioCodec,
  packets: number,
): Promise<void> {
  const length = codec === 'opus' ? 0.02 : AAC_PACKET;
  const config = {
    codec: codec === 'opus' ? 'opus' : 'mp4a.40.2',
    numberOfChannels: 1,
    sampleRate: 48_000,
    ...(codec === 'aac' && { description: Buffer.from('1188', 'hex') }),
  };
  for (let index = 0; index < packets; index++) {
    const packet = new EncodedPacket(Buffer.from('f8fffe', 'hex'), 'key', index * length, length);
    await source.add(packet, { decoderConfig: config });
  }
  source.close();
}
