// `npm run validators`: installs the readers that written files are checked with (docker-compose, podman's
// quadlet, promtool, shellcheck, Kubernetes' description of its objects) from Debian's packages into mmdeploy's own
// cache: no root, nothing system-wide. Then says which of them, and of the system's own, are used.
//   --force      install again
//   -o json      one JSON document instead of lines
import { parseArgs } from 'node:util';
import { MmdeployError } from '../dist/errors.js';
import { findValidators } from '../dist/validators/find.js';
import { installValidators } from '../dist/validators/install.js';
import { createContext } from '../dist/workflows/create-context.js';

const { values } = parseArgs({
  options: {
    force: { type: 'boolean', default: false },
    output: { type: 'string', short: 'o', default: 'table' },
  },
});

const say = (line) => process.stderr.write(`${line}\n`);
const ctx = createContext({
  notice: say,
  progress: (state) => {
    if (state !== null) say(`${state.label} (${state.done + 1}/${state.total})`);
  },
});

try {
  const { folder, fresh } = await installValidators({ force: values.force }, ctx);
  const validators = await findValidators(ctx);
  if (values.output === 'json') {
    process.stdout.write(`${JSON.stringify({ folder, fresh, validators }, null, 2)}\n`);
  } else {
    for (const [name, tool] of Object.entries(validators)) {
      const found = tool === null ? 'not found' : `${tool.version}  ${tool.path}`;
      process.stdout.write(`${name.padEnd(20)}${found}\n`);
    }
  }
  const missing = Object.keys(validators).filter((name) => validators[name] === null);
  if (missing.length > 0) {
    say(`still missing, install as your system does: ${missing.join(', ')}`);
    process.exitCode = 5;
  }
} catch (error) {
  if (!(error instanceof MmdeployError)) throw error;
  say([error.message, ...error.details, ...error.hints].join('\n'));
  process.exitCode = error.exitCode;
}
