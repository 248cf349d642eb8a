/** The networks of a new VM's cards, as people type them: names with commas between. */
import { z } from 'zod';
import { CreateVm } from '#contracts';

const names = (text: string) =>
  text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');

/** What the dialog asks for: as the controller wants it, but for the networks in one field. */
export const VmForm = CreateVm.omit({ nics: true }).extend({
  networks: z
    .string()
    .transform((text) => names(text).map((network) => ({ network })))
    .pipe(CreateVm.shape.nics.unwrap()),
});
