/**
 * Addresses behind which there is something a client may not reach, in the spellings that have fooled
 * filters; those that name this machine have `port`, at which a canary listens.
 */
export function privateAddresses(port: number): readonly string[] {
  const at = (host: string) => `http://${host}:${port}/a.png`;
  return [
    ...LOOPBACK.map(at),
    ...ELSEWHERE.map((host) => `http://${host}/latest/meta-data/`),
    // What stands before the @ is a name, not a host.
    `http://example.com@127.0.0.1:${port}/a.png`,
    `http://example.com:80@127.0.0.1:${port}/a.png`,
    `http://127.0.0.1:${port}#@example.com/a.png`,
    `http://127.0.0.1:${port}\\@example.com/a.png`,
    `https://127.0.0.1:${port}/a.png`,
    `HTTP://LOCALHOST:${port}/a.png`,
    'file:///etc/passwd',
    'file://localhost/etc/passwd',
    'FILE:///etc/passwd',
    'file://a.png',
    `gopher://127.0.0.1:${port}/_GET`,
    `ftp://127.0.0.1:${port}/a.png`,
    `//127.0.0.1:${port}/a.png`,
    '/etc/passwd',
    '',
  ];
}

const LOOPBACK = [
  '127.0.0.1',
  'localhost',
  'localhost.',
  '127.1',
  '127.0.1',
  '2130706433',
  '0x7f000001',
  '0x7f.0.0.1',
  '0177.0.0.1',
  '017700000001',
  '127.255.255.254',
  '0.0.0.0',
  '0',
  '[::1]',
  '[::]',
  '[::ffff:127.0.0.1]',
  '[::ffff:7f00:1]',
  '[0:0:0:0:0:ffff:7f00:0001]',
  '[::127.0.0.1]',
  // 6to4 and NAT64 of 127.0.0.1.
  '[2002:7f00:1::]',
  '[64:ff9b::7f00:1]',
  '①②⑦.⓪.⓪.①',
  'ⓛocalhost',
  '127.0.0.1.',
] as const;

const ELSEWHERE = [
  '169.254.169.254',
  '2852039166',
  '0xa9fea9fe',
  '[::ffff:169.254.169.254]',
  '[64:ff9b::a9fe:a9fe]',
  '[fe80::1]',
  '[fd00:ec2::254]',
  '[fc00::1]',
  '10.0.0.1',
  '172.16.0.1',
  '192.168.0.1',
  '100.64.0.1',
  '192.0.0.192',
  '198.18.0.1',
  '224.0.0.1',
  '255.255.255.255',
  'metadata.google.internal',
] as const;
