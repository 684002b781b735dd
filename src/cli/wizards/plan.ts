import { MmdeployError } from '../../errors.ts';
import { loadProfiles } from '../../profiles/load.ts';
import { profileFolders } from '../../workflows/model.ts';
import type { PlanOptions } from '../requests/plan.ts';
import type { Shell } from '../shell.ts';

export type PlanAnswers = { readonly model: string | undefined; readonly options: PlanOptions };

/**
 * Asks for what the flags of `plan` left open. Every question has its flag, and the answers become
 * flags: the wizard decides nothing of its own. Throws `usage.invalid` where nobody can answer.
 */
export async function askForPlan(
  shell: Shell,
  model: string | undefined,
  options: PlanOptions,
): Promise<PlanAnswers> {
  if (!shell.io.stdinIsTty || !shell.io.stdoutIsTty) {
    throw new MmdeployError('usage.invalid', '`--interactive` needs a terminal to ask on', {
      hints: ['give the model and flags instead: `mmdeploy plan MODEL --gpu "RTX 4090"`'],
    });
  }
  const { default: inquirer } = await import('inquirer');
  const { profiles } = await loadProfiles(profileFolders(shell.context, options.profiles ?? null));
  try {
    const answers = await inquirer.prompt<Record<string, string>>([
      {
        type: 'select',
        name: 'model',
        message: 'Model',
        choices: profiles.map(({ id, name }) => ({ value: id, name: `${name} (${id})` })),
        when: () => model === undefined,
      },
      {
        type: 'input',
        name: 'gpu',
        message: 'GPU (`RTX 4090`, `2x L4`, `24GiB`, `none`; empty: this machine)',
        when: () => (options.gpu ?? []).length === 0 && options.machine === undefined,
      },
      {
        type: 'input',
        name: 'users',
        message: 'Requests at the same time (empty: what fits)',
        when: () => options.users === undefined && options.slots === undefined,
      },
      {
        type: 'input',
        name: 'context',
        message: 'Tokens of context of one request (empty: what fits)',
        when: () => options.context === undefined,
      },
    ]);
    return { model: model ?? answers['model'], options: { ...options, ...flagsOf(answers) } };
  } catch (error) {
    if (error instanceof Error && error.name === 'ExitPromptError') {
      throw new MmdeployError('interrupted', 'interrupted', { cause: error });
    }
    throw error;
  }
}

function flagsOf(answers: Readonly<Record<string, string | undefined>>): Partial<PlanOptions> {
  const given = (name: string) => {
    const answer = answers[name]?.trim();
    return answer === undefined || answer === '' ? undefined : answer;
  };
  const [gpu, users, context] = ['gpu', 'users', 'context'].map(given);
  return {
    ...(gpu === undefined ? {} : { gpu: [gpu] }),
    ...(users === undefined ? {} : { users }),
    ...(context === undefined ? {} : { context }),
  };
}
