import type { DeploymentPlan } from '../../contracts/plan.ts';
import { EXIT_CODES } from '../../errors.ts';
import { shellWord } from '../../render/parts/quote.ts';
import { deploymentText } from '../../report/deployment.ts';
import { deployWorkflow } from '../../workflows/deploy.ts';
import type { DeploymentWish } from '../requests/deploy.ts';
import type { Shell } from '../shell.ts';
import { PACKAGE_VERSION } from '../version.ts';

/** The deployment files of a plan: written, or printed with `--dry-run`. */
export async function printDeployment(
  plan: DeploymentPlan,
  wish: DeploymentWish,
  shell: Shell,
): Promise<number> {
  const command = ['mmdeploy', ...shell.argv].map(shellWord).join(' ');
  const deployed = await deployWorkflow(
    { ...wish, plan, version: PACKAGE_VERSION, command },
    shell.context,
  );
  await shell.print({ ...plan, deployment: deployed.manifest }, () =>
    deploymentText(deployed, wish.folder, shell.view),
  );
  shell.warn(plan.warnings);
  return EXIT_CODES.ok.code;
}
