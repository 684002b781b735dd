import type { Command } from 'commander';
import { EXIT_CODES } from '../../errors.ts';
import type { Registrar, Shell } from '../shell.ts';

/** `mmdeploy models [ID]`. */
export function registerModels({ begin, action }: Registrar): void {
  begin('models')
    .description('Lists the model profiles, or shows one of them with its dimensions and sources.')
    .argument('[id]', 'profile id or alias')
    .action(action(runModels));
}

async function runModels(shell: Shell, command: Command): Promise<number> {
  const { loadProfiles } = await import('../../profiles/load.ts');
  const { findModel } = await import('../../profiles/layers.ts');
  const { profileFolders } = await import('../../workflows/model.ts');
  const { modelText, modelsText } = await import('../../report/models.ts');
  const { profiles, notices } = await loadProfiles(
    profileFolders(shell.context, shell.options.profiles ?? null),
  );
  for (const notice of notices) shell.context.notice(notice);
  const [id] = command.args;
  if (id === undefined) {
    await shell.print(profiles, () => modelsText(profiles, shell.view.boxes));
  } else {
    const profile = findModel(profiles, id);
    await shell.print(profile, () => modelText(profile, shell.view.palette));
  }
  return EXIT_CODES.ok.code;
}
