import type { Command } from 'commander';
import { EXIT_CODES } from '../../errors.ts';
import type { Registrar, Shell } from '../shell.ts';
import { registerModelsQuantize } from './models-quantize.ts';

/** `mmdeploy models [ID]`, `mmdeploy models quantize`. */
export function registerModels(registrar: Registrar): void {
  const models = registrar
    .begin('models')
    .description('Lists the model profiles, or shows one of them with its dimensions and sources.')
    .argument('[id]', 'profile id or alias')
    .option('--vram', 'parameters, sizes and the recommended GPU of each')
    .usage('[options] [id]')
    .helpCommand(false)
    // What follows `quantize` is for it, `-o` too.
    .enablePositionalOptions()
    .action(registrar.action(runModels));
  registerModelsQuantize(models, registrar);
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
  if (command.opts<{ vram?: boolean }>().vram === true) return printVram(shell, id);
  if (id === undefined) {
    // `internvl2-2b` before `internvl2-26b`.
    const { compare } = new Intl.Collator('en', { numeric: true });
    const sorted = [...profiles].sort((a, b) => compare(a.id, b.id));
    await shell.print(sorted, () => modelsText(sorted, shell.view.boxes));
  } else {
    const profile = findModel(profiles, id);
    await shell.print(profile, () => modelText(profile, shell.view.palette));
  }
  return EXIT_CODES.ok.code;
}

async function printVram(shell: Shell, id: string | undefined): Promise<number> {
  const { modelsVramWorkflow } = await import('../../workflows/models.ts');
  const { modelsVramText } = await import('../../report/models-vram.ts');
  const { profileFolders } = await import('../../workflows/model.ts');
  const folders = profileFolders(shell.context, shell.options.profiles ?? null);
  const table = await modelsVramWorkflow(folders, id ?? null, shell.context.now());
  await shell.print(table, () => modelsVramText(table, shell.view.boxes));
  return EXIT_CODES.ok.code;
}
