/** heic-decode 2 comes without types: what is used of it. */
declare module 'heic-decode' {
  type HeicImage = {
    readonly width: number;
    readonly height: number;
    readonly decode: () => Promise<{
      readonly width: number;
      readonly height: number;
      /** RGBA. */
      readonly data: Uint8ClampedArray<ArrayBuffer>;
    }>;
  };
  const decode: {
    readonly all: (input: {
      readonly buffer: Uint8Array;
    }) => Promise<readonly HeicImage[] & { readonly dispose: () => void }>;
  };
  // It is what the package exports.
  // eslint-disable-next-line no-restricted-exports
  export default decode;
}
