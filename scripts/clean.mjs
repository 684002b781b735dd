// A file that was renamed in src must not live on in dist: the packed tarball ships dist whole.
import { rmSync } from 'node:fs';

rmSync(new URL('../dist', import.meta.url), { recursive: true, force: true });
